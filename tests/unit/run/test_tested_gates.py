"""The gate `testinfra`: what the tests are told, when they are run, and how often."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import GateFailed, UsageError
from immtf.model import block
from immtf.model.checking import BlockFacts, VolumeFacts
from immtf.model.cloud import ImageChoice
from immtf.model.events import CheckOverridden, GateAsked
from immtf.model.verdict import Verdict
from immtf.plan.checks import Overrides
from immtf.plan.image import Image
from immtf.run.gates import Patience, Question, cluster_questions, settle_questions, spare_questions, wait_for
from immtf.run.ledger import Ledger
from immtf.run.lifecycle import create
from immtf.run.upgrade import prepare
from tests.fakes.builders import A
from tests.fakes.clock import FakeCancel, VirtualClock
from tests.fakes.simulation import MOUNT, NEW, OLD
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from immtf.model.events import Event
    from immtf.run.world import World

GATE = block.TestinfraGate(tests=Path("/blocks/consul/tests"))
YES, NO = Verdict(held=True, reason="it holds"), Verdict(held=False, reason="not yet")


def make_tested(scene: Scene, *others: block.Gate, **pace: Any) -> World:
    """Return a world whose cluster has the gate of tests, and then the others."""
    cluster = replace(scene.block.clusters["server"], gates=(replace(GATE, **pace), *others))
    scene.block = replace(scene.block, clusters={"server": cluster})
    world = scene.world()
    world.survey()
    return world


def test_the_tests_are_told_of_the_node_and_the_block() -> None:
    scene = make_scene(3)
    scene.sim.shown[OLD] = Image(OLD, "consul", "1.0.0", "")
    world = make_tested(scene)
    (question,) = settle_questions(world, A)
    assert (question.node, question.gate, question.heavy, question.passes) == ("server/a", "testinfra", True, 1)
    assert question.ask() == Verdict(held=True, reason="1 passed")
    (facts,) = world.checks.told  # type: ignore[union-attr]  # it is the fake's own
    (item,) = scene.sim.live("a")
    (volume,) = [volume for volume in scene.sim.volumes.values() if volume.node == "a"]
    assert facts.node.image_version == "1.0.0"
    assert facts.node.volumes == (VolumeFacts("data", volume.volume_id, MOUNT),)
    assert facts.node.instance_id == item.instance_id
    assert facts.block == BlockFacts(name="consul", version="1.1.0", environment="sim")


def test_an_image_that_nobody_sees_has_no_version() -> None:
    scene = make_scene(3)
    world = make_tested(scene)
    scene.sim.shown[OLD] = None
    assert world.check_facts(A).node.image_version == ""


def test_a_node_that_does_not_run_can_not_be_tested() -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "a")
    world = make_tested(scene, deadline_s=3)
    with pytest.raises(GateFailed, match="testinfra: could not be asked: the instance is stopped"):
        wait_for(settle_questions(world, A), scene.patience(), where="x")
    assert not scene.sim.calls.count("checks.run")


def test_where_nothing_can_run_tests_no_wait_mends_it() -> None:
    scene = make_scene(3)
    world = make_tested(scene)
    world.checks = None
    with pytest.raises(GateFailed, match="waiting would not mend it"):
        wait_for(settle_questions(world, A), scene.patience(), where="x")


def test_each_node_of_a_cluster_is_tested_and_the_others_before_one_is_taken() -> None:
    world = make_tested(make_scene(3))
    assert [question.node for question in cluster_questions(world, "server")] == ["server/a", "server/b", "server/c"]
    assert [(question.node, question.check) for question in spare_questions(world, A)] == [("server/b", "spare"), ("server/c", "spare")]


def test_an_upgrade_runs_the_tests_once_a_node_and_the_light_gates_as_often_as_they_want() -> None:
    scene = make_scene(3)
    make_tested(scene, block.MountedGate(passes=3), block.ConsulGate(passes=3))
    scene.upgrade()
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    held = [event for event in scene.events if isinstance(event, GateAsked) and event.gate == "testinfra" and event.held]
    assert sorted(event.node for event in held) == ["server/a", "server/b", "server/c"]


def test_tests_that_can_not_be_run_are_told_before_anything_is_touched() -> None:
    scene = make_scene(3)
    world = make_tested(scene)
    world.checks.hindrance = "pytest can't be imported"  # type: ignore[union-attr]  # it is the fake's own
    with pytest.raises(UsageError) as caught:
        prepare(world, scene.patience(), ImageChoice(NEW, "1.1.0"), {})
    assert str(caught.value) == "gate testinfra of server: the tests can't be run: pytest can't be imported\n  next: mend it"
    with pytest.raises(UsageError):
        create(world, scene.patience(), Ledger(0.0))
    scene.overrides = Overrides({"testinfra": "known"})
    asked = scene.sim.calls.count("checks.ready")
    prepare(world, scene.patience(), ImageChoice(NEW, "1.1.0"), {})
    assert scene.sim.calls.count("checks.ready") == asked == 2
    assert not scene.sim.calls.count("terraform.apply")


class Counted:
    """A heavy question that is answered so, and counts how often it was asked."""

    def __init__(self, *answers: Verdict) -> None:
        self.left = list(answers)
        self.asked = 0

    def __call__(self) -> Verdict:
        self.asked += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def waited(light: Counted, heavy: Counted, *, passes: int = 1, overrides: Overrides | None = None) -> list[Event]:
    events: list[Event] = []
    wait = Patience(VirtualClock(), FakeCancel(), events.append, overrides or Overrides())
    questions = [Question("testinfra", "n", heavy, passes, deadline_s=30, heavy=True), Question("mounted", "n", light, 3, deadline_s=30)]
    wait_for(questions, wait, where="x")
    return events


def test_a_heavy_gate_is_asked_last_and_as_often_as_it_wants() -> None:
    light, heavy = Counted(NO, YES), Counted(YES)
    events = waited(light, heavy)
    assert [event.gate for event in events if isinstance(event, GateAsked)] == ["mounted", "mounted", "testinfra", "mounted", "mounted"]
    heavy = Counted(YES)
    waited(Counted(YES), heavy, passes=2)
    assert heavy.asked == 2


def test_when_another_gate_falls_the_heavy_one_is_asked_anew() -> None:
    heavy = Counted(YES)
    waited(Counted(YES, YES, NO, YES), heavy)
    assert heavy.asked == 2


def test_a_heavy_gate_that_falls_starts_the_count_again() -> None:
    light, heavy = Counted(YES), Counted(NO, YES)
    waited(light, heavy)
    assert (light.asked, heavy.asked) == (4, 2)


def test_tests_that_are_let_pass_are_told_so() -> None:
    events = waited(Counted(YES), Counted(NO), overrides=Overrides({"testinfra": "known"}))
    assert [event.reason for event in events if isinstance(event, CheckOverridden)] == ["known"]


def test_a_hanging_test_fails_the_gate_within_its_deadline() -> None:
    scene = make_scene(3)
    world = make_tested(scene, timeout_s=20, deadline_s=50)
    world.checks.seconds = 1000  # type: ignore[union-attr]  # it is the fake's own
    began = scene.sim.clock.now
    with pytest.raises(GateFailed, match="not ended within 20 s; test_service was under way"):
        wait_for(settle_questions(world, A), scene.patience(), where="x")
    assert scene.sim.clock.now - began < 80
