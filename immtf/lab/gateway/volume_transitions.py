"""What happens to a volume between two states; an attachment's jobs run in the lane of its instance.

Attaching: the backend has validated and done it already, the record says `attaching` until it is true. Detaching and deleting:
the real thing first, the backend afterwards, for the volume is free the moment the backend is told. A volume that its guest holds
is `busy`; the watch tries again, as AWS does, until it is let go, the instance stops, or somebody forces it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from immtf.lab.gateway.facts import read_volumes
from immtf.lab.gateway.states import AttachmentRecord, AttachmentState, InstanceState
from immtf.lab.gateway.wire import Refusal
from immtf.lab.runtime import RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.facts import InstanceFacts
    from immtf.lab.gateway.states import InstanceRecord

LOG = logging.getLogger(__name__)


class VolumeTransitions:
    """The transitions of volumes and their attachments."""

    def __init__(self, cloud: Cloud) -> None:
        """Take the cloud."""
        self.cloud = cloud

    def create(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make the volume real."""

        def job() -> None:
            try:
                self.cloud.runtime.create_volume(volume_id, snapshot_id=snapshot_id)
                state = "available"
            except RuntimeFailed as failure:
                LOG.error("%s: the volume was not made: %s", volume_id, failure)  # noqa: TRY400 - as above
                state = "error"
            with self.cloud.lock:
                self.cloud.record.volumes[volume_id] = state

        self.cloud.lanes.submit(volume_id, job)

    def delete(self, volume_id: str, region: str) -> None:
        """Remove the volume, then tell the backend."""

        def job() -> None:
            self.cloud.runtime.delete_volume(volume_id)
            with self.cloud.lock:
                self.cloud.backend.tree(region, "DeleteVolume", {"VolumeId": volume_id})
                self.cloud.record.volumes.pop(volume_id, None)

        self.cloud.lanes.submit(volume_id, job)

    def doomed(self, facts: InstanceFacts, own: set[str]) -> set[str]:
        """Give those of an instance's volumes that go with it: told so, or gone already where the backend ended it by itself."""
        if facts.settled != InstanceState.TERMINATED:
            return {disk.volume_id for disk in facts.data_disks.values() if disk.deleted_with_instance} & own
        root = self.cloud.backend.tree(self.cloud.record.instances[facts.instance_id].region, "DescribeVolumes")
        return own - {volume.volume_id for volume in read_volumes(root)}

    def attach_new(self, began: InstanceRecord, volume_id: str, device: str) -> None:
        """Make and attach a volume that came with the instance. Raises `RuntimeFailed`."""
        with self.cloud.lock:
            snapshot_id = self.cloud.volume(began.region, volume_id).snapshot_id or None
        self.cloud.runtime.create_volume(volume_id, snapshot_id=snapshot_id)
        self.cloud.runtime.attach(volume_id, began.instance_id, device)
        with self.cloud.lock:
            self.cloud.record.volumes[volume_id] = "available"
            self.cloud.record.attach(volume_id, AttachmentState.ATTACHED)

    def attach(self, began: AttachmentRecord) -> None:
        """Make the volume reachable in its instance."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._attach(began))

    def detach(self, began: AttachmentRecord, *, force: bool = False) -> None:
        """Take the volume out of reach; while its guest holds it, it is `busy` and the watch tries again."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._detach(began, force=force))

    def _attach(self, began: AttachmentRecord) -> None:
        self.cloud.wait(self.cloud.delays.attach)
        if self.cloud.record.attachments.get(began.volume_id) is not began:
            return
        try:
            self.cloud.runtime.attach(began.volume_id, began.instance_id, began.device)
        except RuntimeFailed as failure:
            LOG.error("%s: not attached to %s: %s", began.volume_id, began.instance_id, failure)  # noqa: TRY400 - as above
            self._release(began)
            return
        with self.cloud.lock:
            if self.cloud.record.attachments.get(began.volume_id) is began:
                self.cloud.record.attach(began.volume_id, AttachmentState.ATTACHED)

    def _detach(self, began: AttachmentRecord, *, force: bool) -> None:
        if not self._still_ending(began):
            return
        try:
            self.cloud.runtime.detach(began.volume_id, force=force)
        except VolumeBusy:
            with self.cloud.lock:
                if self._still_ending(began):
                    self.cloud.record.attach(began.volume_id, AttachmentState.BUSY)
            return
        self.cloud.wait(self.cloud.delays.detach)
        self._release(began)

    def _still_ending(self, began: AttachmentRecord) -> bool:
        current = self.cloud.record.attachments.get(began.volume_id)
        return current is not None and current.instance_id == began.instance_id and current.state.ending

    def _release(self, began: AttachmentRecord) -> None:
        """Tell the backend that the volume is free, and forget the attachment."""
        with self.cloud.lock:
            form = {"VolumeId": began.volume_id, "InstanceId": began.instance_id, "Device": began.device}
            try:
                self.cloud.backend.tree(began.region, "DetachVolume", form)
            except Refusal as refusal:
                LOG.warning("%s: the backend had it detached already: %s", began.volume_id, refusal)
            self.cloud.record.attachments.pop(began.volume_id, None)
