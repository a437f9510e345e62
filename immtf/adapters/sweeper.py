"""The `Sweeper` port over EC2: finds what carries a test environment's tags, and takes it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.adapters.aws import pages, tag_filters, tags_in, translated
from immtf.model.cloud import Stray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.aws import Aws

NOT_TERMINATED = ["pending", "running", "stopping", "stopped", "shutting-down"]


class Ec2Sweeper:
    """EC2 in one region; whether something may be taken away is not asked here (`immtf.plan.sweep`)."""

    def __init__(self, aws: Aws) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ec2")

    def instances(self, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        filters = [*tag_filters(tags), {"Name": "instance-state-name", "Values": NOT_TERMINATED}]
        reservations = pages(self._client, "describe_instances", "Reservations", Filters=filters)
        return tuple(Stray(row["InstanceId"], row["State"]["Name"], tags_in(row)) for found in reservations for row in found["Instances"])

    def volumes(self, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        rows = pages(self._client, "describe_volumes", "Volumes", Filters=tag_filters(tags))
        return tuple(Stray(row["VolumeId"], row["State"], tags_in(row)) for row in rows)

    def snapshots(self, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        rows = pages(self._client, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=tag_filters(tags))
        return tuple(Stray(row["SnapshotId"], row["State"], tags_in(row)) for row in rows)

    def terminate(self, instance_id: str) -> None:
        with translated(f"ec2 {instance_id}"):
            self._client.terminate_instances(InstanceIds=[instance_id])

    def delete_snapshot(self, snapshot_id: str) -> None:
        with translated(f"ec2 {snapshot_id}"):
            self._client.delete_snapshot(SnapshotId=snapshot_id)

    def delete(self, volume_id: str) -> None:
        with translated(f"ec2 {volume_id}"):
            self._client.delete_volume(VolumeId=volume_id)
