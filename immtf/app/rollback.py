"""The use case `rollback`, and what a run that failed at a node does about the way back: offer it, or go it (`on_failure`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.app.closing import Outcome, spelled
from immtf.app.images import any_image, choose_image, told_choice, versions
from immtf.errors import ImmtfError, Interrupted, LeaseLost, NoRoom, UsageError
from immtf.model.events import Noted, PlanMade
from immtf.model.names import parse_node
from immtf.plan.image import called
from immtf.plan.rollback import image_before, image_of, judge_format
from immtf.run.executor import Executor
from immtf.run.rollback import prepare_rollback, roll_back, way_back

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.app.session import Session
    from immtf.model.cloud import ImageChoice
    from immtf.model.names import NodeId
    from immtf.model.steps import NodeWork, UpgradePlan
    from immtf.run.gates import Patience
    from immtf.run.rollback import WayBack
    from immtf.run.world import World


def rollback(session: Session, name: str, image: str | None, confirm: Callable[[str], None]) -> Outcome:
    """Re-create one node from the image before, or from the one that is named; its volumes stay, no other node is touched."""
    block = session.block
    if block.image is None:
        raise UsageError("this block takes no image, so there is none to go back to", where=str(block.file), next="see `immtf upgrade`")
    node, wanted, ran = _asked_for(session, name, image)
    choice = told_choice(session, wanted) if image else choose_image(block, session.ec2, wanted)
    assert choice is not None  # noqa: S101 - the block takes an image: for the type checker
    world, plan, work = _prepare(session, node, choice, ran, session.patience)
    shown = f"{choice.version} ({choice.image_id})" if choice.version else choice.image_id
    session.tell(PlanMade((work.row,), (), shown))
    if work.row.action != "skip":
        confirm(f"Re-create {node} of block {block.name} in environment {session.target.environment} from image {shown}?")
    roll_back(Executor(world, session.patience, session.ledger, session.limits), plan, work)
    session.tell(Noted("info", spelled("the other nodes are as they were; `immtf plan` shows what is pending", session)))
    return Outcome("done" if work.row.action != "skip" else "nothing_to_do")


def after_failure(session: Session, executor: Executor, failure: ImmtfError) -> None:
    """Add the way back to the failure that a run ends with: the command, or how it went where the block's file says to go it.

    One attempt for one node: whatever comes of it, the run ends. Raises only `Interrupted`, where a person ends the rollback, and
    `LeaseLost`.
    """
    try:
        way = way_back(executor, failure)
    except ImmtfError as error:
        failure.what += f"; whether the node could be rolled back can't be observed: {error.what}"
        return
    automatic = session.block.on_failure == "rollback-node"
    if way is None:
        return
    if way.doubt:
        failure.what += f"; {way.node} is not rolled back, that is for a person: {way.doubt}" if automatic else ""
    elif automatic and way.image_id and not session.signals.is_set():
        failure.what += f"; {_go(session, way)}"
    elif not session.again.startswith("immtf test-") and not isinstance(failure, NoRoom):  # a test's environment is gone afterwards
        back = f"put {way.node} back on the image before: {_command(way)}"
        failure.next = f"{failure.next}; or {back}" if failure.next else back


def _go(session: Session, way: WayBack) -> str:
    """Roll the node back; return in words how it ended.

    What a person let pass of the data's format was said of the upgrade, not of the way back: no machine goes that alone.
    """
    named = called(way.image_id, versions(session.block, session.ec2))
    try:
        choice = choose_image(session.block, session.ec2, way.image_id)
        assert choice is not None  # noqa: S101 - an image was rolled out: for the type checker
        patience = replace(session.patience, overrides=session.overrides.without("data-format"))
        world, plan, work = _prepare(session, way.node, choice, way.ran, patience)
        roll_back(Executor(world, patience, session.ledger, session.limits), plan, work)
    except Interrupted as error:
        error.next = f"{_command(way)} goes on with the rollback"
        raise
    except LeaseLost:
        raise
    except ImmtfError as error:
        return f"the rollback of {way.node} to {named} failed as well: {error.what}"
    return f"{way.node} was rolled back to {named} and is healthy"


def _command(way: WayBack) -> str:
    """Return the command that goes this way, also when it was gone half already: with the image, where that is known."""
    return f"`immtf rollback --node {way.node}{f' --image={way.image_id}' if way.image_id else ''}`"


def _asked_for(session: Session, name: str, image: str | None) -> tuple[NodeId, str, str]:
    """Return the node that is meant, the image to go back to, and the one it ran or was to run."""
    block = session.block
    newest = any_image(block, session.ec2)
    world = session.open(newest)
    world.survey()
    places = {cluster: found.nodes for cluster, found in block.clusters.items()}
    node = parse_node(name, world.layout.nodes, addresses=places)
    runs = {other: image_of(now) for other, now in world.nodes().items()}
    known = session.ec2.images(block.image.family) if block.image else ()
    ran = runs[node] or (newest.image_id if newest else "")
    return node, image or image_before(node, runs, known, block.image.family if block.image else ""), ran


def _prepare(session: Session, node: NodeId, choice: ImageChoice, ran: str, patience: Patience) -> tuple[World, UpgradePlan, NodeWork]:
    """Judge the data's format, open the world with the old image wanted, and plan."""
    refusals, note = judge_format(node, session.ec2.image(ran), session.ec2.image(choice.image_id))
    patience.refuse(refusals, str(node))
    if note:
        session.tell(Noted("info", note))
    world = session.open(choice)
    plan, work = prepare_rollback(world, patience, node, choice, versions(session.block, session.ec2))
    return world, plan, work
