"""Which snapshot belongs to which stop, which may go, and how one is restored: from the API's tags and times alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.cloud import GONE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from immtf.model.cloud import Volume, VolumeSnapshot
    from immtf.model.snapshot import NodeNow

RUN_TAG, INSTANCE_TAG, VOLUME_TAG = "immtf:run", "immtf:instance", "immtf:volume"
GOOD = frozenset({"pending", "completed"})


def since_the_stop(known: Iterable[VolumeSnapshot], now: NodeNow) -> VolumeSnapshot | None:
    """Return the newest good snapshot of what the node's stopped instance left, or None where there is none.

    It has to be taken of this very instance, after it was last started: one that somebody started again has written since. An
    instance that is gone writes no more. Both times are the API's own.
    """
    launched = now.instance.launched if now.instance and now.instance.state not in GONE else 0.0
    owner = now.place.instance_id
    good = [item for item in known if owner and item.tags.get(INSTANCE_TAG) == owner and item.state in GOOD and item.started >= launched]
    return max(good, key=_age, default=None)


def superfluous(known: Iterable[VolumeSnapshot], keep: int, run_id: str) -> list[VolumeSnapshot]:
    """Return what is beyond the `keep` newest complete ones, the oldest first; never one of this run, nor one that immtf did not take.

    One that is not complete yet may still come to nothing: it is kept, and takes no other one's place.
    """
    own = sorted((item for item in known if item.tags.get(RUN_TAG)), key=_age, reverse=True)
    kept = [item for item in own if item.state == "completed"][:keep]
    return [item for item in reversed(own) if item not in kept and item.state != "pending" and item.tags[RUN_TAG] != run_id]


def restore_command(snapshot: VolumeSnapshot, volume: Volume) -> str:
    """Return the command that makes a volume of a snapshot, in the zone and of the type of the one that it was taken of."""
    kind = f" --volume-type {volume.kind}" if volume.kind else ""
    return f"aws ec2 create-volume --snapshot-id {snapshot.snapshot_id} --availability-zone {volume.zone}{kind}"


def _age(item: VolumeSnapshot) -> tuple[float, str]:
    return item.started, item.snapshot_id
