"""Snapshots of volumes, for clusters whose file asks for them: taken after the clean stop, tagged with the run, kept as many as asked.

A snapshot is what stood on the volume when it was begun, so nobody waits until it is complete; it must only be seen, and not be in
error. There is one for each stop: a resumed run finds the one that was taken since the instance was last started. When the node is back
and whole, older ones of the same volume go, as far as immtf made them itself. Volumes are never deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import CheckOverridden, Noted, StepStarted
from immtf.plan.checks import named, way_past
from immtf.plan.snapshots import INSTANCE_TAG, RUN_TAG, VOLUME_TAG, restore_command, since_the_stop, superfluous

if TYPE_CHECKING:
    from immtf.model.cloud import VolumeSnapshot
    from immtf.model.layout import VolumePlace
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.run.gates import Patience
    from immtf.run.world import World

SEEN_LIMIT_S = 120.0
POLL_S = 1.0
STEP = "SnapshotVolumes"


def snapshot_volumes(world: World, node: NodeId, patience: Patience) -> tuple[str, bool]:
    """Make sure that each volume which is to have one has a snapshot of this stop; return the evidence and whether one was taken.

    Raises `PersonNeeded` where one can't be had: the node is stopped then, and nothing was moved.
    """
    now = world.node(node)
    if now.running:
        what = f"{named('snapshot')}{now.place.instance_id} runs again: a snapshot now would be torn"
        raise PersonNeeded(what, where=str(node), next="run `immtf upgrade` again: it stops the node first")
    found, taken = [], False
    for place in _wanted(world, now):
        volume = now.volumes.get(place.name)
        if volume is None:
            continue
        known = since_the_stop(_known(world, now, place), now)
        snapshot = known or _take_or_pass(world, now, place, patience)
        taken = taken or known is None
        found.append(f"{snapshot.snapshot_id} of {place.volume_id}; to restore it: {restore_command(snapshot, volume)}" if snapshot else "")
    return "; ".join(text for text in found if text) or "no snapshot", taken


def prune_snapshots(world: World, node: NodeId, patience: Patience) -> None:
    """Delete the snapshots of a node's volumes beyond those that are kept. What can't be deleted is told, and stops nothing."""
    now = world.node(node)
    for place in _wanted(world, now):
        try:
            for old in superfluous(_known(world, now, place), world.cluster(node).volumes[place.name].snapshots, world.run_id):
                world.cloud.delete_snapshot(old.snapshot_id)
                patience.emit(Noted("info", f"{node}: the older snapshot {old.snapshot_id} of {place.volume_id} was deleted"))
        except CloudFailed as error:
            patience.emit(Noted("warning", f"{node}: older snapshots of {place.volume_id} are left: {error.what}"))


def warn_of_modified(world: World, node: NodeId, patience: Patience) -> None:
    """Tell once which of a node's volumes the cloud is changing just now; it may be detached meanwhile, and be slow."""
    ids = [place.volume_id for place in world.layout.nodes[node].volumes if place.volume_id]
    try:
        states = world.cloud.modifications(ids) if ids else {}
    except CloudFailed as error:
        patience.emit(Noted("warning", f"{node}: whether its volumes are being modified is not known: {error.what}"))
        return
    for volume_id, state in sorted(states.items()):
        patience.emit(Noted("warning", f"{node}: {volume_id} is {state}: it may be slow until that is done; it is moved all the same"))


def _wanted(world: World, now: NodeNow) -> list[VolumePlace]:
    specs = world.cluster(now.node).volumes
    return [place for place in now.place.volumes if place.volume_id and place.name in specs and specs[place.name].snapshots]


def _known(world: World, now: NodeNow, place: VolumePlace) -> list[VolumeSnapshot]:
    """Return what immtf took of this very volume of this node; the environment is in the tags, or the volume's id tells it apart."""
    tags = {**world.tags_of(now.node), VOLUME_TAG: place.name}
    return [item for item in world.cloud.snapshots(tags) if item.volume_id == place.volume_id and item.tags.get(RUN_TAG)]


def _take_or_pass(world: World, now: NodeNow, place: VolumePlace, patience: Patience) -> VolumeSnapshot | None:
    """Take a snapshot; where it fails and a person lets that pass, tell so and go on without."""
    try:
        return _take(world, now, place, patience)
    except (CloudFailed, PersonNeeded) as error:
        reason = patience.overrides.reason("snapshot")
        if reason is None:
            what = f"{named('snapshot')}no snapshot of {place.volume_id}: {error.what}"
            mend = f"the node is stopped, nothing was moved; mend it and run `immtf upgrade` again{way_past('snapshot')}"
            raise PersonNeeded(what, where=str(now.node), next=mend) from error
        patience.emit(CheckOverridden(str(now.node), "snapshot", error.what, reason))
        return None


def _take(world: World, now: NodeNow, place: VolumePlace, patience: Patience) -> VolumeSnapshot:
    patience.emit(StepStarted(str(now.node), STEP, f"take a snapshot of {place.volume_id}"))
    own = {VOLUME_TAG: place.name, INSTANCE_TAG: now.place.instance_id or "none", RUN_TAG: world.run_id or "unknown"}
    tags = {**world.tags_of(now.node), **own}
    made = world.cloud.snapshot(place.volume_id, tags)
    start = patience.clock.monotonic()
    while True:
        seen = next((item for item in world.cloud.snapshots(tags) if item.snapshot_id == made.snapshot_id), None)
        if seen is not None and seen.state == "error":
            raise PersonNeeded(f"{made.snapshot_id} ended in error")
        if seen is not None:
            return seen
        if patience.clock.monotonic() - start > SEEN_LIMIT_S:
            raise PersonNeeded(f"{made.snapshot_id} was taken and is not seen after {SEEN_LIMIT_S:.0f} s")
        patience.clock.sleep(POLL_S)
