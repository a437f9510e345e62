"""The use cases `create`, `destroy` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.app.closing import Outcome
from immtf.app.images import any_image, told_choice, versions
from immtf.errors import PersonNeeded
from immtf.model.events import Noted, StatusTaken
from immtf.run import lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.app.session import Session
    from immtf.run.world import World


def create(session: Session, image: str | None, confirm: Callable[[str], None]) -> Outcome:
    """Make the block's environment and wait until it is whole."""
    choice = told_choice(session, image)
    world = session.open(choice)
    confirm(f"Create block {session.block.name} in environment {session.target.environment}?")
    lifecycle.create(world, session.patience, session.ledger)
    _tell_status(session, world)
    return Outcome()


def destroy(session: Session, confirm: Callable[[str], None]) -> Outcome:
    """Destroy the block's environment, volumes and all."""
    world = session.open(any_image(session.block, session.ec2))
    saved = lifecycle.plan_destroy(world)
    for row in saved.data.changes:
        if not row.is_noop:
            session.tell(Noted("info", f"would be deleted: {row.address}"))
    if not saved.changed and not world.layout.nodes:
        return Outcome("nothing_to_do")
    confirm(f"Delete all of block {session.block.name} in environment {session.target.environment}, the data on its volumes too?")
    lifecycle.destroy(world, session.patience)
    return Outcome()


def status(session: Session) -> Outcome:
    """Show every node as observed now."""
    world = session.open(any_image(session.block, session.ec2))
    world.survey()
    if session.block.clusters and not world.layout.nodes:
        places = ", ".join(cluster.nodes for cluster in session.block.clusters.values())
        what = f"Terraform's state has no node at {places}"
        raise PersonNeeded(what, where=f"block {session.block.name}", next="make the environment with `immtf create`")
    _tell_status(session, world)
    return Outcome()


def _tell_status(session: Session, world: World) -> None:
    rows, unfinished = lifecycle.take_status(world, versions(session.block, session.ec2))
    session.tell(StatusTaken(rows, unfinished))
