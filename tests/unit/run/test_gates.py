"""Gates: held together, K times in a row, within a limit; and every asking told with its reason."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, GateFailed, Interrupted
from immtf.model.block import CommandGate, ConsulGate, EtcdGate, Gate, HttpGate, MountedGate, TcpGate
from immtf.model.events import Event, GateAsked
from immtf.model.verdict import Verdict
from immtf.run.gates import Patience, Question, check_cancel, cluster_questions, settle_questions, spare_questions, wait_for
from tests.fakes.builders import A, B, C
from tests.fakes.clock import FakeCancel, VirtualClock
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from immtf.run.world import World

YES, NO = Verdict(held=True, reason="it holds"), Verdict(held=False, reason="not yet")


def patience(cancel: FakeCancel | None = None) -> tuple[Patience, list[Event]]:
    events: list[Event] = []
    return Patience(VirtualClock(), cancel or FakeCancel(), events.append), events


def scripted(*answers: Verdict | Exception, passes: int = 3, gate: str = "g", deadline_s: float = 60.0) -> Question:
    """Return a question that is answered so, the last answer for ever."""
    left = list(answers)

    def ask_it() -> Verdict:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Question(gate, "", ask_it, passes, 1.0, deadline_s)


def passes(events: list[Event]) -> list[int]:
    return [event.passes for event in events if isinstance(event, GateAsked)]


def test_a_flap_starts_the_count_again() -> None:
    """F31."""
    wait, events = patience()
    began = wait_for([scripted(NO, YES, YES, NO, YES)], wait, where="x")
    assert passes(events) == [0, 1, 2, 0, 1, 2, 3]
    assert began == 4.0
    assert wait.clock.monotonic() == 6.0


def test_all_questions_hold_together() -> None:
    wait, events = patience()
    wait_for([scripted(YES, passes=1), scripted(NO, NO, YES, passes=2, gate="h")], wait, where="x")
    assert passes(events) == [1, 0, 1, 0, 1, 1, 2, 2]


def test_a_flap_that_never_ends_is_ended_by_the_limit() -> None:
    """F31."""
    wait, _ = patience()
    flapping = scripted(*[YES, NO] * 50, deadline_s=20)
    with pytest.raises(GateFailed, match=r"g: not yet \(not within 2\d s; it held 10 times and fell again\)"):
        wait_for([flapping], wait, where="x")


def test_what_waiting_can_not_mend_fails_at_once() -> None:
    wait, _ = patience()
    with pytest.raises(GateFailed, match="waiting would not mend it"):
        wait_for([scripted(Verdict(held=False, reason="wrong volume", final=True))], wait, where="x")
    assert wait.clock.monotonic() == 0.0


def test_a_question_that_can_not_be_asked_has_not_held() -> None:
    """F34."""
    wait, events = patience()
    wait_for([scripted(CloudFailed("throttled"), YES, passes=1)], wait, where="x")
    first = events[0]
    assert isinstance(first, GateAsked)
    assert (first.held, first.reason) == (False, "could not be asked: throttled")


def test_nothing_to_ask_holds() -> None:
    wait, events = patience()
    assert wait_for([], wait, where="x") == 0.0
    assert events == []


@pytest.mark.parametrize(
    ("cancel", "settling", "ends"),
    [
        (FakeCancel(), False, False),
        (FakeCancel(asked=True), False, True),
        (FakeCancel(asked=True), True, False),
        (FakeCancel(urgent=True), False, True),
        (FakeCancel(urgent=True), True, True),
    ],
)
def test_who_may_end_a_wait(cancel: FakeCancel, settling: bool, ends: bool) -> None:
    """S1, S2: with a node away, one wish waits until it is back; a second one does not."""
    wait, _ = patience(cancel)
    if ends:
        with pytest.raises(Interrupted):
            check_cancel(wait, "x", settling=settling)
        with pytest.raises(Interrupted):
            wait_for([scripted(NO, YES)], wait, where="x", settling=settling)
    else:
        check_cancel(wait, "x", settling=settling)
        wait_for([scripted(NO, YES)], wait, where="x", settling=settling)


def surveyed(scene: Scene, *gates: Gate) -> World:
    """Return a world whose cluster has these gates, already laid out."""
    cluster = dataclasses.replace(scene.block.clusters["server"], gates=gates)
    scene.block = dataclasses.replace(scene.block, clusters={"server": cluster})
    world = scene.world()
    world.survey()
    return world


KINDS = [
    HttpGate(url="http://{address}:8500/{node}", timeout_s=1),
    TcpGate(port=8500),
    MountedGate(),
]


@pytest.mark.parametrize("gate", KINDS, ids=lambda gate: gate.id)
def test_gates_of_each_kind_on_a_node(gate: Gate) -> None:
    world = surveyed(make_scene(3), gate)
    (question,) = settle_questions(world, A)
    assert question.node == "server/a"
    assert question.ask().held


@pytest.mark.parametrize("gate", KINDS, ids=lambda gate: gate.id)
def test_gates_of_each_kind_on_a_stopped_node(gate: Gate) -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "a")
    world = surveyed(scene, gate)
    wait, events = patience()
    with pytest.raises(GateFailed):
        wait_for([dataclasses.replace(question, deadline_s=3) for question in settle_questions(world, A)], wait, where="x")
    first = events[0]
    assert isinstance(first, GateAsked)
    assert "the instance is stopped" in first.reason


class Shell:
    """A guest that answers a command so."""

    def __init__(self, code: int, output: str = "", errors: str = "") -> None:
        self.answer = (code, output, errors)

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        assert (script, timeout_s) == ("check", 9)
        assert instance_id
        return self.answer


@pytest.mark.parametrize(
    ("shell", "held", "reason"),
    [
        (Shell(0), True, "ended with 0"),
        (Shell(3, "one\ntwo\n"), False, "ended with 3: two"),
        (Shell(1, "said", "and complained\n"), False, "ended with 1: and complained"),
    ],
)
def test_a_command_gate_says_the_last_line(shell: Shell, held: bool, reason: str) -> None:
    world = surveyed(make_scene(3), CommandGate(run="check", timeout_s=9))
    world.guest = shell
    (question,) = settle_questions(world, A)
    assert question.ask() == Verdict(held=held, reason=reason)


def test_a_command_gate_of_a_node_without_an_instance_does_not_hold() -> None:
    scene = make_scene(3)
    world = surveyed(scene, CommandGate(run="check", timeout_s=9))
    (question,) = settle_questions(world, A)
    FLAWS["terminated"](scene, "a")
    del scene.sim.instances[world.layout.nodes[A].instance_id]
    assert question.ask() == Verdict(held=False, reason="the node has no instance")


def test_without_a_service_the_others_own_gates_are_asked_before_a_node_is_taken() -> None:
    scene = make_scene(3)
    world = surveyed(scene, TcpGate(port=8500), MountedGate())
    questions = spare_questions(world, A)
    assert [(question.node, question.gate) for question in questions] == [(str(B), "tcp:8500"), (str(C), "tcp:8500"), ("", "mounted")]
    scene.sim.kill_server("a")
    assert all(question.ask().held for question in questions)
    scene.sim.kill_server("b")
    assert not all(question.ask().held for question in questions)


def test_a_cluster_is_asked_once_for_its_service_and_each_node_for_its_own() -> None:
    scene = make_scene(3)
    world = surveyed(scene, *scene.block.clusters["server"].gates)
    asked = [(question.node, question.gate) for question in cluster_questions(world, "server")]
    assert asked == [("server/a", "mounted"), ("server/b", "mounted"), ("server/c", "mounted"), ("", "consul")]
    assert all(question.ask().held for question in cluster_questions(world, "server"))


@pytest.mark.parametrize("kind", [ConsulGate, EtcdGate])
@pytest.mark.parametrize(("expect", "held"), [(None, True), (3, True), (5, False)])
def test_the_number_of_voters_may_be_written_down(kind: type[ConsulGate | EtcdGate], expect: int | None, held: bool) -> None:
    scene = make_scene(3)
    world = surveyed(scene, kind(expect=expect))
    (question,) = settle_questions(world, A)
    assert question.ask().held is held


def test_an_upgrade_of_a_cluster_of_etcd() -> None:
    """One node at a time by quorum, the leader handed over and last: whichever service it is."""
    scene = make_scene(3)
    surveyed(scene, MountedGate(passes=2, deadline_s=120), EtcdGate(passes=2, deadline_s=120))
    scene.upgrade()
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    assert "etcd" in {event.gate for event in scene.events if isinstance(event, GateAsked)}


def test_an_upgrade_of_a_cluster_without_a_service() -> None:
    """No quorum and no leader: one node at a time, and the others' own gates."""
    scene = make_scene(2)
    surveyed(scene, TcpGate(port=8500, passes=9), MountedGate(passes=2))  # long enough for a server to catch up unseen
    scene.upgrade()
    assert scene.rolled() == {"a": 1, "b": 1}
