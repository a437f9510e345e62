"""Upgrades and rollbacks on the simulated world, as the command line starts them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.app import rollback, upgrade
from immtf.app.closing import run_to_end
from immtf.errors import ExitCode, TerraformFailed
from immtf.run.capacity import PAUSES_S
from tests.fakes.calls import Fault
from tests.fakes.session import IMAGES, FakeImages, SimSession, make_session
from tests.fakes.simulation import NEW
from tests.fakes.world import Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.block import OnFailure
    from immtf.plan.image import Image

CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply", "guest.mark")


def make_bad(
    kind: str = "never-joins",
    *,
    on_failure: OnFailure = "rollback-node",
    known: tuple[Image, ...] = IMAGES,
    listeners: Sequence[object] = (),
) -> SimSession:
    """Return a session whose newest image is bad."""
    scene = make_scene(3)
    scene.sim.images[NEW] = kind  # type: ignore[assignment]  # as the test gives
    scene.block = replace(scene.block, on_failure=on_failure)
    session = make_session(scene, listeners=listeners, flags="b")
    session.ec2 = FakeImages(known)  # type: ignore[assignment]  # a stand-in
    session.again = "immtf upgrade b --yes"
    return session


def no_room() -> Fault:
    """Return the cloud without room for the new instance of `b`, until all tries are made."""
    error = TerraformFailed("creating EC2 Instance: no room", code="InsufficientInstanceCapacity", where="root")
    return Fault(error, "part.create:b", times=len(PAUSES_S) + 1)


def upgraded(session: SimSession) -> ExitCode:
    return run_to_end(session, "upgrade", lambda: upgrade.upgrade(session, None, (), session.confirm))


def rolled_back(session: SimSession, node: str = "b", image: str | None = None) -> ExitCode:
    return run_to_end(session, "rollback", lambda: rollback.rollback(session, node, image, session.confirm))


def images(scene: Scene) -> dict[str, str]:
    """Return which image each node runs."""
    return {key: item.image for key in scene.sim.keys for item in scene.sim.live(key)}


def changes(session: SimSession) -> list[str]:
    return [name for name in session.scene.sim.calls.log if name in CHANGING]
