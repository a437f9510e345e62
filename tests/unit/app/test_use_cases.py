"""The use cases on the simulated world: what each opens, asks, tells and ends with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app import lifecycle, upgrade
from immtf.app.closing import run_to_end
from immtf.errors import ExitCode, Interrupted
from immtf.model.events import Noted, PlanMade, StatusTaken
from tests.fakes.session import FakeImages, SimSession, make_session
from tests.fakes.simulation import NEW, OLD
from tests.fakes.world import at_target, make_empty, make_scene

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


def test_an_upgrade_that_was_done_by_half_goes_on_with_the_rest() -> None:
    scene = make_scene(3)
    at_target(scene, "b")
    session = make_session(scene)
    assert run(session, lambda: upgrade.upgrade(session, None, (), session.confirm)) is ExitCode.DONE
    assert session.finished.nodes_replaced == 2
