"""The use cases `plan` and `upgrade`: the same plan, shown or carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.app.closing import Outcome
from immtf.app.images import present_architecture, told_choice, versions
from immtf.app.rollback import after_failure
from immtf.errors import ExitCode, ImmtfError, PlanLater
from immtf.model.events import Noted, PlanMade
from immtf.model.names import parse_node
from immtf.run.executor import Executor
from immtf.run.upgrade import Upgrade, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from immtf.app.session import Session
    from immtf.model.block import Block
    from immtf.model.cloud import ImageChoice
    from immtf.model.names import NodeId
    from immtf.model.steps import UpgradePlan
    from immtf.run.world import World


def make(session: Session, image: str | None, only: Collection[str]) -> tuple[World, UpgradePlan]:
    """Choose the image, observe, plan, and tell the plan."""
    allowed = session.overrides.reason("image-architecture")
    runs = None if allowed else present_architecture(session.block, session.ec2, session.tags)
    choice = told_choice(session, image, architecture=runs)
    return make_for(session, choice, only)


def make_for(
    session: Session, choice: ImageChoice | None, only: Collection[str] = (), *, block: Block | None = None
) -> tuple[World, UpgradePlan]:
    """Observe and plan for a chosen image, and tell the plan."""
    world = session.open(choice, block=block)
    chosen = _nodes(world, only)
    plan = prepare(world, session.patience, choice, versions(session.block, session.ec2), only=chosen)
    shown = f"{choice.version} ({choice.image_id})" if choice and choice.version else choice.image_id if choice else ""
    shared = tuple(map(str, (*plan.moves, *plan.shared)))
    session.tell(PlanMade(tuple(work.row for work in plan.works), shared, shown, plan.outputs))
    return world, plan


def _nodes(world: World, only: Collection[str]) -> frozenset[NodeId]:
    """Read `--only`; an unknown node is refused before anything is planned."""
    if not only:
        return frozenset()
    world.survey()
    places = {name: cluster.nodes for name, cluster in world.block.clusters.items()}
    return frozenset(parse_node(text, world.layout.nodes, addresses=places) for text in only)


def plan(session: Session, image: str | None, only: Collection[str]) -> Outcome:
    """Show what an upgrade would do; nothing is changed."""
    try:
        _, made = make(session, image, only)
    except PlanLater as later:
        session.tell(Noted("warning", f"{later.where}: {later.what}; {later.next}"))
        return Outcome("pending", ExitCode.CHANGES_PENDING)
    if made.pending:
        return Outcome("pending", ExitCode.CHANGES_PENDING)
    return Outcome("nothing_to_do")


def upgrade(session: Session, image: str | None, only: Collection[str], confirm: Callable[[str], None]) -> Outcome:
    """Plan, have it confirmed, and carry out that very plan."""
    world, made = make(session, image, only)
    if not made.pending:
        carry_out(session, world, made)  # nothing to change, but what a killed run made last is not proven before its gates hold
        return Outcome("nothing_to_do")
    confirm(f"Upgrade block {session.block.name} in environment {session.target.environment} as planned above?")
    carry_out(session, world, made)
    return Outcome()


def carry_out(session: Session, world: World, made: UpgradePlan) -> None:
    """Carry out a plan on a world. Where a node fails, the failure that is raised tells the way back, or how it went."""
    executor = Executor(world, session.patience, session.ledger, session.limits)
    try:
        Upgrade(executor).perform(made)
    except ImmtfError as failure:
        after_failure(session, executor, failure)
        raise
