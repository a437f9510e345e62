"""Terraform's part of a step: plan into a file, judge that file, apply that very file.

A plan that went stale in between is made and judged again, a bounded number of times. Nothing is applied that wasn't judged.
A node that serves has its plan judged once before it is taken away, so that a refusal finds it still serving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import NoRoom, PersonNeeded, StalePlan
from immtf.model.events import PlanJudged, StepFinished, StepStarted
from immtf.model.layout import NOTHING_HELD
from immtf.plan.checks import named
from immtf.plan.decide import Halt, Wait, decide_apply
from immtf.plan.judge import Refusal, acting, judge_alive, judge_node
from immtf.plan.judge_slots import judge_remade, judge_retired
from immtf.run.capacity import PAUSES_S, Room
from immtf.run.gates import check_cancel, confirm_spare
from immtf.run.meanwhile import Meanwhile
from immtf.run.ports import nobody
from immtf.run.world import zones_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.layout import Held, NodePlace
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData
    from immtf.run.gates import Patience
    from immtf.run.ports import Watching
    from immtf.run.world import World

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Scope:
    """What a plan is limited to: these targets (none is everything), with these slots `held` by nodes' keys.

    Without `refresh` the cloud isn't asked how things are: for a plan that only makes what was never there, or ends it.
    """

    targets: Sequence[str] = ()
    held: Mapping[str, Held] = field(default_factory=lambda: NOTHING_HELD)
    refresh: bool = True


EVERYTHING = Scope()


def rehearse_node(world: World, node: NodeId, patience: Patience, *, slot: str = "") -> None:
    """Judge the plan of a running node's change; raise what would stop its step later. Nothing is applied.

    A node that is swapped has its volumes in the wanted `slot` by the time the plan is applied.
    """
    now = world.node(node, strays=True)
    if now.running:
        refuse_halt(now)
        saved = world.terraform.plan(targets=now.place.targets)
        judged = judge_node(saved.data, _in_the_end(now.place, slot), world.layout, zones_of(now))
        patience.refuse([*judged, *judge_remade(saved.data, now)], str(node))


def _in_the_end(place: NodePlace, slot: str) -> NodePlace:
    """Return the node as it will be when its change is applied: with its volumes in the slot that is wanted."""
    wanted = place.slot(slot)
    return place.in_slot(wanted) if wanted else place


def apply_node(
    world: World, node: NodeId, patience: Patience, pauses_s: tuple[float, ...] = PAUSES_S, *, meanwhile: Meanwhile | None = None
) -> tuple[str, bool]:
    """Apply one node's change, and look after it `meanwhile`. Returns the evidence and whether there was anything to apply.

    Where the cloud has no room for it (`run.capacity`) it is tried again, with these pauses between; then `NoRoom` is raised.
    """
    room = Room(world, node, patience, pauses_s)
    watch = meanwhile or Meanwhile(world, node, patience)
    applied = room.until_there(lambda: _apply_once(watch, room))
    instance = world.layout.nodes[node].instance_id
    return (f"applied: {applied} changes, instance {instance}" if applied else "Terraform wants no change"), bool(applied)


def _apply_once(watch: Meanwhile, room: Room) -> int:
    world, node, patience = watch.world, watch.node, watch.patience
    now = world.node(node, strays=True)
    refuse_halt(now)

    def judge(plan: PlanData) -> list[Refusal]:
        room.learn(now, plan)
        return judge_of(world, now, plan)

    def ready(plan: PlanData) -> Watching:
        spare_again(world, now, plan, patience)
        watch.expect(plan)
        return watch.look

    return apply_judged(world, patience, judge=judge, ready=ready, scope=Scope(now.place.targets), where=str(node), step="ApplyNode")


def spare_again(world: World, now: NodeNow, plan: PlanData, patience: Patience) -> None:
    """Look at the quorum once more before a running instance is changed: the provider may stop and start it for that."""
    if now.running and any(row.address == now.place.instance for row in acting(plan)):
        confirm_spare(world, now.node, patience)


def judge_of(world: World, now: NodeNow, plan: PlanData) -> list[Refusal]:
    """Judge the plan of one node's step, as the node is now."""
    place = now.place
    return [
        *judge_node(plan, place, world.layout, zones_of(now)),
        *(judge_alive(plan, place) if now.running else []),
        *(judge_retired(plan, now) if place.slots else []),
    ]


def refuse_halt(now: NodeNow) -> None:
    """Raise what forbids to apply anything of a node as it is now: a stray instance, a volume that is elsewhere or gone."""
    decision = decide_apply(now)
    if isinstance(decision, Wait):
        raise NoRoom(decision.reason, code="VolumeInUse", where=str(now.node), next="wait until it is free, then run `immtf upgrade` again")
    if isinstance(decision, Halt):
        raise PersonNeeded(f"{named(decision.check)}{decision.reason}", where=str(now.node), next=decision.next)


def apply_stage(
    world: World,
    patience: Patience,
    *,
    judge: Callable[[PlanData], Sequence[Refusal]],
    where: str,
    step: str,
    targets: Sequence[str] = (),
) -> int:
    """Apply what is no single node's, as `apply_judged`, and tell when it is done."""
    check_cancel(patience, where)
    start = patience.clock.monotonic()
    applied = apply_judged(world, patience, judge=judge, where=where, step=step, scope=Scope(targets))
    if applied:
        patience.emit(StepFinished(where, step, round(patience.clock.monotonic() - start, 3), f"applied: {applied} changes"))
    return applied


def apply_judged(
    world: World,
    patience: Patience,
    *,
    judge: Callable[[PlanData], Sequence[Refusal]],
    where: str,
    step: str,
    scope: Scope = EVERYTHING,
    ready: Callable[[PlanData], Watching] = lambda _plan: nobody,
) -> int:
    """Plan, judge and apply; return how many rows were changed. Raises `PlanRefused` before anything is applied.

    `ready` is the last look at the world before the judged plan is applied; what it returns is called while it is.
    """
    attempt = 1
    while True:
        saved = world.terraform.plan(targets=scope.targets, held=scope.held, refresh=scope.refresh)
        if not saved.changed:
            return 0
        patience.refuse(judge(saved.data), where)
        watch = ready(saved.data)
        rows = [f"{row.address}: {'/'.join(row.actions)}" for row in acting(saved.data)]
        patience.emit(PlanJudged(where, step, tuple(rows)))
        patience.emit(StepStarted(where, step, f"apply {len(rows)} changes"))
        try:
            world.terraform.apply(saved, watch)
        except StalePlan:
            if attempt == ATTEMPTS:
                raise
            attempt += 1
        else:
            world.survey()
            return max(len(rows), 1)
        world.survey()
