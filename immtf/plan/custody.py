"""Custody of volumes: is what is mounted on this instance the very volume and data that this node had?

Three witnesses have to agree: the cloud (the volume is attached to this instance), the guest (something is mounted at the
place, with a filesystem identity, on a device with the volume's serial where the device tells one), and the mark in the data
(which names volume, filesystem and node). A service's own health is none of them: a cluster heals itself around an empty disk.

What is not mounted may be on its way: an image that replays a journal or checks a filesystem says so, and gets its time. One that
found the volume blank waits for a first-boot mark, and `may_format` says who is given one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.model.guest import Mark
from immtf.model.verdict import Verdict, first_failure
from immtf.plan.facts import BLANK, RECOVERING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from immtf.model.cloud import Instance, Volume
    from immtf.model.guest import Mount
    from immtf.model.layout import VolumePlace
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow

RECOVERY_S = 7200.0
FIRST_BOOT_S = 3600.0


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
        return judge_unmounted(now, place)
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


def judge_unmounted(now: NodeNow, place: VolumePlace) -> Verdict:
    """Say why nothing is mounted, as far as the image tells. A blank volume stays as it is: only `create` lets one be formatted."""
    status = now.facts.status(place.volume_id) if now.facts else ""
    reason = f"nothing is mounted at {place.mount}"
    if status in RECOVERING:
        return Verdict(held=False, reason=f"{reason}: the filesystem on {place.volume_id} is being checked", patience_s=RECOVERY_S)
    if status == BLANK:
        why = f"{place.volume_id} is blank and waits for a first-boot mark, which only `immtf create` gives"
        return Verdict(held=False, reason=f"{reason}: {why}", final=True)
    return Verdict(held=False, reason=f"{reason} (the image says: {status})" if status else reason)


def blank_volumes(now: NodeNow) -> list[VolumePlace]:
    """Return the volumes that a node's image found blank: attached to its very instance, nothing mounted at their places."""
    facts = now.facts
    if facts is None or facts.problem:
        return []
    waiting = [place for place in now.place.volumes if place.mount and facts.status(place.volume_id) == BLANK]
    return [
        place for place in waiting if not _mounted(now, place) and judge_attached(now.instance, now.volumes.get(place.name), place).held
    ]


def judge_arrived(block: str, now: NodeNow) -> Verdict:
    """Judge whether every volume of a node is mounted or found blank, so that it can be said what is to be done with each."""
    blank = blank_volumes(now)
    rest = replace(now.place, volumes=tuple(place for place in now.place.volumes if place not in blank))
    return judge_custody(block, replace(now, place=rest), marked=False)


def _mounted(now: NodeNow, place: VolumePlace) -> bool:
    mount = now.facts.mount(place.mount) if now.facts else None
    return mount is None or mount.mounted


def may_format(
    now: NodeNow, nodes: Iterable[NodeNow], *, made: Collection[NodeId], accepted: Collection[str], snapshotted: Collection[str] | None
) -> str:
    """Say what speaks against a first-boot mark for a node's blank volumes; "" is nothing.

    `nodes` are all of the block, asked; `snapshotted` are the volumes that immtf took snapshots of, None where nobody was asked yet,
    which speaks against it too.

    Nothing does where this very run `made` the node with its volumes, or a person `accepted` it by name. Else the volumes are from an
    earlier run, and a blank one is either still unused, as an interrupted `create` leaves it, or it was emptied. It counts as unused
    only if no node of the cluster has a volume mounted, each of them was asked, no snapshot tells that a volume held data once, and
    the node's instance is the first one that its volumes can have had: started within an hour of their making.
    """
    if now.node in made or str(now.node) in accepted:
        return ""
    if snapshotted is None:
        return "not known yet"
    if any(place.volume_id in snapshotted for place in now.place.volumes):
        return "immtf took a snapshot of it once, so it held data"
    if older := [volume.volume_id for volume in now.volumes.values() if volume and _outlived(volume, now.instance)]:
        return f"{', '.join(older)} is older than its instance by more than {FIRST_BOOT_S / 60:.0f} minutes: it had another one before"
    members = [item for item in nodes if item.node.cluster == now.node.cluster]
    unasked = [str(item.node) for item in members if item.alive and (item.facts is None or item.facts.problem)]
    if unasked:
        return f"{', '.join(unasked)} can't be asked"
    using = [str(item.node) for item in members if item.facts and any(mount.mounted for mount in item.facts.mounts)]
    return f"{', '.join(using)} of its cluster has a volume in use" if using else ""


def _outlived(volume: Volume, instance: Instance | None) -> bool:
    """Return whether a volume may have served before its instance was last started, by the API's own two times."""
    return instance is None or instance.launched - volume.created > FIRST_BOOT_S


def judge_kept(before: Mapping[str, Volume | None], now: NodeNow) -> Verdict:
    """Judge whether a node's volumes are those that it had `before`, by name: the same id and zone, and not smaller."""
    return first_failure([_judge_same(name, volume, now) for name, volume in before.items() if volume], otherwise=described(now))


def _judge_same(name: str, before: Volume, now: NodeNow) -> Verdict:
    volume = now.volumes.get(name)
    if volume is not None and (volume.volume_id, volume.zone) == (before.volume_id, before.zone) and volume.size_gib >= before.size_gib:
        return Verdict(held=True, reason="")
    seen = _described(volume) if volume else "not found"
    return Verdict(held=False, reason=f"volume {name} was {_described(before)}, and is {seen}", final=volume is not None)


def described(now: NodeNow) -> str:
    """Return what the cloud shows of a node's volumes: id, size and zone."""
    return ", ".join(_described(volume) for volume in now.volumes.values() if volume)


def _described(volume: Volume) -> str:
    return f"{volume.volume_id} ({volume.size_gib} GiB, {volume.zone})"


def needs_mark(now: NodeNow, place: VolumePlace) -> bool:
    """Return whether a volume is mounted and readable and was never marked."""
    mount = now.facts.mount(place.mount) if now.facts and place.mount else None
    return mount is not None and mount.mounted and mount.mark is None and not mount.mark_problem
