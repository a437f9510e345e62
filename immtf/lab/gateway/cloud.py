"""What every handler and job shares: the backend, the runtime, the record and its lock.

The lock is held while something is decided and written down, never while the runtime is at work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, RLock
from typing import TYPE_CHECKING

from immtf.lab.gateway.facts import InstanceFacts, InterfaceFacts, VolumeFacts, read_instances, read_interfaces, read_volumes
from immtf.lab.gateway.lanes import Lanes
from immtf.lab.gateway.states import Record
from immtf.lab.gateway.wire import text

if TYPE_CHECKING:
    from immtf.lab.gateway.backend import Backend
    from immtf.lab.gateway.delays import Delays
    from immtf.lab.runtime import Runtime


@dataclass
class Cloud:
    """The lab's cloud as one value; it looks things up and decides nothing."""

    backend: Backend
    runtime: Runtime
    delays: Delays
    lock: RLock
    record: Record = field(default_factory=Record)
    lanes: Lanes = field(default_factory=Lanes)
    closing: Event = field(default_factory=Event)

    def wait(self, seconds: float) -> None:
        """Let a delay pass; the end of the lab cuts it short."""
        if seconds > 0:
            self.closing.wait(seconds)

    def instances(self, region: str, instance_ids: list[str] | None = None) -> list[InstanceFacts]:
        """Look instances up, or all of a region. Raises `Refusal` for an unknown one."""
        form = {f"InstanceId.{number}": value for number, value in enumerate(instance_ids or [], start=1)}
        found: list[InstanceFacts] = []
        while True:
            root = self.backend.tree(region, "DescribeInstances", form)
            found += read_instances(root)
            if not (token := text(root, "nextToken")):
                return found
            form = form | {"NextToken": token}

    def instance(self, region: str, instance_id: str) -> InstanceFacts:
        """Look one instance up. Raises `Refusal` if there is none."""
        return self.instances(region, [instance_id])[0]

    def volume(self, region: str, volume_id: str) -> VolumeFacts:
        """Look one volume up. Raises `Refusal` if there is none."""
        return next(read_volumes(self.backend.tree(region, "DescribeVolumes", {"VolumeId.1": volume_id})))

    def interface(self, region: str, interface_id: str) -> InterfaceFacts:
        """Look one network interface up. Raises `Refusal` if there is none."""
        return next(read_interfaces(self.backend.tree(region, "DescribeNetworkInterfaces", {"NetworkInterfaceId.1": interface_id})))

    def interface_attached_by(self, region: str, attachment_id: str) -> InterfaceFacts | None:
        """Look the network interface of an attachment up; None if there is none."""
        form = {"Filter.1.Name": "attachment.attachment-id", "Filter.1.Value.1": attachment_id}
        return next(read_interfaces(self.backend.tree(region, "DescribeNetworkInterfaces", form)), None)

    def attribute(self, region: str, instance_id: str, name: str) -> str:
        """Look up an attribute of an instance that DescribeInstances doesn't show."""
        form = {"InstanceId": instance_id, "Attribute": name}
        return text(self.backend.tree(region, "DescribeInstanceAttribute", form), f"{name}/value")
