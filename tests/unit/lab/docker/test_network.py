from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from immtf.lab.docker.network import CANDIDATES, free, host_routes, subnets

if TYPE_CHECKING:
    from pathlib import Path

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000400A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_what_overlaps_in_either_direction_is_left_out() -> None:
    taken = [IPv4Network("10.64.0.0/15"), IPv4Network("10.66.3.0/24"), IPv4Network("172.16.0.0/12")]
    found = list(map(str, free(taken)))
    assert found[:2] == ["10.67.0.0/16", "10.68.0.0/16"]
    assert not any(network.startswith("172.") for network in found)
    assert list(free([IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")])) == []


def test_every_candidate_has_room_for_terraform_s_subnets() -> None:
    networks = list(map(IPv4Network, CANDIDATES))
    assert all(network.is_private and network.prefixlen == 16 for network in networks)
    assert len(set(networks)) == len(networks)


def test_networks_as_docker_tells_them() -> None:
    told = [
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/80"}, {"Gateway": "10.0.0.1"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": None},
        {},
    ]
    assert list(subnets(told)) == [IPv4Network("172.17.0.0/16")]


def test_the_host_s_routes_but_the_one_that_leads_everywhere(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    assert host_routes(tmp_path / "route") == [IPv4Network("192.0.2.0/24"), IPv4Network("10.64.0.0/16")]
    assert host_routes(tmp_path / "none") == []
