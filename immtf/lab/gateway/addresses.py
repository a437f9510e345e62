"""Private addresses of a subnet: which are taken, and which one is given out.

moto gives out addresses without a look at interfaces that no instance was made with, and makes up any address for such an interface,
the network's own among them. So the gateway chooses, for instances and interfaces alike: the highest that is free, for those
that are asked for by name stand at the low end, and may be asked for a moment later. (AWS chooses any; a reservation keeps them free.)
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from immtf.lab.gateway import rules
from immtf.lab.gateway.wire import Refusal, text

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud


def judge_address(cloud: Cloud, region: str, subnet_id: str, address: str) -> None:
    """Raise `Refusal` for an address outside the subnet, reserved, or in use."""
    rules.address_free(address, _cidr(cloud, region, subnet_id), _taken(cloud, region, subnet_id))


def free_addresses(cloud: Cloud, region: str, subnet_id: str, least: int, most: int) -> list[str]:
    """Choose up to `most` free addresses; fewer than `least`: `Refusal`."""
    network, taken = IPv4Network(_cidr(cloud, region, subnet_id)), _taken(cloud, region, subnet_id)
    chosen: list[str] = []
    for number in range(int(network.broadcast_address), int(network.network_address), -1):
        host = IPv4Address(number)
        if len(chosen) == most:
            break
        if rules.given_out(host, network) and str(host) not in taken:
            chosen.append(str(host))
    if len(chosen) < least:
        raise Refusal(
            "InsufficientFreeAddressesInSubnet",
            f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the requested number of instances or interfaces.",
        )
    return chosen


def _cidr(cloud: Cloud, region: str, subnet_id: str) -> str:
    return text(cloud.backend.tree(region, "DescribeSubnets", {"SubnetId.1": subnet_id}), "subnetSet/item/cidrBlock")


def _taken(cloud: Cloud, region: str, subnet_id: str) -> set[str]:
    form = {"Filter.1.Name": "subnet-id", "Filter.1.Value.1": subnet_id}
    interfaces = cloud.backend.tree(region, "DescribeNetworkInterfaces", form)
    path = "networkInterfaceSet/item/privateIpAddressesSet/item/privateIpAddress"
    return {found.text or "" for found in interfaces.iterfind(path)}
