"""Marks on volumes: written once while a node serves, proven on whatever instance the volume comes back to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.errors import GuestFailed, PersonNeeded
from immtf.model.snapshot import ChangeKind
from immtf.plan.checks import named
from immtf.plan.custody import described, judge_custody, judge_image, judge_kept, needs_mark, wanted_mark
from immtf.plan.facts import mark_script
from immtf.run.firstboot import await_mounts, await_recovery, volumes_question
from immtf.run.gates import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.cloud import Volume
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.steps import NodeWork
    from immtf.model.verdict import Verdict
    from immtf.run.gates import Patience
    from immtf.run.world import World

MARK_TIMEOUT_S = 30.0


def mark_before(world: World, works: Sequence[NodeWork], patience: Patience) -> None:
    """Mark what is mounted on running nodes, all of them, before the first is moved."""
    mark_all(world, [work.node for work in works if work.action is not ChangeKind.CREATE], patience)


def mark_all(world: World, nodes: Sequence[NodeId], patience: Patience, *, made: Collection[NodeId] = ()) -> None:
    """Mark every mounted volume that has no mark yet, where that can only mean that none was ever written.

    A volume without a mark beside others that have theirs was emptied: some image made a new filesystem. So it is for a person
    (`PersonNeeded`), whichever image is wanted now, and also where a node can't be asked for its marks: no later run may bless an
    emptied volume. Not doubted are nodes that this run `made`, and those that a person accepted by name (`--accept-unmarked`).
    """
    seen = {node: world.node(node, facts=True) for node in nodes}
    bare = sorted(node for node, now in seen.items() if any(needs_mark(now, place) for place in now.place.volumes))
    doubtful = [node for node in bare if node not in made and str(node) not in world.accepted]
    unasked = [str(node) for node, now in seen.items() if now.facts is None or now.facts.problem]
    if doubtful and (unasked or any(_carries_mark(now) for now in seen.values())):
        why = f"and {', '.join(unasked)} can't be asked for theirs" if unasked else "and others have theirs: was it formatted?"
        raise PersonNeeded(
            f"{named('unmarked')}the volume lost its mark, {why}",
            where=", ".join(map(str, doubtful)),
            next="look at the data on that node, and mend the image if it formats; "
            f"only if the data are right: --accept-unmarked {doubtful[0]}",
        )
    for node in bare:
        mark_volumes(world, node, patience, wait=False)


def _carries_mark(now: NodeNow) -> bool:
    return now.facts is not None and any(mount.mark is not None for mount in now.facts.mounts)


def mark_volumes(world: World, node: NodeId, patience: Patience, *, wait: bool) -> tuple[str, bool]:
    """Make sure that every mounted volume of a running node carries its mark; return the evidence and whether one was written.

    `wait` for the mounts where this run has just made the node; its volumes get their filesystems then. A node whose filesystem is
    being checked is waited for: it must not be stopped in the middle of that. A node that can't be asked is left as it is: its
    volumes, if they were ever marked, prove themselves later, and if not the proof will fail. A mark that contradicts is for a person.
    """
    if wait:
        await_mounts(world, [node], patience, made=[node])
    await_recovery(world, node, patience)
    now = world.node(node, facts=True)
    verdict = judge_custody(world.block.name, now, marked=False)
    if verdict.final:
        raise PersonNeeded(verdict.reason, where=str(node), next="find out whose data these are before anything is moved")
    if not verdict.held:
        return f"not marked: {verdict.reason}", False
    written = [place.name for place in now.place.volumes if needs_mark(now, place)]
    for name in written:
        _write(world, now, name)
    proof = judge_custody(world.block.name, world.node(node, facts=True)) if written else judge_custody(world.block.name, now)
    if not proof.held:
        raise PersonNeeded(f"the mark was written and is not there: {proof.reason}", where=str(node), next="look at the volume on the node")
    return ": ".join(filter(None, ("marked" if written else "known", proof.reason, described(now)))), bool(written)


def prove_volumes(
    world: World, node: NodeId, patience: Patience, *, image_id: str, before: Mapping[str, Volume | None] | None = None
) -> str:
    """Wait until the node's present instance is of the wanted image and its volumes are proven on it; return the evidence.

    `before` are the volumes by name as the cloud showed them before the first step: the same ones have to be there, in the same zone,
    and not smaller. The filesystem and whose it is are proven by the mark.
    """
    last: list[Verdict] = []

    def ask_once() -> Verdict:
        now = world.node(node, facts=True)
        image, kept = judge_image(now, image_id), judge_kept(before or {}, now)
        verdict = image if not image.held else kept if not kept.held else judge_custody(world.block.name, now)
        last[:] = [replace(verdict, reason=f"{verdict.reason}: {described(now)}") if verdict.held and now.place.volumes else verdict]
        return last[0]

    wait_for([volumes_question(world, node, ask_once)], patience, where=str(node), settling=True)
    return last[0].reason


def _write(world: World, now: NodeNow, name: str) -> None:
    place = next(place for place in now.place.volumes if place.name == name)
    mount = now.facts.mount(place.mount) if now.facts else None
    if mount is None or now.instance is None:
        return
    script = mark_script(place.mount, wanted_mark(world.block.name, now, place, mount))
    world.guard()
    code, _, errors = world.guest.run(now.instance.instance_id, script, timeout_s=MARK_TIMEOUT_S)
    if code != 0:
        raise GuestFailed(f"the mark could not be written: {errors.strip() or code}", where=f"{now.node} {place.mount}")
