"""Instances that the backend has and the record doesn't, or the other way round.

RunInstances hands its instances over one by one. Auto scaling and fleets make and end instances inside the backend, where no
call is seen: after a call that may have done so the two are compared, and what differs is made true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.gateway.keys import public_key
from immtf.lab.gateway.states import AttachmentRecord, AttachmentState, InstanceRecord, InstanceState, Reason
from immtf.lab.gateway.wire import Refusal

if TYPE_CHECKING:
    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.facts import InstanceFacts
    from immtf.lab.gateway.transitions import InstanceTransitions

BY_SERVICE = Reason("Server.ScheduledStop", "Server.ScheduledStop: ended by another service")


class Adoption:
    """Brings the record to what the backend has."""

    def __init__(self, cloud: Cloud, transitions: InstanceTransitions) -> None:
        """Take the cloud and what begins and ends instances in it."""
        self.cloud = cloud
        self.transitions = transitions

    def adopt(self, region: str, facts: InstanceFacts, *, boot: bool = True) -> None:
        """Take a new instance of the backend into the record as `pending`, with its data disks, and boot it."""
        began = InstanceRecord(facts.instance_id, region, InstanceState.PENDING, public_key=self._key(region, facts.key_name))
        self.cloud.record.instances[facts.instance_id] = began
        for device, disk in facts.data_disks.items():
            attachment = AttachmentRecord(disk.volume_id, facts.instance_id, device, region, AttachmentState.ATTACHING)
            self.cloud.record.attachments[disk.volume_id] = attachment
        if boot:
            self.transitions.boot(began)

    def _key(self, region: str, name: str) -> str:
        """Give the key's public half; a service may have made the instance with a key that is gone, and nobody logs in then."""
        try:
            return public_key(self.cloud, region, name)
        except Refusal:
            return ""

    def reconcile(self, region: str) -> None:
        """Compare all instances of the region with the record; adopt what is new, end what was ended."""
        with self.cloud.lock:
            for facts in self.cloud.instances(region):
                known = self.cloud.record.instances.get(facts.instance_id)
                ended = facts.settled == InstanceState.TERMINATED
                if known is None and not ended:
                    self.adopt(region, facts)
                elif known is not None and ended and not known.state.gone:
                    moved = self.cloud.record.move(facts.instance_id, InstanceState.SHUTTING_DOWN, BY_SERVICE)
                    self.transitions.terminate(moved)
