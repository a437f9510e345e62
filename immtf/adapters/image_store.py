"""The `ImageStore` port over EC2: images by their tags, who uses them, and their removal with their snapshots.

Whether an image may be removed is not asked here (`immtf.plan.collecting`). It is deregistered first: its snapshots can't go before, and
one whose deletion fails is left without an image, which costs money and hurts nobody.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import pages, translated
from immtf.adapters.ec2 import Ec2, image_of
from immtf.adapters.sweeper import NOT_TERMINATED
from immtf.errors import CloudFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from immtf.adapters.aws import Aws
    from immtf.plan.image import Image

GONE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound"})


class Ec2ImageStore:
    """This account's images in one region."""

    def __init__(self, aws: Aws) -> None:
        """Make the clients; no call is made yet."""
        self._client = aws.client("ec2")
        self._ec2 = Ec2(aws)

    def images(self, family: str) -> tuple[Image, ...]:
        if family:
            return self._ec2.images(family)
        filters = [{"Name": "tag-key", "Values": ["immtf:family"]}]
        return tuple(image_of(row) for row in pages(self._client, "describe_images", "Images", Owners=["self"], Filters=filters))

    def image(self, image_id: str) -> Image | None:
        return self._ec2.image(image_id)

    def uses(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for image_id, by in (*self._instances(), *self._templates()):
            found[image_id].append(by)
        return dict(found)

    def tag(self, image_id: str, tags: Mapping[str, str]) -> None:
        with translated(f"ec2 {image_id}"):
            self._client.create_tags(Resources=[image_id], Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())])

    def remove(self, image: Image) -> None:
        self._gone(image.image_id, lambda: self._client.deregister_image(ImageId=image.image_id))
        for snapshot_id in image.snapshots:
            self._gone(snapshot_id, lambda snapshot_id=snapshot_id: self._client.delete_snapshot(SnapshotId=snapshot_id))

    def _gone(self, identity: str, remove: Any) -> None:
        try:
            with translated(f"ec2 {identity}"):
                remove()
        except CloudFailed as error:
            if error.code not in GONE:
                raise

    def _instances(self) -> Iterator[tuple[str, str]]:
        filters = [{"Name": "instance-state-name", "Values": [state for state in NOT_TERMINATED if state != "shutting-down"]}]
        for reservation in pages(self._client, "describe_instances", "Reservations", Filters=filters):
            for row in reservation["Instances"]:
                yield row["ImageId"], f"{row['InstanceId']} ({row['State']['Name']})"

    def _templates(self) -> Iterator[tuple[str, str]]:
        """Give every version's image: an auto scaling group may name any of them."""
        for template in pages(self._client, "describe_launch_templates", "LaunchTemplates"):
            identity = template["LaunchTemplateId"]
            for row in pages(self._client, "describe_launch_template_versions", "LaunchTemplateVersions", LaunchTemplateId=identity):
                if image_id := row["LaunchTemplateData"].get("ImageId"):
                    yield image_id, f"launch template {template['LaunchTemplateName']}, version {row['VersionNumber']}"
