"""`--allow` in a run: the one check that was named is passed over, told with its reason, and everything else is judged as ever."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, PlanRefused
from immtf.model.block import ConsulGate, HttpGate, MountedGate
from immtf.model.events import CheckOverridden, GateAsked, NodeFinished
from immtf.model.verdict import Verdict
from immtf.plan.checks import Overrides
from immtf.plan.judge import Refusal
from immtf.run.gates import Patience, Question, wait_for
from tests.fakes.clock import FakeCancel, VirtualClock
from tests.fakes.simulation import NEW
from tests.fakes.tfplan import Wishes
from tests.fakes.world import Scene, make_scene

if TYPE_CHECKING:
    from immtf.model.events import Event

YES, NO, FINAL = (
    Verdict(held=True, reason="it holds"),
    Verdict(held=False, reason="404"),
    Verdict(held=False, reason="other data", final=True),
)
PAGE = "http:8080"
WHY = "the page is new in 1.1"


def patience(*allowed: str) -> tuple[Patience, list[Event]]:
    events: list[Event] = []
    return Patience(VirtualClock(), FakeCancel(), events.append, Overrides(dict.fromkeys(allowed, WHY))), events


def question(gate: str, *answers: Verdict, check: str = "", passes: int = 2) -> Question:
    left = list(answers)
    return Question(gate, "server/a", lambda: left.pop(0) if len(left) > 1 else left[0], passes, 1.0, 20.0, check=check)


def overridden(events: list[Event]) -> list[CheckOverridden]:
    return [event for event in events if isinstance(event, CheckOverridden)]


def test_a_gate_is_passed_over_once_all_others_hold() -> None:
    wait, events = patience(PAGE)
    wait_for([question(PAGE, NO), question("consul", NO, NO, YES)], wait, where="server/a")
    assert overridden(events) == [CheckOverridden("server/a", PAGE, "404", WHY)], "told once, when it was needed"
    asked = [(event.gate, event.held) for event in events if isinstance(event, GateAsked)]
    assert asked.count((PAGE, False)) == asked.count(("consul", True)) + 2, "it was asked each time, and the others had to hold"


def test_a_gate_that_holds_needs_no_override() -> None:
    wait, events = patience(PAGE)
    wait_for([question(PAGE, NO, YES), question("consul", NO, YES)], wait, where="server/a")
    assert overridden(events) == []


@pytest.mark.parametrize(
    "other",
    [
        question("consul", NO),
        question("mounted", FINAL),
        question("http:9090", NO),
        question(PAGE, NO, check="spare"),
        question("volumes", NO),
    ],
    ids=lambda item: item.id,
)
def test_everything_else_is_asked_as_ever(other: Question) -> None:
    wait, events = patience(PAGE, "mounted", "volumes", "spare")
    with pytest.raises(GateFailed):
        wait_for([question(PAGE, NO), other], wait, where="server/a")
    assert overridden(events) == [], "a wait that failed passed nothing over"


@pytest.mark.parametrize(("gate", "check", "told"), [(PAGE, "", "--allow=http:8080"), ("mounted", "", ""), ("consul", "spare", "")])
def test_a_gate_that_failed_says_its_id_and_how_it_may_be_passed_over(gate: str, check: str, told: str) -> None:
    wait, _ = patience()
    with pytest.raises(GateFailed) as caught:
        wait_for([question(gate, NO, check=check)], wait, where="server/a")
    assert caught.value.what.startswith(f"[{check}] {gate}: 404" if check else f"{gate}: 404")
    assert (told in caught.value.next) if told else ("--allow" not in caught.value.next)


def test_a_refusal_is_passed_over_and_the_others_are_not() -> None:
    soft, hard = (Refusal(check, ("aws_x.y",), "is so", "mend it") for check in ("shared-change", "volume-deleted"))
    wait, events = patience("shared-change", "volume-deleted")
    wait.refuse([soft], "server/a")
    assert overridden(events) == [CheckOverridden("server/a", "shared-change", "aws_x.y is so", WHY)]
    with pytest.raises(PlanRefused) as caught:
        wait.refuse([soft, hard], "server/a")
    assert "shared-change" not in caught.value.what
    assert "volume-deleted" in caught.value.what


def make_gated(*allowed: str, wishes: Wishes | None = None) -> Scene:
    """Return a scene whose nodes are asked for a page that they don't have, with these overrides."""
    scene = make_scene(3, wishes=wishes)
    gates = (MountedGate(passes=1, deadline_s=60), ConsulGate(passes=2, deadline_s=60), HttpGate(url="http://{address}:8080/", passes=1))
    cluster = dataclasses.replace(scene.block.clusters["server"], gates=gates)
    scene.block = dataclasses.replace(scene.block, clusters={"server": cluster})
    scene.overrides = Overrides(dict.fromkeys(allowed, WHY))
    return scene


def test_a_run_goes_on_over_the_gate_that_was_named() -> None:
    scene = make_gated(PAGE)
    scene.upgrade()
    assert scene.faults() == []
    assert [event.node for event in overridden(scene.events)] == [event.node for event in scene.events if isinstance(event, NodeFinished)]


def test_without_the_override_the_first_node_is_the_last() -> None:
    scene = make_gated()
    with pytest.raises(GateFailed, match=r"http:8080: .*is silent") as caught:
        scene.upgrade()
    assert "--allow=http:8080" in caught.value.next
    assert sum(scene.rolled().values()) == 1


def test_no_second_node_is_taken_away_over_any_override() -> None:
    """F32, F36: `consul` may be let pass when a node is back, and before the next one the cluster has to be whole all the same."""
    scene = make_gated("consul", PAGE, "spare", "quorum")
    scene.sim.images[NEW] = "never-joins"
    with pytest.raises(GateFailed, match=r"\[spare\] consul: "):
        scene.upgrade()
    assert [event.check for event in overridden(scene.events)] == ["consul", PAGE]
    assert len(scene.sim.taken) == 1


@pytest.mark.parametrize(
    "wishes", [Wishes(replaced_volumes={"c"}), Wishes(creates_first=True), Wishes(data_disk=True), Wishes(tangled=True)]
)
def test_no_override_reaches_a_hard_rule(wishes: Wishes) -> None:
    """F2, F4, F27: whatever an override names."""
    scene = make_gated("volume-deleted", "create-before-destroy", "data-disk", "other-node", "zone", wishes=wishes)
    with pytest.raises(PlanRefused):
        scene.upgrade()
    assert "cloud.stop" not in scene.sim.calls.log
    assert overridden(scene.events) == []
