"""Where contracts between blocks are asked in a run: before anything, whatever the command; and what may be passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import VersionsUnresolved
from immtf.model.cloud import ImageChoice
from immtf.model.events import CheckOverridden
from immtf.plan.checks import Overrides
from immtf.plan.judge import Refusal
from immtf.run.contracts import refuse_unmet
from immtf.run.ledger import Ledger
from immtf.run.lifecycle import create
from immtf.run.rollback import prepare_rollback
from tests.fakes.builders import A
from tests.fakes.simulation import OLD
from tests.fakes.world import VERSIONS, Scene, make_empty, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply", "guest.mark")


def back(scene: Scene) -> object:
    return prepare_rollback(scene.world(), scene.patience(), A, ImageChoice(OLD, "1.0.0"), VERSIONS)


RUNS: dict[str, tuple[Callable[[], Scene], Callable[[Scene], object]]] = {
    "plan": (make_scene, Scene.plan),
    "upgrade": (make_scene, Scene.upgrade),
    "rollback": (make_scene, back),
    "create": (make_empty, lambda scene: create(scene.world(), scene.patience(), Ledger(0.0))),
}


def needy(make: Callable[[], Scene]) -> Scene:
    """Return a scene whose block requires one of which Terraform's plan tells nothing."""
    scene = make()
    scene.block = replace(scene.block, requires={"base": "~> 2.0"})
    return scene


@pytest.mark.parametrize("command", RUNS)
def test_a_block_that_is_not_known_to_fit_refuses_every_command_that_changes_nodes(command: str) -> None:
    """F46: before any node is touched, and before any is made."""
    make, run = RUNS[command]
    scene = needy(make)
    with pytest.raises(VersionsUnresolved, match=r"\[requires-unknown\] the plan doesn't tell which version of block base") as caught:
        run(scene)
    assert caught.value.where == "block consul"
    assert '--allow=requires-unknown --reason "why"' in caught.value.next
    assert [name for name in scene.sim.calls.log if name in CHANGING] == []


@pytest.mark.parametrize("command", RUNS)
def test_with_a_reason_what_is_not_known_is_passed_over_and_told(command: str) -> None:
    make, run = RUNS[command]
    scene = needy(make)
    scene.overrides = Overrides({"requires-unknown": "base is older"})
    run(scene)
    told = {(event.check, event.reason) for event in scene.events if isinstance(event, CheckOverridden)}
    assert told == {("requires-unknown", "base is older")}


@pytest.mark.parametrize("command", RUNS)
def test_of_a_block_whose_state_was_judged_before_no_evidence_is_asked(command: str) -> None:
    """F46: its outputs are the evidence, and they were read before the plan was made."""
    make, run = RUNS[command]
    scene = needy(make)
    scene.known = frozenset({"base"})
    run(scene)


def test_what_is_refused_before_there_is_a_plan_says_that_nothing_was_touched() -> None:
    """F46."""
    scene = make_scene()
    with pytest.raises(VersionsUnresolved) as caught:
        refuse_unmet([Refusal("producer-absent", ("a state",), "isn't there", "deploy it")], scene.block, scene.patience(), early=True)
    assert caught.value.what == "nothing was touched: [producer-absent] a state isn't there"
    assert caught.value.next == "deploy it"
