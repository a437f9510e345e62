"""The cloud's port over the simulation, which refuses what EC2 refuses and answers before a thing has happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed
from immtf.model.cloud import Attachment, Instance, Interface, Volume, VolumeSnapshot
from immtf.plan.image import Image
from tests.fakes.disks import SimSnapshot
from tests.fakes.wires import plug, unplug

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tests.fakes.simulation import SimInstance, SimVolume, SimWorld
    from tests.fakes.wires import SimInterface

TAGS = {"immtf:block": "consul", "immtf:environment": "sim"}


@dataclass
class FakeCloud:
    """Satisfies `immtf.run.ports.Cloud`."""

    sim: SimWorld

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        wanted = _ids(ids)
        return self.sim.calls.do(
            "cloud.instances", lambda: {key: _instance(item) for key, item in self.sim.instances.items() if key in wanted}
        )

    def tagged(self, tags: Mapping[str, str]) -> Sequence[Instance]:
        assert tags, "without tags this would be every instance there is"
        return self.sim.calls.do("cloud.tagged", lambda: [item for item in self._there() if tags.items() <= item.tags.items()])

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        wanted = _ids(ids)
        return self.sim.calls.do("cloud.volumes", lambda: {key: _volume(item) for key, item in self.sim.volumes.items() if key in wanted})

    def image(self, image_id: str) -> Image | None:
        return self.sim.calls.do("cloud.image", lambda: self.sim.shown.get(image_id, Image(image_id, "consul", "", "")))

    def holder(self, address: str, subnet_id: str) -> str:
        del subnet_id
        return self.sim.calls.do("cloud.holder", lambda: ", ".join(item.instance_id for item in self._there() if item.address == address))

    def stop(self, instance_id: str) -> None:
        self.sim.calls.do("cloud.stop", lambda: self._stop(instance_id))

    def start(self, instance_id: str) -> None:
        self.sim.calls.do("cloud.start", lambda: self._start(instance_id))

    def detach(self, volume_id: str, instance_id: str) -> None:
        self.sim.calls.do("cloud.detach", lambda: self._detach(volume_id, instance_id))

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        assert device, "a volume is attached as something"
        self.sim.calls.do("cloud.attach", lambda: self._attach(volume_id, instance_id))

    def interfaces(self, ids: Collection[str]) -> Mapping[str, Interface]:
        wanted = _ids(ids)
        return self.sim.calls.do(
            "cloud.interfaces", lambda: {key: _shown_interface(item) for key, item in self.sim.interfaces.items() if key in wanted}
        )

    def attach_interface(self, interface_id: str, instance_id: str, index: int) -> None:
        assert index > 0, "the primary interface is the instance's own"
        self.sim.calls.do("cloud.attach_interface", lambda: self._plug(interface_id, instance_id))

    def detach_interface(self, attachment_id: str) -> None:
        self.sim.calls.do("cloud.detach_interface", lambda: self._unplug(attachment_id))

    def modifications(self, ids: Collection[str]) -> Mapping[str, str]:
        wanted = _ids(ids)
        found = {key: item.modification for key, item in self.sim.volumes.items() if key in wanted and item.modification}
        return self.sim.calls.do("cloud.modifications", lambda: found)

    def snapshot(self, volume_id: str, tags: Mapping[str, str]) -> VolumeSnapshot:
        return self.sim.calls.do("cloud.snapshot", lambda: self._snapshot(volume_id, tags))

    def snapshots(self, tags: Mapping[str, str]) -> Sequence[VolumeSnapshot]:
        assert tags, "without tags this would be every snapshot there is"
        return self.sim.calls.do(
            "cloud.snapshots", lambda: [_shown(item) for item in self.sim.snapshots.values() if tags.items() <= item.tags.items()]
        )

    def delete_snapshot(self, snapshot_id: str) -> None:
        self.sim.calls.do("cloud.delete_snapshot", lambda: self._delete_snapshot(snapshot_id))

    def _snapshot(self, volume_id: str, tags: Mapping[str, str]) -> VolumeSnapshot:
        volume = self.sim.volumes.get(volume_id)
        if volume is None:
            raise CloudFailed(f"the volume {volume_id} does not exist", code="InvalidVolume.NotFound")
        made = SimSnapshot(self.sim.new_id("snap"), volume_id, self.sim.clock.now, volume.filesystem, dict(tags))
        self.sim.snapshots[made.snapshot_id] = made
        self.sim.clock.after(self.sim.times.create, made.complete)
        return _shown(made)

    def _delete_snapshot(self, snapshot_id: str) -> None:
        if snapshot_id not in self.sim.snapshots:
            raise CloudFailed(f"the snapshot {snapshot_id} does not exist", code="InvalidSnapshot.NotFound")
        del self.sim.snapshots[snapshot_id]

    def _there(self) -> list[Instance]:
        return [_instance(item) for item in self.sim.instances.values() if item.state != "terminated"]

    def _stop(self, instance_id: str) -> None:
        item = self._item(instance_id)
        if item.state in {"stopped", "stopping"}:
            return
        _only_in(item, "running")
        self.sim.away(item.node, "a stop")
        self.sim.stop(item)

    def _start(self, instance_id: str) -> None:
        item = self._item(instance_id)
        if item.state in {"running", "pending"}:
            return
        _only_in(item, "stopped")
        self.sim.start(item)

    def _detach(self, volume_id: str, instance_id: str) -> None:
        item, volume = self._item(instance_id), self.sim.volumes.get(volume_id)
        if volume is None:
            raise CloudFailed(f"the volume {volume_id} does not exist", code="InvalidVolume.NotFound")
        if not volume.owner:
            raise CloudFailed(f"{volume_id} is available", code="IncorrectState")
        if volume.owner != instance_id:
            raise CloudFailed(f"{volume_id} is not attached to {instance_id}", code="InvalidAttachment.NotFound")
        if volume.tie != "attached":
            raise CloudFailed(f"{volume_id} is {volume.tie}", code="IncorrectState")
        self.sim.detach(volume, item)

    def _attach(self, volume_id: str, instance_id: str) -> None:
        item, volume = self._item(instance_id), self.sim.volumes[volume_id]
        if volume.owner:
            raise CloudFailed(f"{volume_id} is attached to {volume.owner}", code="VolumeInUse")
        if item.state not in {"running", "stopped"}:
            raise CloudFailed(f"{instance_id} is {item.state}", code="IncorrectState")
        self.sim.attach(volume, item)

    def _plug(self, interface_id: str, instance_id: str) -> None:
        item, interface = self._item(instance_id), self.sim.interfaces[interface_id]
        if interface.owner:
            raise CloudFailed(f"{interface_id} is in use by {interface.owner}", code="InvalidNetworkInterface.InUse")
        if item.state not in {"running", "stopped"}:
            raise CloudFailed(f"{instance_id} is {item.state}", code="IncorrectState")
        plug(self.sim, interface, item)

    def _unplug(self, attachment_id: str) -> None:
        interface = next((own for own in self.sim.interfaces.values() if own.owner and _attachment(own) == attachment_id), None)
        if interface is None:
            raise CloudFailed(f"the attachment {attachment_id} does not exist", code="InvalidAttachmentID.NotFound")
        if interface.tie != "attached":
            raise CloudFailed(f"{interface.interface_id} is {interface.tie}", code="IncorrectState")
        unplug(self.sim, interface, self.sim.instances[interface.owner])

    def _item(self, instance_id: str) -> SimInstance:
        item = self.sim.instances.get(instance_id)
        if item is None:
            raise CloudFailed(f"the instance {instance_id} does not exist", code="InvalidInstanceID.NotFound")
        return item


def _ids(ids: Collection[str]) -> frozenset[str]:
    assert not isinstance(ids, str), "one id is not a collection of ids"
    assert "" not in ids, "an empty id was asked for"
    return frozenset(ids)


def _only_in(item: SimInstance, state: str) -> None:
    if item.state != state:
        raise CloudFailed(f"{item.instance_id} is {item.state}", code="IncorrectInstanceState")


def _instance(item: SimInstance) -> Instance:
    tags = {**TAGS, "immtf:cluster": "server", "immtf:node": item.node, **({"immtf:slot": item.slot} if item.slot else {})}
    address = "" if item.state == "terminated" else item.address
    return Instance(item.instance_id, item.state, item.image, item.zone, address, tags, launched=item.launched, architecture="x86_64")


def _attachment(item: SimInterface) -> str:
    return f"eni-attach-{item.node}-{item.owner}"


def _shown_interface(item: SimInterface) -> Interface:
    state = {"": "available", "attached": "in-use"}.get(item.tie, item.tie)
    tie = _attachment(item) if item.owner else ""
    return Interface(item.interface_id, state, item.zone, item.address, item.owner, tie, item.tie)


def _volume(item: SimVolume) -> Volume:
    ties = (Attachment(item.owner, "/dev/xvdf", item.tie),) if item.owner else ()
    return Volume(item.volume_id, "in-use" if ties else "available", item.zone, item.size, ties, "gp3", item.created, item.snapshot)


def _shown(item: SimSnapshot) -> VolumeSnapshot:
    return VolumeSnapshot(item.snapshot_id, item.volume_id, item.state, item.started, item.tags)
