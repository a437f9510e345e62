"""What the backend's XML says of an instance, a volume or a network interface, as plain values that rules and jobs can be given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.lab.gateway.wire import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume as an instance sees it."""

    volume_id: str
    deleted_with_instance: bool


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An instance as the backend knows it; `settled` is the backend's own state, which knows of no transitions.

    `interfaces` maps a device index to the id of the network interface that is attached there.
    """

    instance_id: str
    image_id: str
    address: str
    zone: str
    settled: str
    root_device: str
    disks: Mapping[str, Disk]
    tags: Mapping[str, str]
    key_name: str = ""
    interfaces: Mapping[int, str] = field(default_factory=dict)

    @property
    def data_disks(self) -> dict[str, Disk]:
        """Give the disks beside the root disk, by device."""
        return {device: disk for device, disk in self.disks.items() if device != self.root_device}


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """A volume as the backend knows it."""

    volume_id: str
    zone: str
    snapshot_id: str
    instance_id: str
    device: str
    attach_time: str


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """A network interface as the backend knows it; nothing of an attachment where there is none."""

    interface_id: str
    zone: str
    address: str
    attachment_id: str
    instance_id: str
    index: int | None


def read_instances(root: Element) -> Iterator[InstanceFacts]:
    """Read the answer to DescribeInstances or RunInstances."""
    for item in [*root.iterfind("reservationSet/item/instancesSet/item"), *root.iterfind("instancesSet/item")]:
        yield InstanceFacts(
            instance_id=text(item, "instanceId"),
            image_id=text(item, "imageId"),
            address=text(item, "privateIpAddress"),
            zone=text(item, "placement/availabilityZone"),
            settled=text(item, "instanceState/name"),
            root_device=text(item, "rootDeviceName"),
            disks={
                text(disk, "deviceName"): Disk(text(disk, "ebs/volumeId"), text(disk, "ebs/deleteOnTermination") == "true")
                for disk in item.iterfind("blockDeviceMapping/item")
            },
            tags={text(tag, "key"): text(tag, "value") for tag in item.iterfind("tagSet/item")},
            key_name=text(item, "keyName"),
            interfaces={
                int(text(interface, "attachment/deviceIndex")): text(interface, "networkInterfaceId")
                for interface in item.iterfind("networkInterfaceSet/item")
            },
        )


def read_volumes(root: Element) -> Iterator[VolumeFacts]:
    """Read the answer to DescribeVolumes."""
    for item in root.iterfind("volumeSet/item"):
        yield VolumeFacts(
            volume_id=text(item, "volumeId"),
            zone=text(item, "availabilityZone"),
            snapshot_id=text(item, "snapshotId"),
            instance_id=text(item, "attachmentSet/item/instanceId"),
            device=text(item, "attachmentSet/item/device"),
            attach_time=text(item, "attachmentSet/item/attachTime"),
        )


def read_interfaces(root: Element) -> Iterator[InterfaceFacts]:
    """Read the answer to DescribeNetworkInterfaces."""
    for item in root.iterfind("networkInterfaceSet/item"):
        index = text(item, "attachment/deviceIndex")
        yield InterfaceFacts(
            interface_id=text(item, "networkInterfaceId"),
            zone=text(item, "availabilityZone"),
            address=text(item, "privateIpAddress"),
            attachment_id=text(item, "attachment/attachmentId"),
            instance_id=text(item, "attachment/instanceId"),
            index=int(index) if index else None,
        )
