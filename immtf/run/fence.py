"""The fence: before each changing call the lease is asked for, and where it is lost the call is not made.

The ports are wrapped, so that no step can forget to ask. Reads go through as they are: also a run that has lost its lease may look,
and says what it found. A change inside an instance (a mark on a volume) is asked for by `World.guard`: scripts look all alike.
A call that is under way when the lease is lost is not ended: half an apply is worse than a whole one, and Terraform's own lock
holds for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.model.layout import NOTHING_HELD
from immtf.run.ports import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import TypeAlias

    from immtf.model.block import ServiceGate
    from immtf.model.cloud import Instance, Interface, Volume, VolumeSnapshot
    from immtf.model.layout import Held
    from immtf.model.names import NodeId
    from immtf.model.service import Peer, ServiceView
    from immtf.model.terraform import StateData
    from immtf.plan.image import Image
    from immtf.run.ports import Cloud, SavedPlan, Service, Terraform, Watching

    Guard: TypeAlias = Callable[[], None]
    """Raises `LeaseLost` where this run may change nothing any more."""


def unguarded() -> None:
    """Let every change through: where there is nobody to keep out."""


@dataclass(frozen=True)
class FencedTerraform:
    """Terraform behind the fence."""

    inner: Terraform
    guard: Guard

    def plan(
        self,
        *,
        targets: Sequence[str] = (),
        destroy: bool = False,
        refresh: bool = True,
        records: bool = False,
        held: Mapping[str, Held] = NOTHING_HELD,
    ) -> SavedPlan:
        return self.inner.plan(targets=targets, destroy=destroy, refresh=refresh, records=records, held=held)

    def apply(self, saved: Any, watch: Watching = nobody) -> None:
        self.guard()
        self.inner.apply(saved, watch)

    def state(self) -> StateData:
        return self.inner.state()

    def adopt(self, address: str, identity: str) -> None:
        self.guard()
        self.inner.adopt(address, identity)

    def forget(self, address: str) -> None:
        self.guard()
        self.inner.forget(address)

    def untaint(self, address: str) -> None:
        self.guard()
        self.inner.untaint(address)


@dataclass(frozen=True)
class FencedCloud:
    """The cloud behind the fence."""

    inner: Cloud
    guard: Guard

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        return self.inner.instances(ids)

    def tagged(self, tags: Mapping[str, str]) -> Sequence[Instance]:
        return self.inner.tagged(tags)

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        return self.inner.volumes(ids)

    def holder(self, address: str, subnet_id: str) -> str:
        return self.inner.holder(address, subnet_id)

    def image(self, image_id: str) -> Image | None:
        return self.inner.image(image_id)

    def modifications(self, ids: Collection[str]) -> Mapping[str, str]:
        return self.inner.modifications(ids)

    def snapshots(self, tags: Mapping[str, str]) -> Sequence[VolumeSnapshot]:
        return self.inner.snapshots(tags)

    def stop(self, instance_id: str) -> None:
        self.guard()
        self.inner.stop(instance_id)

    def start(self, instance_id: str) -> None:
        self.guard()
        self.inner.start(instance_id)

    def detach(self, volume_id: str, instance_id: str) -> None:
        self.guard()
        self.inner.detach(volume_id, instance_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        self.guard()
        self.inner.attach(volume_id, instance_id, device)

    def interfaces(self, ids: Collection[str]) -> Mapping[str, Interface]:
        return self.inner.interfaces(ids)

    def attach_interface(self, interface_id: str, instance_id: str, index: int) -> None:
        self.guard()
        self.inner.attach_interface(interface_id, instance_id, index)

    def detach_interface(self, attachment_id: str) -> None:
        self.guard()
        self.inner.detach_interface(attachment_id)

    def snapshot(self, volume_id: str, tags: Mapping[str, str]) -> VolumeSnapshot:
        self.guard()
        return self.inner.snapshot(volume_id, tags)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self.guard()
        self.inner.delete_snapshot(snapshot_id)


@dataclass(frozen=True)
class FencedService:
    """A clustered service behind the fence."""

    inner: Service
    guard: Guard

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        return self.inner.view(gate, addresses)

    def hand_over(self, gate: ServiceGate, leader: str, to: str) -> str:
        self.guard()
        return self.inner.hand_over(gate, leader, to)

    def leave(self, gate: ServiceGate, address: str) -> str:
        self.guard()
        return self.inner.leave(gate, address)

    def remove_peer(self, gate: ServiceGate, via: str, peer: Peer) -> str:
        self.guard()
        return self.inner.remove_peer(gate, via, peer)
