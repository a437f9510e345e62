"""Data of a test environment that come from a snapshot: is each volume really made from it, and may it be this node's?

Such a volume comes with a filesystem, and with the mark of the volume that the snapshot was taken of. That mark is right where it was
written and wrong here, so it is written anew; but first it is a witness. The cloud has to say that the volume was made from the snapshot
that was asked for. The mark has to be of the same block and cluster: the data of another service would come up as this one's. And it has
to name the filesystem that is mounted: a filesystem that was made anew, by whatever image, holds none of the data. The node is not
asked for, as all nodes get their volumes from the one snapshot, and the volume can't be: the snapshot may be a copy from another account.
A snapshot from before the first mark has none; it is told by the cloud alone. A blank one is refused: nothing would be tested.

Volumes that were made empty are not judged here: a block may have some that take no snapshot. That one took it is seen to elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.verdict import Verdict, first_failure
from immtf.plan.custody import judge_attached, judge_unmounted, wanted_mark

if TYPE_CHECKING:
    from immtf.model.guest import Mark, Mount
    from immtf.model.layout import VolumePlace
    from immtf.model.snapshot import NodeNow


def judge_restored(block: str, now: NodeNow, snapshot_id: str) -> Verdict:
    """Judge whether every volume of a node that was just made is mounted and holds this snapshot's data."""
    if now.instance is None or now.facts is None:
        return Verdict(held=False, reason="the node has no instance" if now.instance is None else "the instance was not asked")
    if now.facts.problem:
        return Verdict(held=False, reason=now.facts.problem)
    verdicts = [_judge_volume(block, now, place, snapshot_id) for place in now.place.volumes]
    names = ", ".join(f"{place.volume_id} at {place.mount}" for place in from_snapshot(now, snapshot_id))
    return first_failure(verdicts, otherwise=f"{names} made from {snapshot_id}" if names else "none made from a snapshot")


def from_snapshot(now: NodeNow, snapshot_id: str) -> list[VolumePlace]:
    """Return the volumes of a node that the cloud says are made from this snapshot."""
    return [place for place in now.place.volumes if (volume := now.volumes.get(place.name)) and volume.snapshot_id == snapshot_id]


def foreign_marks(block: str, now: NodeNow, snapshot_id: str) -> list[tuple[VolumePlace, Mark, Mark]]:
    """Return, for each restored volume of a node that was judged, the mark that came with its data and the one it has to carry."""
    mounts = [(place, now.facts.mount(place.mount)) for place in from_snapshot(now, snapshot_id) if now.facts and place.mount]
    found = [(place, mount.mark, wanted_mark(block, now, place, mount)) for place, mount in mounts if mount and mount.mark]
    return [(place, mark, wanted) for place, mark, wanted in found if mark != wanted]


def _judge_volume(block: str, now: NodeNow, place: VolumePlace, snapshot_id: str) -> Verdict:
    volume = now.volumes.get(place.name)
    attached = judge_attached(now.instance, volume, place)
    if not attached.held:
        return attached
    if volume is None or not volume.snapshot_id or not place.mount:
        return attached
    if volume.snapshot_id != snapshot_id:
        return Verdict(held=False, reason=f"{volume.volume_id} is made from {volume.snapshot_id}, wanted {snapshot_id}", final=True)
    mount = now.facts.mount(place.mount) if now.facts else None
    if mount is None or not mount.mounted:
        return judge_unmounted(now, place)
    if mount.serial and mount.serial.replace("-", "") != place.volume_id.replace("-", ""):
        return Verdict(held=False, reason=f"{place.mount} is on {mount.serial}, not on {place.volume_id}", final=True)
    return _judge_mark(block, now, mount)


def _judge_mark(block: str, now: NodeNow, mount: Mount) -> Verdict:
    """Judge what the mark that came with the data tells of them."""
    if mount.mark_problem:
        return Verdict(held=False, reason=mount.mark_problem, final=True)
    if not mount.filesystem:
        return Verdict(held=False, reason=f"the filesystem at {mount.path} tells no identity")
    if mount.mark is None:
        return Verdict(held=True, reason="")
    theirs, ours = (mount.mark.block, mount.mark.cluster), (block, now.node.cluster)
    if theirs != ours:
        what = f"the snapshot has data of {'/'.join(theirs)}, wanted those of {'/'.join(ours)}"
        return Verdict(held=False, reason=what, final=True)
    if mount.mark.filesystem != mount.filesystem:
        what = f"the filesystem at {mount.path} is {mount.filesystem}, and its mark is of {mount.mark.filesystem}: it was made anew"
        return Verdict(held=False, reason=what, final=True)
    return Verdict(held=True, reason="")
