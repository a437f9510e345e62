"""The `Cloud` port over EC2: reads as data, and the calls that change something: stop, start, detach, and those on snapshots.

Reads filter by id instead of naming ids, so that an id that doesn't exist is absent from the answer and not an error for all of
them. A filter takes 200 values at most (EC2's quota), so longer lists are asked for in parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import pages, tag_filters, tags_in, translated
from immtf.model.cloud import Attachment, Instance, Interface, Volume, VolumeSnapshot
from immtf.plan.image import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from immtf.adapters.aws import Aws

FILTER_VALUES = 200
CHANGING = ["modifying", "optimizing"]
ALIVE = ["pending", "running", "stopping", "stopped"]


class Ec2:
    """EC2 in one region."""

    def __init__(self, aws: Aws) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ec2")

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        return {item.instance_id: item for part in _parts(ids) for item in self._instances([{"Name": "instance-id", "Values": part}])}

    def tagged(self, tags: Mapping[str, str]) -> tuple[Instance, ...]:
        return tuple(self._instances([*tag_filters(tags), {"Name": "instance-state-name", "Values": ALIVE}]))

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        found: dict[str, Volume] = {}
        for part in _parts(ids):
            for row in self._pages("describe_volumes", "Volumes", Filters=[{"Name": "volume-id", "Values": part}]):
                found[row["VolumeId"]] = _volume(row)
        return found

    def holder(self, address: str, subnet_id: str) -> str:
        filters = [{"Name": "addresses.private-ip-address", "Values": [address]}]
        filters += [{"Name": "subnet-id", "Values": [subnet_id]}] if subnet_id else []
        rows = self._pages("describe_network_interfaces", "NetworkInterfaces", Filters=filters)
        return ", ".join(_interface(row) for row in rows) if address else ""

    def stop(self, instance_id: str) -> None:
        with translated(f"ec2 {instance_id}"):
            self._client.stop_instances(InstanceIds=[instance_id])

    def start(self, instance_id: str) -> None:
        with translated(f"ec2 {instance_id}"):
            self._client.start_instances(InstanceIds=[instance_id])

    def detach(self, volume_id: str, instance_id: str) -> None:
        with translated(f"ec2 {volume_id}"):
            self._client.detach_volume(VolumeId=volume_id, InstanceId=instance_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        with translated(f"ec2 {volume_id}"):
            self._client.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)

    def interfaces(self, ids: Collection[str]) -> Mapping[str, Interface]:
        found: dict[str, Interface] = {}
        for part in _parts(ids):
            filters = [{"Name": "network-interface-id", "Values": part}]
            for row in self._pages("describe_network_interfaces", "NetworkInterfaces", Filters=filters):
                found[row["NetworkInterfaceId"]] = _own_interface(row)
        return found

    def attach_interface(self, interface_id: str, instance_id: str, index: int) -> None:
        with translated(f"ec2 {interface_id}"):
            self._client.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance_id, DeviceIndex=index)

    def detach_interface(self, attachment_id: str) -> None:
        with translated(f"ec2 {attachment_id}"):
            self._client.detach_network_interface(AttachmentId=attachment_id)

    def modifications(self, ids: Collection[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for part in _parts(ids):
            filters = [{"Name": "volume-id", "Values": part}, {"Name": "modification-state", "Values": CHANGING}]
            for row in self._pages("describe_volumes_modifications", "VolumesModifications", Filters=filters):
                found[row["VolumeId"]] = row["ModificationState"]
        return found

    def snapshot(self, volume_id: str, tags: Mapping[str, str]) -> VolumeSnapshot:
        listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        with translated(f"ec2 {volume_id}"):
            row = self._client.create_snapshot(
                VolumeId=volume_id,
                Description=f"{volume_id}, taken by immtf",
                TagSpecifications=[{"ResourceType": "snapshot", "Tags": listed}],
            )
        return _snapshot(row)

    def snapshots(self, tags: Mapping[str, str]) -> tuple[VolumeSnapshot, ...]:
        rows = self._pages("describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=tag_filters(tags))
        return tuple(_snapshot(row) for row in rows)

    def delete_snapshot(self, snapshot_id: str) -> None:
        with translated(f"ec2 {snapshot_id}"):
            self._client.delete_snapshot(SnapshotId=snapshot_id)

    def images(self, family: str) -> tuple[Image, ...]:
        """Return this account's images of a family, as their tags tell."""
        filters = [{"Name": "tag:immtf:family", "Values": [family]}]
        return tuple(image_of(row) for row in self._pages("describe_images", "Images", Owners=["self"], Filters=filters))

    def image(self, image_id: str) -> Image | None:
        filters = [{"Name": "image-id", "Values": [image_id]}]
        return next((image_of(row) for row in self._pages("describe_images", "Images", Filters=filters)), None)

    def _instances(self, filters: list[dict[str, Any]]) -> Iterator[Instance]:
        for reservation in self._pages("describe_instances", "Reservations", Filters=filters):
            for row in reservation["Instances"]:
                yield _instance(row)

    def _pages(self, operation: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        return pages(self._client, operation, key, **arguments)


def _parts(ids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), FILTER_VALUES):
        yield ordered[start : start + FILTER_VALUES]


def _instance(row: Mapping[str, Any]) -> Instance:
    return Instance(
        instance_id=row["InstanceId"],
        state=row["State"]["Name"],
        image_id=row["ImageId"],
        zone=row["Placement"]["AvailabilityZone"],
        address=row.get("PrivateIpAddress", ""),
        tags=tags_in(row),
        launched=row["LaunchTime"].timestamp(),
        architecture=row.get("Architecture", ""),
    )


def _snapshot(row: Mapping[str, Any]) -> VolumeSnapshot:
    return VolumeSnapshot(row["SnapshotId"], row["VolumeId"], row["State"], row["StartTime"].timestamp(), tags_in(row))


def _volume(row: Mapping[str, Any]) -> Volume:
    ties = tuple(
        Attachment(tie["InstanceId"], tie.get("Device", ""), tie["State"])
        for tie in row.get("Attachments", ())
        if tie["State"] != "detached"
    )
    return Volume(
        volume_id=row["VolumeId"],
        state=row["State"],
        zone=row["AvailabilityZone"],
        size_gib=int(row["Size"]),
        attachments=ties,
        kind=row.get("VolumeType", ""),
        created=row["CreateTime"].timestamp(),
        snapshot_id=row.get("SnapshotId") or "",
    )


def _own_interface(row: Mapping[str, Any]) -> Interface:
    tie = row.get("Attachment") or {}
    return Interface(
        interface_id=row["NetworkInterfaceId"],
        state=row["Status"],
        zone=row.get("AvailabilityZone", ""),
        address=row.get("PrivateIpAddress", ""),
        instance_id=tie.get("InstanceId", "") if tie.get("Status") != "detached" else "",
        attachment_id=tie.get("AttachmentId", ""),
        tie=tie.get("Status", ""),
    )


def _interface(row: Mapping[str, Any]) -> str:
    """Say whose a network interface is: an instance's, or what its description tells."""
    owner = row.get("Attachment", {}).get("InstanceId", "")
    told = f"of {owner}" if owner else row.get("Description") or "of no instance"
    return f"interface {row['NetworkInterfaceId']} {told} ({row['Status']})"


def image_of(row: Mapping[str, Any]) -> Image:
    """Return an image as a row of DescribeImages tells it."""
    tags = tags_in(row)
    return Image(
        image_id=row["ImageId"],
        family=tags.get("immtf:family", ""),
        version=tags.get("immtf:version", ""),
        created=row.get("CreationDate", ""),
        state=row.get("State", ""),
        architecture=row.get("Architecture", ""),
        root=row.get("RootDeviceType", ""),
        tags=tags,
        snapshots=tuple(disk["Ebs"]["SnapshotId"] for disk in row.get("BlockDeviceMappings", ()) if disk.get("Ebs", {}).get("SnapshotId")),
    )
