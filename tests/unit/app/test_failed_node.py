"""What an upgrade that fails at a node offers or does: the way back, halted or gone (`on_failure`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app import upgrade
from immtf.app.closing import run_to_end
from immtf.errors import CloudFailed, ExitCode, Interrupted, LeaseLost, TerraformFailed
from immtf.model.events import StageStarted, StepFinished
from immtf.plan.checks import Overrides
from immtf.plan.rollback import FORMAT_TAG
from tests.fakes.calls import Fault
from tests.fakes.session import IMAGES, LET_OUT, make_session
from tests.fakes.simulation import OLD
from tests.fakes.world import at_target
from tests.unit.app.rolling import images, make_bad, no_room, rolled_back, upgraded

if TYPE_CHECKING:
    from immtf.model.events import Event


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
    assert session.halted.next.endswith("or put server/b back on the image before: `immtf rollback b --node server/b --image=ami-old`")
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
    """Nothing was replaced, and the other node is the one to be mended."""
    session = make_bad("good")
    session.scene.sim.kill_server("c")
    session.scene.sim.clock.sleep(60)
    at_target(session.scene, "c")
    code = run_to_end(session, "upgrade", lambda: upgrade.upgrade(session, None, ("server/b",), session.confirm))
    assert code is ExitCode.GATE_FAILED
    assert "roll" not in session.halted.what + session.halted.next
    assert session.scene.rolled() == {"a": 0, "b": 0, "c": 0}


def test_an_old_image_that_can_not_read_the_data_is_not_gone_back_to() -> None:
    newer = (IMAGES[0], replace(IMAGES[1], tags={**LET_OUT, FORMAT_TAG: "2"}))
    session = make_bad(known=newer)
    assert upgraded(session) is ExitCode.GATE_FAILED
    assert "[data-format]" in session.halted.what
    assert session.scene.rolled() == {"a": 0, "b": 1, "c": 0}


def test_what_was_let_pass_for_the_upgrade_is_not_let_pass_for_the_way_back() -> None:
    """F36: a person who sends data on to another format has not said that a machine may bring them back from it."""
    session = make_bad(known=(IMAGES[0], replace(IMAGES[1], tags={**LET_OUT, FORMAT_TAG: "2"})))
    session.overrides = Overrides({"data-format": "a downgrade that was meant"})
    session.patience = replace(session.patience, overrides=session.overrides)
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
    assert session.halted.next == "`immtf rollback b --node server/b --image=ami-old` goes on with the rollback"
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
