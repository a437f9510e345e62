"""`immtf rollback` on the simulated world: one node, the gates of an upgrade, and nobody else touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import ExitCode
from immtf.model.events import NodeStarted, Noted, PlanMade
from immtf.plan.rollback import FORMAT_TAG
from tests.fakes.calls import Crash, Fault
from tests.fakes.session import IMAGES, FakeImages, make_session
from tests.fakes.simulation import NEW, OLD
from tests.fakes.world import FLAWS, at_target, make_scene
from tests.unit.app.rolling import changes, images, rolled_back, upgraded


def test_one_node_goes_back_and_the_others_stay() -> None:
    scene = make_scene(3)
    session = make_session(scene, flags="b")
    upgraded(session)
    assert rolled_back(make_session(scene), "server/c") is ExitCode.USAGE, "all run the same: it has to be named"
    session = make_session(scene, flags="b")
    session.again = "immtf rollback b --node=server/c"
    assert rolled_back(session, "server/c", "1.0.0") is ExitCode.DONE
    assert images(scene) == {"a": NEW, "b": NEW, "c": OLD}
    (plan,) = (event for event in session.told if isinstance(event, PlanMade))
    assert [(row.node, row.now, row.target, row.action) for row in plan.rows] == [("server/c", "1.1.0", "1.0.0", "replace")]
    assert session.confirmed == ["Re-create server/c of block consul in environment sim from image 1.0.0 (ami-old)?"]
    assert [event.node for event in session.told if isinstance(event, NodeStarted)] == ["server/c"]
    notes = [event.message for event in session.told if isinstance(event, Noted)]
    assert notes[0].startswith("neither image tells its data's format")
    assert "`immtf plan b` shows what is pending" in notes[-1]


def test_a_node_that_is_there_already_is_only_checked() -> None:
    session = make_session(make_scene(3))
    assert rolled_back(session, image="1.0.0") is ExitCode.DONE
    assert (session.finished.outcome, session.confirmed, changes(session)) == ("nothing_to_do", [], [])


@pytest.mark.parametrize("flaw", ["stopped", "detached", "sick"])
def test_a_rollback_while_another_node_is_not_well_is_refused(flaw: str) -> None:
    """F35: the quorum gate holds for rollbacks too."""
    scene = make_scene(3)
    at_target(scene, "b")
    FLAWS[flaw](scene, "c")
    session = make_session(scene)
    assert rolled_back(session) is ExitCode.PERSON_NEEDED
    assert "server/c" in session.halted.what
    assert changes(session) == []


def test_a_node_that_is_away_itself_goes_back() -> None:
    """F35: the node itself isn't counted."""
    scene = make_scene(3)
    FLAWS["detached at target"](scene, "b")
    assert rolled_back(make_session(scene)) is ExitCode.DONE
    assert scene.faults() == []


@pytest.mark.parametrize(
    "point", ["cloud.stop", "cloud.detach", "part.terminate:b", "part.create:b", "part.attach:b", "terraform.apply", "guest.facts"]
)
@pytest.mark.parametrize("survives", [True, False])
def test_a_rollback_that_was_killed_is_taken_up_by_the_next(point: str, survives: bool) -> None:
    """F5, F7: no second instance, the same volume, no other node."""
    scene = make_scene(3)
    at_target(scene, "b")
    scene.terraform.survives = survives
    scene.sim.calls.faults = [Fault(Crash(), point, when="after")]
    with pytest.raises(Crash):
        rolled_back(make_session(scene))
    scene.sim.calls.revive()
    scene.sim.clock.sleep(60)
    assert rolled_back(make_session(scene), image=OLD) is ExitCode.DONE
    assert scene.faults() == []
    assert scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_a_format_that_differs_is_refused_before_anything() -> None:
    scene = make_scene(3)
    at_target(scene, "b")
    session = make_session(scene)
    session.ec2 = FakeImages((replace(IMAGES[0], tags={FORMAT_TAG: "1"}), replace(IMAGES[1], tags={FORMAT_TAG: "2"})))  # type: ignore[assignment]  # a stand-in
    assert rolled_back(session) is ExitCode.PERSON_NEEDED
    told = "[data-format] server/b ran or was to run an image with the format 2, and the image to go back to has the format 1"
    assert told in session.halted.what
    assert changes(session) == []


def test_images_of_one_format_are_gone_between_without_a_note() -> None:
    scene = make_scene(3)
    at_target(scene, "b")
    session = make_session(scene)
    session.ec2 = FakeImages(tuple(replace(image, tags={FORMAT_TAG: "1"}) for image in IMAGES))  # type: ignore[assignment]  # a stand-in
    assert rolled_back(session) is ExitCode.DONE
    assert not any(event.message.startswith("neither image") for event in session.told if isinstance(event, Noted))


def test_a_block_without_an_image_has_none_to_go_back_to() -> None:
    session = make_session(make_scene(3))
    session.block = replace(session.block, image=None)
    assert rolled_back(session) is ExitCode.USAGE
