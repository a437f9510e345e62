"""The way back on the simulated world: `immtf rollback`, and what an upgrade that fails at a node offers or does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app import rollback, upgrade
from immtf.app.closing import run_to_end
from immtf.errors import CloudFailed, ExitCode, Interrupted, LeaseLost, TerraformFailed
from immtf.model.events import NodeStarted, Noted, PlanMade, StageStarted, StepFinished
from immtf.plan.rollback import FORMAT_TAG
from immtf.run.capacity import PAUSES_S
from tests.fakes.calls import Fault
from tests.fakes.session import IMAGES, FakeImages, SimSession, make_session
from tests.fakes.simulation import NEW, OLD
from tests.fakes.world import FLAWS, Scene, at_target, make_scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.block import OnFailure
    from immtf.model.events import Event
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


@pytest.mark.parametrize("kind", ["never-joins", "root-disk"])
def test_a_bad_image_s_canary_is_rolled_back(kind: str) -> None:
    """F36, F20: one node, one attempt, the same volume; the run ends with the gate's exit code all the same."""
    session = make_bad(kind)
    scene = session.scene
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert scene.rolled() == {"a": 0, "b": 2, "c": 0}
    assert scene.faults() == []
    assert set(images(scene).values()) == {OLD}
    assert session.halted.what.endswith("; server/b was rolled back to 1.0.0 and is healthy")
    assert session.halted.safe.startswith("all 3 nodes are up")
    assert "immtf rollback" not in session.halted.next
    assert [event.stage for event in session.told if isinstance(event, StageStarted)][-1] == "rollback"


def test_where_the_file_says_halt_the_way_back_is_offered() -> None:
    """F36: the node stays as it is, and the next command says how it goes back."""
    session = make_bad(on_failure="halt")
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}
    assert "`immtf upgrade b --yes`" in session.halted.next
    assert session.halted.next.endswith("or put server/b back on the image before: `immtf rollback b --node server/b`")
    again = make_session(session.scene, flags="b")
    assert rolled_back(again, "server/b") is ExitCode.DONE
    assert session.scene.faults() == []
    assert again.finished.nodes_replaced == 1


def test_the_second_upgrade_over_a_bad_node_offers_the_way_back_too() -> None:
    session = make_bad(on_failure="rollback-node")
    session.block = replace(session.block, on_failure="halt")
    upgraded(session)
    session = make_session(session.scene, flags="b")
    session.again = "immtf upgrade b"
    session.block = replace(session.block, on_failure="rollback-node")
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert session.halted.next.endswith("`immtf rollback b --node server/b`"), "which image it ran before this run isn't known any more"
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_a_test_offers_nothing() -> None:
    session = make_bad(on_failure="halt")
    session.again = "immtf test-upgrade b --lab"
    upgraded(session)
    assert "rollback" not in session.halted.next


def test_nothing_is_rolled_over_an_emptied_volume() -> None:
    """F21: the image formatted it; that is for a person, whatever the file says."""
    session = make_bad("formats")
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}
    assert "server/b is not rolled back, that is for a person: no mark at" in session.halted.what
    assert "rollback" not in session.halted.next
    session.block = replace(session.block, on_failure="halt")
    assert rolled_back(make_session(session.scene)) is ExitCode.PERSON_NEEDED, "nor by hand"
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_without_capacity_the_node_gets_its_old_image_again() -> None:
    """F24: no room for the new instance after the old one was stopped; there may be for the old one."""
    session = make_bad("good")
    session.scene.sim.calls.faults = [no_room()]
    assert upgraded(session) is ExitCode.PERSON_NEEDED
    assert session.halted.what.endswith("server/b was rolled back to 1.0.0 and is healthy")
    assert session.scene.faults() == []
    assert set(images(session.scene).values()) == {OLD}


def test_without_capacity_a_halt_offers_the_old_image() -> None:
    """F24."""
    session = make_bad("good", on_failure="halt")
    session.scene.sim.calls.faults = [no_room()]
    upgraded(session)
    assert f"--image={OLD} --only=server/b" in session.halted.next
    assert rolled_back(make_session(session.scene)) is ExitCode.DONE
    assert session.scene.faults() == []


def test_a_rollback_that_fails_as_well_is_told_and_not_tried_again() -> None:
    session = make_bad()
    session.scene.sim.images[OLD] = "never-joins"
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert "the rollback of server/b to 1.0.0 failed as well: consul: " in session.halted.what
    assert session.scene.rolled() == {"a": 0, "b": 2, "c": 0}


def test_another_node_that_died_meanwhile_is_repaired_first() -> None:
    """F32, F35: it is not this node that failed, and rolling it back would take one more away."""

    def strike(event: Event, _at: object) -> None:
        if isinstance(event, StepFinished) and event.step == "ApplyNode":
            session.scene.sim.kill_server("c")

    session = make_bad("good", listeners=(strike,))
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert session.halted.next.startswith("mend server/c first")
    assert "roll" not in session.halted.what + session.halted.next
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_a_gate_that_fails_before_the_stop_has_no_way_back() -> None:
    """F35: nothing was replaced, and the other node is the one to be mended."""
    session = make_bad("good")
    session.scene.sim.kill_server("c")
    session.scene.sim.clock.sleep(60)
    at_target(session.scene, "c")
    code = run_to_end(session, "upgrade", lambda: upgrade.upgrade(session, None, ("server/b",), session.confirm))
    assert code is ExitCode.GATE_FAILED
    assert "roll" not in session.halted.what + session.halted.next
    assert session.scene.rolled() == {"a": 0, "b": 0, "c": 0}


def test_an_old_image_that_can_not_read_the_data_is_not_gone_back_to() -> None:
    newer = (IMAGES[0], replace(IMAGES[1], tags={FORMAT_TAG: "2"}))
    session = make_bad(known=newer)
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert "[data-format]" in session.halted.what
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_a_lost_lease_ends_the_rollback_with_its_own_code() -> None:
    """F12."""
    session = make_bad()
    session.scene.sim.calls.faults = [Fault(LeaseLost("lost"), "terraform.apply", nth=2)]
    assert upgraded(session) is ExitCode.LEASE_LOST


def test_a_person_who_ends_the_rollback_is_told_how_it_goes_on() -> None:
    session = make_bad()
    session.scene.sim.calls.faults = [Fault(Interrupted("stopped"), "terraform.apply", nth=2)]
    assert upgraded(session) is ExitCode.INTERRUPTED
    assert session.halted.next == "`immtf rollback b --node server/b` goes on with the rollback"
    assert rolled_back(make_session(session.scene)) is ExitCode.DONE
    assert session.scene.faults() == []


def test_a_cloud_that_can_not_be_asked_is_told() -> None:
    session = make_bad()
    calls = session.scene.sim.calls
    calls.faults = [Fault(CloudFailed("throttled"), "terraform.state", nth=3)]
    upgraded(session)
    assert "whether the node could be rolled back can't be observed: throttled" in session.halted.what


@pytest.mark.parametrize("error", [CloudFailed("no", code="UnauthorizedOperation"), TerraformFailed("exit 1"), Interrupted("asked")])
def test_other_failures_have_no_way_back(error: Exception) -> None:
    session = make_bad("good")
    session.scene.sim.calls.faults = [Fault(error, "terraform.apply")]
    upgraded(session)
    assert "roll" not in session.halted.what + session.halted.next


def test_one_node_goes_back_and_the_others_stay() -> None:
    scene = make_scene(3)
    session = make_session(scene, flags="b")
    upgraded(session)
    session = make_session(scene, flags="b")
    session.again = "immtf rollback b --node=server/c"
    assert rolled_back(session, "server/c") is ExitCode.DONE
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
