"""The executor: one node's work, step by step; each observed, decided, acted on and recorded.

The same loop serves the first run and the one after a kill: what holds already is skipped, with the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from immtf.errors import GateFailed, ImmtfError
from immtf.model.events import NodeFinished, NodeSkipped, NodeStarted, StepFinished, StepSkipped
from immtf.model.steps import (
    AdoptInstance,
    ApplyNode,
    AwaitSlot,
    DetachVolumes,
    HandOver,
    MarkVolumes,
    MoveToSlot,
    ProveVolumes,
    RaiseSlot,
    SettleNode,
    SnapshotVolumes,
    SpareNode,
    StartNode,
    StopNode,
    StopOld,
    UntaintInstance,
)
from immtf.plan.together import phases
from immtf.run.apply import apply_node, rehearse_node
from immtf.run.custody import mark_volumes, prove_volumes
from immtf.run.gates import check_cancel, settle_questions, spare_questions, wait_for
from immtf.run.handover import hand_over
from immtf.run.meanwhile import Meanwhile
from immtf.run.moves import Limits, Moves
from immtf.run.others import Others
from immtf.run.overlap import Overlap
from immtf.run.snapshots import prune_snapshots, snapshot_volumes, warn_of_modified
from immtf.run.swap import Swap
from immtf.run.takeup import adopt_instance, untaint_instance
from immtf.run.together import Together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.cloud import Volume
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.steps import NodeWork, Step
    from immtf.run.gates import Patience
    from immtf.run.ledger import Ledger
    from immtf.run.world import World

MAKES_INSTANCE = frozenset({"replace", "swap", "rebuild", "create", "adopt", "untaint"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """The work that is in progress, and its node as it was before the first step; None where nothing is to be changed."""

    work: NodeWork
    before: NodeNow | None = None


@dataclass
class Executor:
    """Carries out works on one world; `attempt` is what it was at when it stopped, None between two nodes."""

    world: World
    patience: Patience
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)
    attempt: Attempt | None = None
    following: NodeWork | None = None
    meanwhile: dict[NodeId, Meanwhile] = field(default_factory=dict)
    asked: set[NodeId] = field(default_factory=set)
    applied: bool = False

    def perform(self, works: Sequence[NodeWork], *, index: int, total: int, following: NodeWork | None = None) -> None:
        """Do one node's work, or those of several together: each kind of step for all of them before the next kind for any.

        Raises what stopped it; the nodes are then as the last event says, and nothing else was touched. Of the `following` work, where
        it is a swap as this one, the new instance may be made already.
        """
        self.meanwhile, self.applied = {}, False
        self.following = following if following and following.steps and following.row.action == "swap" else None
        if not works[0].steps:
            self.patience.emit(NodeSkipped(str(works[0].node), works[0].why))
            return
        check_cancel(self.patience, str(works[0].node))
        self.world.together = tuple(work.node for work in works)
        try:
            begun = {work.node: self._begin(work, index + place, total) for place, work in enumerate(works)}
            for phase in phases(works):
                self._phase([(begun[work.node][0], step) for work, step in phase])
        except ImmtfError as failure:
            if len(works) == 1:
                raise
            raise self._of_several(failure) from failure
        finally:
            self.world.together = ()
        self.attempt = None
        for attempt, start in begun.values():
            self._end(attempt.work, start)

    def _of_several(self, failure: ImmtfError) -> ImmtfError:
        """Tell of a failure with several nodes at work: one node's own way back is none while another is away."""
        self.attempt, names = None, ", ".join(map(str, self.world.together))
        if type(failure) is GateFailed and self.applied and self.world.block.image:
            back = f"to go back, `immtf upgrade --image` with the version that they ran before takes {names} together"
            return GateFailed(failure.what, where=failure.where, next=f"{failure.next}; {back}" if failure.next else back)
        return failure

    def _begin(self, work: NodeWork, index: int, total: int) -> tuple[Attempt, float]:
        """Tell that a work begins; return it with its node as it is, and when that was."""
        node = str(work.node)
        self.patience.emit(NodeStarted(node, index, total, work.row.action, work.why))
        start = self.patience.clock.monotonic()
        before = self.world.node(work.node) if work.row.action != "skip" else None
        self.attempt = Attempt(work, before)
        if before is not None and not before.running:
            self.ledger.gone(node, start)
        return self.attempt, start

    def _end(self, work: NodeWork, start: float) -> None:
        """Tell how a work ended."""
        node = str(work.node)
        if any(isinstance(step, SnapshotVolumes) for step in work.steps):
            prune_snapshots(self.world, work.node, self.patience)
        now = self.world.node(work.node)
        self.ledger.kept.update(place.volume_id for place in now.place.volumes)
        instance = now.instance.instance_id if now.instance else ""
        if work.row.action == "skip":
            self.patience.emit(NodeSkipped(node, f"at its target and healthy: {instance}"))
            return
        if work.row.action in MAKES_INSTANCE:
            self.ledger.replaced.add(node)
        seconds = round(self.patience.clock.monotonic() - start, 3)
        self.patience.emit(NodeFinished(node, seconds, self.ledger.away_s.get(node, 0.0), instance))

    def _phase(self, phase: Sequence[tuple[Attempt, Step]]) -> None:
        """Do one kind of step for each node. Instances stop side by side, and one apply makes all new ones."""
        self.asked = {node for attempt, step in phase if isinstance(step, StopNode) and self._begin_stop(node := attempt.work.node, phase)}
        if len(phase) > 1 and isinstance(phase[0][1], ApplyNode) and self._apply_together([attempt.work.node for attempt, _ in phase]):
            return
        for attempt, step in phase:
            self.attempt = attempt
            self._step(step, attempt.work)
            self.applied = self.applied or isinstance(step, ApplyNode)

    def _begin_stop(self, node: NodeId, phase: Sequence[object]) -> bool:
        return len(phase) > 1 and Moves(self.world, self.patience, self.ledger, self.limits).begin_stop(node)

    def _apply_together(self, nodes: Sequence[NodeId]) -> bool:
        """Apply all these nodes' changes at once; return whether that could be."""
        start = self.patience.clock.monotonic()
        watches = Together(self.world, self.patience, nodes).apply()
        if watches is None:
            return False
        self.meanwhile, self.applied = dict(watches), True
        seconds = round(self.patience.clock.monotonic() - start, 3)
        for node in nodes:
            instance = self.world.layout.nodes[node].instance_id
            self.patience.emit(StepFinished(str(node), "ApplyNode", seconds, f"applied together, instance {instance}"))
        return True

    def _step(self, step: Step, work: NodeWork) -> None:
        start = self.patience.clock.monotonic()
        name, node = type(step).__name__, str(step.node)
        evidence, acted = self._carry_out(step, work)
        seconds = round(self.patience.clock.monotonic() - start, 3)
        self.patience.emit(StepFinished(node, name, seconds, evidence) if acted else StepSkipped(node, name, evidence))

    def _carry_out(self, step: Step, work: NodeWork) -> tuple[str, bool]:  # noqa: C901, PLR0911, PLR0912 - one case a step, a closed union
        """Return the evidence that the step holds, and whether something was done for it."""
        moves = Moves(self.world, self.patience, self.ledger, self.limits)
        match step:
            case SpareNode(node):
                rehearse_node(self.world, node, self.patience, slot=work.slot if work.row.action == "swap" else "")
                wait_for(spare_questions(self.world, node), self.patience, where=str(node))
                return "the cluster can spare this node", True
            case MarkVolumes(node):
                return mark_volumes(self.world, node, self.patience, wait=work.row.action == "create")
            case RaiseSlot(node) | AwaitSlot(node) | StopOld(node) | MoveToSlot(node):
                return _swapped(step, Swap(moves, node, work.slot, work.image_id))
            case HandOver(node) if work.row.action == "swap" and Swap(moves, node, work.slot).moved():
                return "the node has moved over already", False
            case HandOver(node):
                return hand_over(self.world, node, self.patience)
            case StopNode(node):
                return moves.stop(node, asked=node in self.asked)
            case StartNode(node):
                return moves.start(node)
            case SnapshotVolumes(node):
                return snapshot_volumes(self.world, node, self.patience)
            case DetachVolumes(node):
                warn_of_modified(self.world, node, self.patience)
                return moves.detach(node)
            case AdoptInstance(node):
                return adopt_instance(self.world, node, self.patience)
            case UntaintInstance(node):
                return untaint_instance(self.world, node, self.patience)
            case ApplyNode(node) if work.row.action == "swap" and self.following and (both := self._overlap(moves, self.following)):
                return both
            case ApplyNode(node):
                self.meanwhile[node] = Meanwhile(self.world, node, self.patience)
                return apply_node(self.world, node, self.patience, self.limits.apply_pauses_s, meanwhile=self.meanwhile[node])
            case ProveVolumes(node):
                return self._prove(node, work.image_id)
            case SettleNode(node):
                return self._settle(node)
            case _:
                assert_never(step)

    def _overlap(self, moves: Moves, following: NodeWork) -> tuple[str, bool] | None:
        """End the node's swap together with the beginning of the following one's; None where that can't be."""
        node = self.attempt.work.node if self.attempt else following.node
        return Overlap(self.world, self.patience, node, Swap(moves, following.node, following.slot, following.image_id)).apply()

    def _prove(self, node: NodeId, image_id: str) -> tuple[str, bool]:
        start = self.patience.clock.monotonic()
        evidence = prove_volumes(self.world, node, self._watchful(node), image_id=image_id, before=self._before())
        self.ledger.servers_s += self.patience.clock.monotonic() - start
        return evidence, True

    def _before(self) -> Mapping[str, Volume | None]:
        """Return the volumes of the node at work as they were before the first step."""
        return self.attempt.before.volumes if self.attempt and self.attempt.before else {}

    def _settle(self, node: NodeId) -> tuple[str, bool]:
        start = self.patience.clock.monotonic()
        streak = self.meanwhile[node].streak if node in self.meanwhile else None
        began = wait_for(settle_questions(self.world, node), self._watchful(node), where=str(node), settling=True, streak=streak)
        self.ledger.servers_s += max(0.0, began - start)
        self.ledger.back(str(node), began)
        return "all gates hold", True

    def _watchful(self, node: NodeId) -> Patience:
        """Return the patience to wait for this node with, an eye on the others."""
        return replace(self.patience, others=Others(self.world, node, self.patience.clock))


def _swapped(step: RaiseSlot | AwaitSlot | StopOld | MoveToSlot, swap: Swap) -> tuple[str, bool]:
    """Carry out one of the steps that only a swap has."""
    match step:
        case RaiseSlot():
            return swap.raise_slot()
        case AwaitSlot():
            return swap.await_slot()
        case StopOld():
            return swap.stop_old()
        case MoveToSlot():
            return swap.move()
        case _:
            assert_never(step)
