"""The actions on images: registered from a directory tree, or made from an instance's root disk.

`ImageLocation` of RegisterImage is the tree's path on the lab's machine, with or without `file://`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from immtf.lab.gateway.backend import tree_of
from immtf.lab.gateway.wire import Answer, Refusal, groups, text
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.wire import Call

LOG = logging.getLogger(__name__)


class ImageActions:
    """RegisterImage, CreateImage, and their end."""

    def __init__(self, cloud: Cloud) -> None:
        """Take the cloud."""
        self.cloud = cloud

    def handlers(self) -> Mapping[str, Callable[[Call], Answer]]:
        """Give the handler of each action."""
        return {"RegisterImage": self.register, "CreateImage": self.create, "CopyImage": self.copy, "DeregisterImage": self.deregister}

    def register(self, call: Call) -> Answer:
        """Make a directory tree an image; the answer comes when the copy is there."""
        location = call.form.get("ImageLocation", "").removeprefix("file://")
        if not location:
            raise Refusal("MissingParameter", "The lab registers images from a directory tree: give its path as ImageLocation")
        with self.cloud.lock:
            answer = self.cloud.backend.ask(call)
            image_id = text(tree_of(answer), "imageId")
            self.cloud.record.images[image_id] = "pending"
        try:
            self.cloud.runtime.register_image(image_id, location)
        except RuntimeFailed as failure:
            with self.cloud.lock:
                self.cloud.backend.tree(call.region, "DeregisterImage", {"ImageId": image_id})
                del self.cloud.record.images[image_id]
            raise Refusal("InvalidManifest", f"{location} can't be registered: {failure}") from failure
        with self.cloud.lock:
            self._tag(call, image_id)
            self.cloud.record.images[image_id] = "available"
            if architecture := call.form.get("Architecture"):  # moto forgets it
                self.cloud.record.architectures[image_id] = architecture
        return answer

    def create(self, call: Call) -> Answer:
        """Make an image of an instance's root disk: `pending` until the copy is there."""
        instance_id = call.form.get("InstanceId", "")
        form = {name: value for name, value in call.form.items() if not name.startswith("TagSpecification.")}
        with self.cloud.lock:
            answer = self.cloud.backend.ask(call, form)
            image_id = text(tree_of(answer), "imageId")
            self._tag(call, image_id)
            self.cloud.record.images[image_id] = "pending"
            if not call.stuck:
                self.cloud.lanes.submit(instance_id, lambda: self._copy_root(image_id, instance_id))
        return answer

    def deregister(self, call: Call) -> Answer:
        """Forget an image; what runs of it runs on. Its snapshot is the caller's to delete, as on AWS."""
        image_id = call.form.get("ImageId", "")
        with self.cloud.lock:
            answer = self.cloud.backend.ask(call)
            if not answer.failed:
                state = self.cloud.record.images.pop(image_id, "")
                self.cloud.record.architectures.pop(image_id, None)
                if state == "available":  # one that is still being made goes when it is there
                    self.cloud.lanes.submit(image_id, lambda: self.cloud.runtime.delete_image(image_id))
        return answer

    def copy(self, call: Call) -> Answer:
        """Refuse: nothing would stand behind the copy."""
        raise Refusal("UnsupportedOperation", f"The lab has one region and makes no copies of images ({call.form.get('SourceImageId')})")

    def _copy_root(self, image_id: str, instance_id: str) -> None:
        try:
            self.cloud.runtime.create_image(image_id, instance_id)
            state = "available"
        except RuntimeFailed as failure:
            LOG.error("%s: the image was not made: %s", image_id, failure)  # noqa: TRY400 - expected of a runtime, no stack needed
            state = "failed"
        with self.cloud.lock:
            wanted = image_id in self.cloud.record.images
            if wanted:
                self.cloud.record.images[image_id] = state
        if not wanted:
            self.cloud.runtime.delete_image(image_id)

    def _tag(self, call: Call, image_id: str) -> None:
        """Set the tags that were asked for, of the image and of its snapshots; moto does it for CreateImage's image only."""
        image = {"ImageId.1": image_id}
        disks = self.cloud.backend.tree(call.region, "DescribeImages", image).iterfind("imagesSet/item/blockDeviceMapping/item")
        resources = {"image": [image_id], "snapshot": [text(disk, "ebs/snapshotId") for disk in disks]}
        for specification in groups(call.form, "TagSpecification").values():
            tags = {name: value for name, value in specification.items() if name.startswith("Tag.")}
            tagged = [resource for resource in resources.get(specification.get("ResourceType", ""), []) if resource]
            if tagged and tags:
                form = {f"ResourceId.{number}": resource for number, resource in enumerate(tagged, start=1)}
                self.cloud.backend.tree(call.region, "CreateTags", form | tags)
