"""Moves are recorded before anything else, by a plan that was judged and that changes nothing."""

from __future__ import annotations

import pytest

from immtf.errors import PlanRefused, StalePlan
from immtf.model.events import PlanJudged
from immtf.model.snapshot import Move
from immtf.run.apply import ATTEMPTS
from immtf.run.moving import record_moves
from tests.fakes.calls import Fault
from tests.fakes.tfplan import Wishes
from tests.fakes.world import Scene, make_scene

VPC, OLD = 'module.network["own"].aws_vpc.this', "module.network.aws_vpc.this"
MOVE = f"{VPC}: moved from {OLD}"


def moving(**more: dict[str, bool]) -> Scene:
    return make_scene(3, wishes=Wishes(renamed={VPC: OLD}, **more))  # type: ignore[arg-type]


def judged(scene: Scene) -> list[tuple[str, tuple[str, ...]]]:
    return [(event.node, event.allowed) for event in scene.events if isinstance(event, PlanJudged)]


def test_a_move_is_recorded_before_the_nodes_are_changed() -> None:
    scene = moving()
    assert scene.plan().pending
    assert scene.converge() == []
    assert scene.faults() == []
    assert judged(scene)[0] == ("moves", (MOVE,))
    assert set(scene.rolled().values()) == {1}
    assert not scene.plan().moves


def test_what_moves_and_changes_is_changed_as_a_shared_change_after_its_move() -> None:
    scene = moving(shared={VPC: False})
    assert scene.converge() == []
    assert scene.faults() == []
    assert judged(scene)[:2] == [("moves", (MOVE,)), ("shared", (f"{VPC}: update",))]


@pytest.mark.parametrize("times", [1, ATTEMPTS - 1, ATTEMPTS])
def test_a_state_that_moves_meanwhile_has_the_plan_made_and_judged_again(times: int) -> None:
    """F3: a bounded number of times."""
    scene = moving()
    scene.sim.calls.faults = [Fault(StalePlan("stale"), "terraform.apply", times=times)]
    failed = scene.converge()
    assert [type(error) for error in failed] == ([StalePlan] if times == ATTEMPTS else [])
    assert [where for where, _ in judged(scene)].count("moves") == min(times + 1, ATTEMPTS) + (times == ATTEMPTS)
    assert scene.faults() == []


def test_moves_that_somebody_else_has_recorded_are_done() -> None:
    scene = make_scene(3)
    record_moves(scene.world(), scene.patience(), [Move(VPC, OLD)])
    assert scene.terraform.applied == []


def test_a_move_that_was_not_shown_is_refused() -> None:
    scene = moving()
    with pytest.raises(PlanRefused, match="moves-only"):
        record_moves(scene.world(), scene.patience(), [Move(VPC, "module.other.aws_vpc.this"), Move("aws_vpc.that", OLD)])
    assert scene.terraform.applied == []
