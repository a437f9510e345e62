"""RunInstances as the backend needs it: AWS's own defaults written out, which moto doesn't have.

- The primary interface goes with its instance; moto frees the private address only then, so a node that is made again with its
  fixed address would not get it. `SubnetId` and `PrivateIpAddress` move to the interface, since moto takes them in one place only.
- The root disk goes with its instance, and is there also where other disks are asked for.
- As many instances as may be are made, not as few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.gateway.wire import groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT_DEVICE = "/dev/sda1"
ROOT_SIZE_GIB = "8"


def written_out(form: Mapping[str, str]) -> dict[str, str]:
    """Give the form with AWS's defaults written out."""
    full = dict(form)
    full["MinCount"] = full.get("MaxCount", full.get("MinCount", "1"))
    _primary_interface(full)
    _root_disk(full)
    return full


def fixed_addresses(form: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Give each subnet and private address that the request asks for by name."""
    for interface in groups(written_out(form), "NetworkInterface").values():
        address = interface.get("PrivateIpAddress") or interface.get("PrivateIpAddresses.1.PrivateIpAddress")
        if address and (subnet := interface.get("SubnetId")):
            yield subnet, address


def without_address(form: Mapping[str, str]) -> str:
    """Give the subnet in which the request leaves the choice of a private address to the cloud; "" where it doesn't, or names no subnet."""
    if next(fixed_addresses(form), None):
        return ""
    return next(
        (subnet for interface in groups(written_out(form), "NetworkInterface").values() if (subnet := interface.get("SubnetId"))), ""
    )


def addressed(form: Mapping[str, str], address: str) -> dict[str, str]:
    """Give the form for one instance with this address."""
    full = written_out(dict(form) | {"MinCount": "1", "MaxCount": "1"})
    number = next(number for number, interface in groups(full, "NetworkInterface").items() if interface.get("DeviceIndex") == "0")
    return full | {f"NetworkInterface.{number}.PrivateIpAddress": address}


def _primary_interface(form: dict[str, str]) -> None:
    interfaces = groups(form, "NetworkInterface")
    number = next((n for n, interface in interfaces.items() if interface.get("DeviceIndex") == "0"), None)
    if number is None:
        if interfaces:
            return
        number = 1
        form["NetworkInterface.1.DeviceIndex"] = "0"
    prefix = f"NetworkInterface.{number}"
    if f"{prefix}.NetworkInterfaceId" in form:
        return
    form.setdefault(f"{prefix}.DeleteOnTermination", "true")
    for name in ("SubnetId", "PrivateIpAddress"):
        if name in form:
            form.setdefault(f"{prefix}.{name}", form.pop(name))


def _root_disk(form: dict[str, str]) -> None:
    disks = groups(form, "BlockDeviceMapping")
    if not disks:
        return
    number = next((n for n, disk in disks.items() if disk.get("DeviceName") == ROOT_DEVICE), max(disks) + 1)
    prefix = f"BlockDeviceMapping.{number}"
    form.setdefault(f"{prefix}.DeviceName", ROOT_DEVICE)
    form.setdefault(f"{prefix}.Ebs.DeleteOnTermination", "true")
    if f"{prefix}.Ebs.SnapshotId" not in form:
        form.setdefault(f"{prefix}.Ebs.VolumeSize", ROOT_SIZE_GIB)
