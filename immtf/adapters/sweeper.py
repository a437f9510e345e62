"""The `Sweeper` port over EC2: finds what carries a test environment's tags, and takes it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import translated
from immtf.model.cloud import Stray

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from immtf.adapters.aws import Aws

NOT_TERMINATED = ["pending", "running", "stopping", "stopped", "shutting-down"]


class Ec2Sweeper:
    """EC2 in one region; whether something may be taken away is not asked here (`immtf.plan.sweep`)."""

    def __init__(self, aws: Aws) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ec2")

    def instances(self, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        filters = [*_filters(tags), {"Name": "instance-state-name", "Values": NOT_TERMINATED}]
        reservations = self._pages("describe_instances", "Reservations", filters)
        return tuple(Stray(row["InstanceId"], row["State"]["Name"], _tags(row)) for found in reservations for row in found["Instances"])

    def volumes(self, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        rows = self._pages("describe_volumes", "Volumes", _filters(tags))
        return tuple(Stray(row["VolumeId"], row["State"], _tags(row)) for row in rows)

    def terminate(self, instance_id: str) -> None:
        with translated(f"ec2 {instance_id}"):
            self._client.terminate_instances(InstanceIds=[instance_id])

    def delete(self, volume_id: str) -> None:
        with translated(f"ec2 {volume_id}"):
            self._client.delete_volume(VolumeId=volume_id)

    def _pages(self, operation: str, key: str, filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        with translated("ec2"):
            for page in self._client.get_paginator(operation).paginate(Filters=filters):
                yield from page[key]


def _filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the filters for all these tags; without any, every instance of the account would be found."""
    if not tags:
        raise ValueError("a sweep without tags would be of everything there is")
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(tags.items())]


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}
