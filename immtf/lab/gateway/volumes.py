"""The actions on volumes and snapshots."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from immtf.lab.gateway import rules
from immtf.lab.gateway.backend import tree_of
from immtf.lab.gateway.overlay import lay_snapshot, lay_volume
from immtf.lab.gateway.states import AttachmentRecord, AttachmentState, InstanceState
from immtf.lab.gateway.tokens import ClientTokens
from immtf.lab.gateway.wire import Answer, Refusal, ec2_answer, parse_xml, text, write_xml
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.facts import VolumeFacts
    from immtf.lab.gateway.volume_transitions import VolumeTransitions
    from immtf.lab.gateway.wire import Call

LOG = logging.getLogger(__name__)


class VolumeActions:
    """CreateVolume and what comes after it."""

    def __init__(self, cloud: Cloud, transitions: VolumeTransitions) -> None:
        """Take what the actions work with."""
        self.cloud = cloud
        self.transitions = transitions
        self.tokens = ClientTokens()

    def handlers(self) -> Mapping[str, Callable[[Call], Answer]]:
        """Give the handler of each action."""
        return {
            "CreateVolume": self.create,
            "DeleteVolume": self.delete,
            "AttachVolume": self.attach,
            "DetachVolume": self.detach,
            "CreateSnapshot": self.snapshot,
            "DeleteSnapshot": self.delete_snapshot,
            "ModifyVolume": self.modify,
        }

    def create(self, call: Call) -> Answer:
        """Make a volume: `creating` until it is there."""
        with self.cloud.lock:
            answer = self.tokens.once(call, lambda: self._create(call))
            if answer.failed:
                return answer
            root = parse_xml(answer.body)
            lay_volume(self.cloud.record, root)
        return Answer(answer.status, write_xml(root))

    def _create(self, call: Call) -> Answer:
        snapshot_id = call.form.get("SnapshotId") or None
        if snapshot_id:
            rules.snapshot_ready(snapshot_id, self.cloud.record.snapshots.get(snapshot_id, "completed"))
        answer = self.cloud.backend.ask(call)
        if not answer.failed:
            volume_id = text(parse_xml(answer.body), "volumeId")
            self.cloud.record.volumes[volume_id] = "creating"
            if not call.stuck:
                self.transitions.create(volume_id, snapshot_id)
        return answer

    def delete(self, call: Call) -> Answer:
        """Remove a volume: `deleting` until it is gone, and only then told to the backend."""
        volume_id = call.form.get("VolumeId", "")
        with self.cloud.lock:
            volume = self.cloud.volume(call.region, volume_id)
            rules.deletable(volume, self._state(volume_id))
            self.cloud.record.volumes[volume_id] = "deleting"
            if not call.stuck:
                self.transitions.delete(volume_id, call.region)
        return ec2_answer(call.action, {"return": "true"})

    def attach(self, call: Call) -> Answer:
        """Attach a volume: `attaching` until it is reachable in the instance."""
        volume_id, device = call.form.get("VolumeId", ""), call.form.get("Device", "")
        with self.cloud.lock:
            volume = self.cloud.volume(call.region, volume_id)
            instance = self.cloud.instance(call.region, call.form.get("InstanceId", ""))
            known = self.cloud.record.instances.get(instance.instance_id)
            state = known.state if known else InstanceState(instance.settled)
            in_use = {place: disk.volume_id for place, disk in instance.disks.items()}
            rules.attachable(volume, self._state(volume_id), instance, state, device, in_use)
            answer = self.cloud.backend.ask(call)
            tree_of(answer)
            began = AttachmentRecord(volume_id, instance.instance_id, device, call.region, AttachmentState.ATTACHING)
            self.cloud.record.attachments[volume_id] = began
            if not call.stuck:
                self.transitions.attach(began)
        return answer

    def detach(self, call: Call) -> Answer:
        """Detach a volume: `detaching`, then `busy` while its guest holds it. A second call, or one with force, tries again."""
        volume_id = call.form.get("VolumeId", "")
        with self.cloud.lock:
            volume = self.cloud.volume(call.region, volume_id)
            root_device = self.cloud.instance(call.region, volume.instance_id).root_device if volume.instance_id else ""
            rules.detachable(volume, call.form.get("InstanceId", ""), call.form.get("Device", ""), root_device)
            began = self._detaching(call, volume)
            if not call.stuck:
                self.transitions.detach(began, force=call.is_set("Force"))
        shown = {
            "volumeId": volume_id,
            "instanceId": volume.instance_id,
            "device": volume.device,
            "status": AttachmentState.DETACHING,
            "attachTime": volume.attach_time,
        }
        return ec2_answer(call.action, shown)

    def _detaching(self, call: Call, volume: VolumeFacts) -> AttachmentRecord:
        known = self.cloud.record.attachments.get(volume.volume_id)
        if known and known.state.ending:
            return known
        began = AttachmentRecord(volume.volume_id, volume.instance_id, volume.device, call.region, AttachmentState.DETACHING)
        self.cloud.record.attachments[volume.volume_id] = began
        return began

    def snapshot(self, call: Call) -> Answer:
        """Take a snapshot: `pending` until the copy is there."""
        volume_id = call.form.get("VolumeId", "")
        with self.cloud.lock:
            if volume_id not in self.cloud.record.volumes:
                self.cloud.volume(call.region, volume_id)
                raise Refusal(
                    "UnsupportedOperation", f"{volume_id} is a root volume: the lab takes snapshots of data volumes; use CreateImage"
                )
            rules.volume_ready(volume_id, self._state(volume_id))
            answer = self.cloud.backend.ask(call)
            root = tree_of(answer)
            snapshot_id = text(root, "snapshotId")
            self.cloud.record.snapshots[snapshot_id] = "pending"
            if not call.stuck:
                self.cloud.lanes.submit(snapshot_id, lambda: self._take(snapshot_id, volume_id))
            lay_snapshot(self.cloud.record, root)
        return Answer(answer.status, write_xml(root))

    def delete_snapshot(self, call: Call) -> Answer:
        """Delete a snapshot, also one that is still being taken; the backend refuses one that an image needs."""
        snapshot_id = call.form.get("SnapshotId", "")
        with self.cloud.lock:
            answer = self.cloud.backend.ask(call)
            if not answer.failed:
                self.cloud.record.snapshots.pop(snapshot_id, None)
                self.cloud.lanes.submit(snapshot_id, lambda: self.cloud.runtime.delete_snapshot(snapshot_id))
        return answer

    def modify(self, call: Call) -> Answer:
        """Change a volume: done at once, or `optimizing` until the next change where it is stuck on order."""
        volume_id = call.form.get("VolumeId", "")
        with self.cloud.lock:
            answer = self.cloud.backend.ask(call)
            if not answer.failed:
                self.cloud.record.modifications[volume_id] = "optimizing" if call.stuck else "completed"
        return answer

    def _take(self, snapshot_id: str, volume_id: str) -> None:
        try:
            self.cloud.runtime.snapshot(snapshot_id, volume_id)
            state = "completed"
        except RuntimeFailed as failure:
            LOG.error("%s: the snapshot was not taken: %s", snapshot_id, failure)  # noqa: TRY400 - expected of a runtime, no stack needed
            state = "error"
        with self.cloud.lock:
            if snapshot_id in self.cloud.record.snapshots:  # else it was deleted meanwhile
                self.cloud.record.snapshots[snapshot_id] = state

    def _state(self, volume_id: str) -> str:
        return self.cloud.record.volumes.get(volume_id, "available")
