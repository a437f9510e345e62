"""The use cases on the simulated world: what each opens, asks, tells and ends with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app import lifecycle, rehearsal, upgrade
from immtf.app.closing import run_to_end
from immtf.app.rehearsal import Before
from immtf.errors import CloudFailed, ExitCode, Interrupted, PersonNeeded, TerraformFailed, UsageError
from immtf.model.block import MountedGate
from immtf.model.events import Noted, PlanMade, StatusTaken
from tests.fakes.calls import Fault
from tests.fakes.session import IMAGES, FakeImages, SimSession, make_session
from tests.fakes.simulation import NEW, OLD
from tests.fakes.world import Scene, at_target, make_empty, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.app.closing import Outcome

CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply", "guest.mark")


def refuse(_question: str) -> None:
    """Be the person who says no."""
    raise Interrupted("not confirmed", next="nothing was touched")


def touched(session: SimSession) -> list[str]:
    return [name for name in session.scene.sim.calls.log if name in CHANGING]


def told(session: SimSession, kind: type) -> list[object]:
    return [event for event in session.told if isinstance(event, kind)]


def quiet(scene: Scene) -> Scene:
    """Give the block gates that need no service, so that there is no store for a probe."""
    cluster = replace(scene.block.clusters["server"], gates=(MountedGate(passes=2, deadline_s=120),))
    scene.block = replace(scene.block, clusters={"server": cluster})
    return scene


def run(session: SimSession, body: Callable[[], Outcome]) -> ExitCode:
    return run_to_end(session, "a command", body)


def test_plan_shows_and_touches_nothing() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.plan(session, None, ())) is ExitCode.CHANGES_PENDING
    (plan,) = told(session, PlanMade)
    assert isinstance(plan, PlanMade)
    assert [(row.node, row.action) for row in plan.rows] == [(f"server/{key}", "replace") for key in ("b", "c", "a")]
    assert plan.image == f"1.1.0 ({NEW})"
    assert (touched(session), session.opened) == ([], [NEW])


def test_plan_of_a_cluster_at_its_target_has_nothing_to_do() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.plan(session, "1.0.0", ())) is ExitCode.DONE
    assert (session.finished.outcome, session.opened) == ("nothing_to_do", [OLD])


def test_upgrade_carries_out_the_plan_that_was_shown_and_confirmed() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.upgrade(session, None, (), session.confirm)) is ExitCode.DONE
    assert session.confirmed == ["Upgrade block consul in environment sim as planned above?"]
    assert session.scene.faults() == []
    assert (session.finished.nodes_replaced, session.finished.volumes_kept) == (3, 3)
    assert set(session.finished.away_s) == {"server/a", "server/b", "server/c"}


def test_upgrade_that_is_not_confirmed_touches_nothing() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.upgrade(session, None, (), refuse)) is ExitCode.INTERRUPTED
    assert touched(session) == []
    assert session.finished.outcome == "interrupted"


def test_upgrade_with_nothing_to_do_asks_nobody() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.upgrade(session, OLD, (), refuse)) is ExitCode.DONE
    assert session.finished.outcome == "nothing_to_do"


@pytest.mark.parametrize("name", ["server/b", "b", 'module.server["b"]'])
def test_only_one_node(name: str) -> None:
    session = make_session(make_scene(3))
    run(session, lambda: upgrade.plan(session, None, (name,)))
    (plan,) = told(session, PlanMade)
    assert isinstance(plan, PlanMade)
    assert {row.node: row.action for row in plan.rows} == {"server/a": "skip", "server/b": "replace", "server/c": "skip"}


def test_an_unknown_node_is_refused_with_those_that_exist() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: upgrade.upgrade(session, None, ("server/x",), session.confirm)) is ExitCode.USAGE
    assert "server/a, server/b, server/c" in session.halted.next
    assert (touched(session), session.confirmed) == ([], [])


def test_create_is_confirmed_waits_and_tells_the_status() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: lifecycle.create(session, None, session.confirm)) is ExitCode.DONE
    (status,) = told(session, StatusTaken)
    assert isinstance(status, StatusTaken)
    assert {(row.health, row.image) for row in status.rows} == {("healthy", "1.1.0")}
    assert session.confirmed == ["Create block consul in environment sim?"]


def test_create_that_is_not_confirmed_makes_nothing() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: lifecycle.create(session, None, refuse)) is ExitCode.INTERRUPTED
    assert (touched(session), session.scene.sim.instances) == ([], {})


def test_create_without_any_image_makes_nothing() -> None:
    session = make_session(make_empty())
    session.ec2 = FakeImages(())  # type: ignore[assignment]  # a stand-in
    assert run(session, lambda: lifecycle.create(session, None, session.confirm)) is ExitCode.VERSIONS_UNRESOLVED
    assert session.opened == []


def test_destroy_names_everything_that_goes_before_it_asks() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: lifecycle.destroy(session, session.confirm)) is ExitCode.DONE
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert len([note for note in notes if note.startswith("would be deleted: ")]) == 9
    assert session.confirmed == ["Delete all of block consul in environment sim, the data on its volumes too?"]
    assert session.scene.sim.state == {}


def test_destroy_that_is_not_confirmed_touches_nothing() -> None:
    session = make_session(make_scene(3))
    assert run(session, lambda: lifecycle.destroy(session, refuse)) is ExitCode.INTERRUPTED
    assert touched(session) == []


def test_destroy_of_nothing_asks_nobody() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: lifecycle.destroy(session, refuse)) is ExitCode.DONE
    assert session.finished.outcome == "nothing_to_do"


def test_what_needs_no_image_does_without_one() -> None:
    """The last image may be gone long before its environment is."""
    session = make_session(make_scene(3))
    session.ec2 = FakeImages(())  # type: ignore[assignment]  # a stand-in
    assert run(session, lambda: lifecycle.status(session)) is ExitCode.DONE
    assert session.opened == ["ami-00000000"]
    session = make_session(make_scene(3))
    session.block = replace(session.block, image=None)
    assert run(session, lambda: lifecycle.status(session)) is ExitCode.DONE
    assert session.opened == [""]


def test_the_status_of_an_environment_without_nodes_says_how_to_make_one() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: lifecycle.status(session)) is ExitCode.PERSON_NEEDED
    assert session.halted.what == "Terraform's state has no node at module.server"
    assert "immtf create" in session.halted.next


def test_a_test_of_create_leaves_nothing() -> None:
    session = make_session(make_empty())
    assert run(session, lambda: rehearsal.test_create(session, None)) is ExitCode.DONE
    assert (session.scene.sim.state, session.scene.sim.volumes) == ({}, {})


def test_a_test_of_an_upgrade_goes_from_the_version_before_to_this_one_and_leaves_nothing() -> None:
    session = make_session(quiet(make_empty()))
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.DONE
    assert session.opened == [OLD, NEW]
    assert (session.finished.nodes_replaced, session.scene.rolled()) == (3, {"a": 1, "b": 1, "c": 1})
    assert session.scene.sim.state == {}
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert notes[0] == "from 1.0.0 to 1.1.0"
    assert any(note.startswith("no probe") for note in notes)
    assert session.finished.writes_lost is None


@pytest.mark.parametrize(
    ("before", "image", "opened"), [(Before(image="1.1.0"), OLD, [NEW, OLD]), (Before(image=OLD), None, [OLD, NEW])], ids=["down", "by id"]
)
def test_the_version_before_may_be_named(before: Before, image: str | None, opened: list[str]) -> None:
    session = make_session(quiet(make_empty()))
    assert run(session, lambda: rehearsal.test_upgrade(session, before, image)) is ExitCode.DONE
    assert session.opened == opened


def test_the_version_before_may_be_another_directory() -> None:
    session = make_session(quiet(make_empty()))
    old = replace(session.block, image=replace(session.block.image, version="= 1.0.0") if session.block.image else None, version="1.0.0")
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(block=old), None)) is ExitCode.DONE
    assert session.opened == [OLD, NEW]


def test_two_versions_that_are_the_same_are_no_test() -> None:
    session = make_session(quiet(make_empty()))
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(image=NEW), None)) is ExitCode.USAGE
    assert session.scene.sim.state == {}


def test_a_block_without_an_image_needs_to_be_told_its_version_before() -> None:
    session = make_session(quiet(make_empty()))
    session.block = replace(session.block, image=None)
    with pytest.raises(UsageError, match="no previous version"):
        rehearsal.test_upgrade(session, Before(), None)
    assert session.opened == []


def test_without_a_version_before_nothing_is_made() -> None:
    session = make_session(quiet(make_empty()))
    session.ec2 = FakeImages(IMAGES[1:])  # type: ignore[assignment]  # a stand-in
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.VERSIONS_UNRESOLVED
    assert session.opened == []


@pytest.mark.parametrize("point", ["part.create:b", "part.terminate:b", "cloud.detach"])
def test_a_test_that_fails_is_destroyed_all_the_same(point: str) -> None:
    session = make_session(quiet(make_empty()))
    session.scene.sim.calls.faults = [Fault(TerraformFailed("planted"), point)]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.ERROR
    assert session.halted.what == "planted"
    assert session.halted.safe == "the environment is gone"
    assert (session.scene.sim.state, session.scene.sim.volumes) == ({}, {})


def test_a_test_that_is_interrupted_is_destroyed_with_a_fresh_terraform() -> None:
    session = make_session(quiet(make_empty()))
    session.patience = replace(session.patience, cancel=session.signals)
    session.scene.sim.clock.after(60, session.signals.request)
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.INTERRUPTED
    assert session.opened[-1] == session.opened[-2], "opened once more for the clean-up"
    assert session.scene.sim.state == {}
    assert session.finished.outcome == "interrupted"


def test_a_clean_up_that_fails_is_an_error_with_the_command_that_repeats_it() -> None:
    session = make_session(quiet(make_empty()), flags="consul --lab")
    session.scene.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop", nth=4)]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.GATE_FAILED
    assert session.halted.what == "the test environment sim is left: no"
    assert session.halted.next == "immtf destroy consul --lab"


def test_a_clean_up_that_fails_does_not_hide_why_the_test_did() -> None:
    session = make_session(quiet(make_empty()))
    session.scene.sim.calls.faults = [
        Fault(TerraformFailed("the first error"), "part.create:b"),
        Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop"),
    ]
    assert run(session, lambda: rehearsal.test_upgrade(session, Before(), None)) is ExitCode.ERROR
    assert session.halted.what == "the first error"
    notes = [event.message for event in told(session, Noted) if isinstance(event, Noted)]
    assert "the test environment sim is left: no" in notes


def test_what_can_not_be_opened_leaves_nothing_to_destroy() -> None:
    class Closed(SimSession):
        def open(self, *_: object, **__: object) -> object:  # type: ignore[override]  # it never returns
            raise PersonNeeded("terraform init failed")

    session = make_session(make_empty())
    session.__class__ = Closed
    assert run(session, lambda: rehearsal.test_create(session, None)) is ExitCode.PERSON_NEEDED
    assert "StageStarted" not in session.names()


def test_an_upgrade_that_was_done_by_half_goes_on_with_the_rest() -> None:
    scene = make_scene(3)
    at_target(scene, "b")
    session = make_session(scene)
    assert run(session, lambda: upgrade.upgrade(session, None, (), session.confirm)) is ExitCode.DONE
    assert session.finished.nodes_replaced == 2
