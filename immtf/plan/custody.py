"""Custody of volumes: is what is mounted on this instance the very volume and data that this node had?

Three witnesses have to agree: the cloud (the volume is attached to this instance), the guest (something is mounted at the
place, with a filesystem identity, on a device with the volume's serial where the device tells one), and the mark in the data
(which names volume, filesystem and node). A service's own health is none of them: a cluster heals itself around an empty disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.guest import Mark
from immtf.model.verdict import Verdict, first_failure

if TYPE_CHECKING:
    from immtf.model.cloud import Instance, Volume
    from immtf.model.guest import Mount
    from immtf.model.layout import VolumePlace
    from immtf.model.snapshot import NodeNow


def wanted_mark(block: str, now: NodeNow, place: VolumePlace, mount: Mount) -> Mark:
    """Return the mark that a node's volume has to carry."""
    return Mark(block=block, cluster=now.node.cluster, node=now.node.key, volume=place.volume_id, filesystem=mount.filesystem)


def judge_image(now: NodeNow, image_id: str) -> Verdict:
    """Judge whether the node's instance runs and is made from this image ("" is any): evidence on the present instance's id."""
    if now.instance is None or not now.running:
        return Verdict(held=False, reason=f"the instance is {now.instance.state if now.instance else 'not there'}")
    if image_id and now.instance.image_id != image_id:
        return Verdict(held=False, reason=f"{now.instance.instance_id} is made from {now.instance.image_id}, wanted {image_id}", final=True)
    return Verdict(held=True, reason=f"{now.instance.instance_id} runs {now.instance.image_id}")


def judge_custody(block: str, now: NodeNow, *, marked: bool = True) -> Verdict:
    """Judge every volume of a node. `marked=False` takes a missing mark for good: before the first one is ever written."""
    if now.instance is None or now.facts is None:
        return Verdict(held=False, reason="the node has no instance" if now.instance is None else "the instance was not asked")
    if now.facts.problem:
        return Verdict(held=False, reason=now.facts.problem)
    verdicts = [judge_volume(block, now, place, marked=marked) for place in now.place.volumes]
    names = ", ".join(f"{place.volume_id} at {place.mount}" if place.mount else place.volume_id for place in now.place.volumes)
    return first_failure(verdicts, otherwise=f"{names} on {now.instance.instance_id}" if names else "no volumes")


def judge_volume(block: str, now: NodeNow, place: VolumePlace, *, marked: bool) -> Verdict:
    """Judge one volume by the cloud, the guest and its mark."""
    attached = judge_attached(now.instance, now.volumes.get(place.name), place)
    if not attached.held or not place.mount:
        return attached
    mount = now.facts.mount(place.mount) if now.facts else None
    return _judge_mount(block, now, place, mount, marked=marked)


def judge_attached(instance: Instance | None, volume: Volume | None, place: VolumePlace) -> Verdict:
    """Judge whether the cloud shows the volume attached to this instance and to no other."""
    if volume is None:
        return Verdict(held=False, reason=f"volume {place.name} ({place.volume_id or 'no id'}) can't be found")
    ties = [(tie.instance_id, tie.state) for tie in volume.attachments]
    if instance is not None and ties == [(instance.instance_id, "attached")]:
        return Verdict(held=True, reason="")
    seen = ", ".join(f"{state} to {owner}" for owner, state in ties) or volume.state
    return Verdict(
        held=False, reason=f"{volume.volume_id} is {seen}, wanted attached to {instance.instance_id if instance else 'an instance'}"
    )


def _judge_mount(block: str, now: NodeNow, place: VolumePlace, mount: Mount | None, *, marked: bool) -> Verdict:
    if mount is None or not mount.mounted:
        return Verdict(held=False, reason=f"nothing is mounted at {place.mount}")
    if mount.serial and mount.serial.replace("-", "") != place.volume_id.replace("-", ""):
        return Verdict(held=False, reason=f"{place.mount} is on {mount.serial}, not on {place.volume_id}", final=True)
    if not mount.filesystem:
        return Verdict(held=False, reason=f"the filesystem at {place.mount} tells no identity")
    if mount.mark is None:
        reason = mount.mark_problem or f"no mark at {place.mount}: these are not the data that were there"
        return Verdict(held=not marked and not mount.mark_problem, reason=reason, final=True)
    wanted = wanted_mark(block, now, place, mount)
    differs = [
        f"{field} is {getattr(mount.mark, field)!r}, wanted {getattr(wanted, field)!r}"
        for field in Mark.__slots__
        if getattr(mount.mark, field) != getattr(wanted, field)
    ]
    reason = f"the mark at {place.mount}: {'; '.join(differs)}" if differs else ""
    return Verdict(held=not differs, reason=reason, final=bool(differs))


def needs_mark(now: NodeNow, place: VolumePlace) -> bool:
    """Return whether a volume is mounted and readable and was never marked."""
    mount = now.facts.mount(place.mount) if now.facts and place.mount else None
    return mount is not None and mount.mounted and mount.mark is None and not mount.mark_problem
