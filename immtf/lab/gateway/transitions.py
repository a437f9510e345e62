"""What happens to an instance between two states.

A transition begins in the record, goes on in a lane, and ends when the real thing has happened. Who comes late changes nothing: a
job ends its transition only if the record still holds the value that it began with (an instance that is ended while it boots stays
`shutting-down`). Booting and starting: the backend has validated and done it already, the record says `pending` until it is true.
Ending: the real thing first, the backend afterwards, for the address and the volumes become free the moment the backend is told.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

from immtf.lab.gateway.states import AttachmentState, InstanceRecord, InstanceState, Reason
from immtf.lab.runtime import InstanceSpec, RuntimeFailed

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.interface_transitions import InterfaceTransitions
    from immtf.lab.gateway.volume_transitions import VolumeTransitions

LOG = logging.getLogger(__name__)


class InstanceTransitions:
    """The transitions of instances."""

    def __init__(self, cloud: Cloud, volumes: VolumeTransitions, interfaces: InterfaceTransitions) -> None:
        """Take the cloud and the transitions of what instances hold: a stop lets go of what is busy, an end of all."""
        self.cloud = cloud
        self.volumes = volumes
        self.interfaces = interfaces

    def boot(self, began: InstanceRecord) -> None:
        """Make the instance real: its disks, its guest."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._boot(began))

    def start(self, began: InstanceRecord) -> None:
        """Start the guest of a stopped instance again."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._start(began))

    def stop(self, began: InstanceRecord, *, force: bool = False) -> None:
        """End the guest in order."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._stop(began, force=force))

    def reboot(self, instance_id: str) -> None:
        """Stop and start the guest; the API says `running` all the while, as AWS does."""

        def both() -> None:
            self.cloud.runtime.stop(instance_id)
            self.cloud.runtime.start(instance_id)

        self.cloud.lanes.submit(instance_id, both)

    def terminate(self, began: InstanceRecord) -> None:
        """End the guest for good, with the volumes that go with it."""
        self.cloud.lanes.submit(began.instance_id, lambda: self._terminate(began))

    def _holds(self, began: InstanceRecord) -> bool:
        return self.cloud.record.instances[began.instance_id] is began

    def _end(self, began: InstanceRecord, state: InstanceState, delay_s: float) -> None:
        self.cloud.wait(delay_s)
        with self.cloud.lock:
            if self._holds(began):
                self.cloud.record.move(began.instance_id, state, began.reason)

    def _boot(self, began: InstanceRecord) -> None:
        with self.cloud.lock:
            if not self._holds(began):
                return
            facts = self.cloud.instance(began.region, began.instance_id)
            user_data = self.cloud.attribute(began.region, began.instance_id, "userData")
        spec = InstanceSpec(
            facts.instance_id,
            facts.image_id,
            facts.address,
            facts.zone,
            base64.b64decode(user_data or ""),
            dict(facts.tags),
            began.public_key,
        )
        try:
            self.cloud.runtime.boot(spec)
            for device, disk in facts.data_disks.items():
                self.volumes.attach_new(began, disk.volume_id, device)
        except RuntimeFailed as failure:
            LOG.error("%s: the instance did not start: %s", began.instance_id, failure)  # noqa: TRY400 - expected of a runtime, no stack needed
            self._give_up(began, failure)
            return
        self._end(began, InstanceState.RUNNING, self.cloud.delays.pending)

    def _give_up(self, began: InstanceRecord, failure: RuntimeFailed) -> None:
        with self.cloud.lock:
            if not self._holds(began):
                return
            reason = Reason("Server.InternalError", f"Server.InternalError: {failure}")
            ending = self.cloud.record.move(began.instance_id, InstanceState.SHUTTING_DOWN, reason)
        self._terminate(ending)

    def _start(self, began: InstanceRecord) -> None:
        if not self._holds(began):
            return
        try:
            self.cloud.runtime.start(began.instance_id)
        except RuntimeFailed as failure:
            LOG.error("%s: the instance did not start again: %s", began.instance_id, failure)  # noqa: TRY400 - as above
            with self.cloud.lock:
                if self._holds(began):
                    self.cloud.backend.tree(began.region, "StopInstances", {"InstanceId.1": began.instance_id})
                    reason = Reason("Server.InternalError", f"Server.InternalError: {failure}")
                    self.cloud.record.move(began.instance_id, InstanceState.STOPPED, reason)
            return
        self._end(began, InstanceState.RUNNING, self.cloud.delays.pending)

    def _stop(self, began: InstanceRecord, *, force: bool) -> None:
        if not self._holds(began):
            return
        self.cloud.runtime.stop(began.instance_id, force=force)
        self._end(began, InstanceState.STOPPED, self.cloud.delays.stop)
        for attachment in self.cloud.record.attached_to(began.instance_id):
            if attachment.state is AttachmentState.BUSY:
                self.volumes.detach(attachment)

    def _terminate(self, began: InstanceRecord) -> None:
        region, instance_id = began.region, began.instance_id
        with self.cloud.lock:
            if self.cloud.record.instances[instance_id].state is InstanceState.TERMINATED:
                return
            facts = self.cloud.instance(region, instance_id)
            own = {attachment.volume_id for attachment in self.cloud.record.attached_to(instance_id)}
            doomed = self.volumes.doomed(facts, own)
        self.cloud.runtime.terminate(instance_id)
        for volume_id in doomed:
            self.cloud.runtime.delete_volume(volume_id)
        self.cloud.wait(self.cloud.delays.terminate)
        with self.cloud.lock:
            self.interfaces.give_back(instance_id)
            if facts.settled != InstanceState.TERMINATED:
                self.cloud.backend.tree(region, "TerminateInstances", {"InstanceId.1": instance_id})
            for volume_id in own:
                self.cloud.record.attachments.pop(volume_id, None)
            for volume_id in doomed:
                self.cloud.record.volumes.pop(volume_id, None)
            self.cloud.record.move(instance_id, InstanceState.TERMINATED, began.reason)
