"""One node back to the image before: an upgrade of that node alone, on a world in which the old image is the wanted one.

Nothing else is touched: no shared change, no other node. Which failures of an upgrade have a way back is read from the world, not
from the step that failed: the node's instance was replaced, and its data are not in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, GateFailed, OthersFailed, TerraformFailed
from immtf.model.snapshot import Snapshot
from immtf.plan.custody import judge_custody
from immtf.plan.faults import Fault, fault_of
from immtf.plan.judge import acting, judge_shared
from immtf.plan.rollback import doubts, image_of, judge_others, was_replaced
from immtf.run.apply import apply_stage
from immtf.run.custody import mark_before
from immtf.run.upgrade import prepare, stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.errors import ImmtfError
    from immtf.model.cloud import ImageChoice
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.steps import NodeWork, UpgradePlan
    from immtf.run.executor import Executor
    from immtf.run.gates import Patience
    from immtf.run.world import World


@dataclass(frozen=True, slots=True)
class WayBack:
    """A failed node: the image it ran before ("" where that isn't known), the one it was given (`ran`), and what forbids to go back."""

    node: NodeId
    image_id: str
    ran: str
    doubt: str


def way_back(executor: Executor, failure: ImmtfError) -> WayBack | None:
    """Return the way back of the node that a run failed at; None where there is none to speak of.

    There is one where the node's instance had been replaced, by this run or an earlier one that is not finished, and a gate failed,
    or where there was no capacity for the new one. An interrupt, a lost lease, another node that went down meanwhile and whatever is
    for a person have none. Raises `ImmtfError` where the node can't be observed.
    """
    attempt, world = executor.attempt, executor.world
    if attempt is None or isinstance(failure, OthersFailed) or not (isinstance(failure, GateFailed) or _had_no_capacity(failure)):
        return None
    world.survey()
    before, now = attempt.before, world.node(attempt.work.node, facts=True)
    if not (was_replaced(before, now) if before else _is_mixed(world, now)):
        return None
    old, given = image_of(before) if before else "", attempt.work.image_id or image_of(now)
    doubt = doubts(now, attempt.work.image_id, judge_custody(world.block.name, now))
    return WayBack(now.node, old if old != given else "", given, doubt)


def _is_mixed(world: World, now: NodeNow) -> bool:
    """Return whether the nodes of a cluster run several images: an upgrade of it is not finished."""
    return len({image_of(other) for node, other in world.nodes().items() if node.cluster == now.node.cluster} - {""}) > 1


def _had_no_capacity(failure: ImmtfError) -> bool:
    return isinstance(failure, (TerraformFailed, CloudFailed)) and fault_of(failure.code) is Fault.NO_CAPACITY


def prepare_rollback(
    world: World, patience: Patience, node: NodeId, image: ImageChoice, versions: Mapping[str, str]
) -> tuple[UpgradePlan, NodeWork]:
    """Observe everything and return the plan in which only this node is changed, and its work.

    The world is one in which the old image is wanted. Raises `PlanRefused` where another node is not well, and as `prepare` does.
    """
    plan = prepare(world, patience, image, versions, only=[node])
    view = world.view(node.cluster)
    patience.refuse(judge_others(Snapshot(world.nodes(), services={node.cluster: view} if view else {}), node), str(node))
    return plan, next(work for work in plan.works if work.node == node)


def roll_back(executor: Executor, plan: UpgradePlan, work: NodeWork) -> None:
    """Carry the node's work out, through the same gates and proofs as an upgrade's. Raises what stopped it."""
    world, patience = executor.world, executor.patience
    mark_before(world, plan.works, patience)
    with stage(patience, "rollback", f"{work.node} to {work.row.target}"):
        executor.perform([work], index=1, total=1)
        _bring_outputs(world, patience)


def _bring_outputs(world: World, patience: Patience) -> None:
    """Apply the outputs that follow from the node where nothing else is left to change; else they wait for the next upgrade."""
    saved = world.terraform.plan()
    if saved.changed and not acting(saved.data):
        layout = world.layout
        apply_stage(world, patience, judge=lambda plan: judge_shared(plan, layout), where="rest", step="ApplyRest")
