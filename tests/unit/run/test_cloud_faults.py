"""Faults of the cloud while a node is moved, call by call: what passes is waited out, what doesn't is told, nothing is forced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, CredentialsRefused, ExitCode, ImmtfError, PersonNeeded
from immtf.model.events import StepFinished, StepStarted, StepWaited
from immtf.plan.decide import Done, Wait
from immtf.run.ledger import Ledger
from immtf.run.moves import Limits, Moves
from tests.fakes.builders import B
from tests.fakes.calls import Fault
from tests.fakes.cloud import FakeCloud
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.events import Event

THROTTLED = CloudFailed("DescribeInstances: RequestLimitExceeded", code="RequestLimitExceeded")
EXPIRED = CredentialsRefused("the credentials expired or are not good: ExpiredToken", code="ExpiredToken", next="renew the credentials")


def moves(scene: Scene, limits: Limits | None = None) -> Moves:
    world = scene.world()
    world.survey()
    return Moves(world, scene.patience(), Ledger(0.0), limits or Limits())


@dataclass
class Contested(FakeCloud):
    """A cloud in which somebody else acts on an instance between our look and our stop."""

    interfere: Callable[[], None]

    def stop(self, instance_id: str) -> None:
        self.interfere()
        raise CloudFailed(f"{instance_id} is not in a state from which it can be stopped", code="IncorrectInstanceState")


def changes(scene: Scene) -> list[str]:
    """Return the calls that change something in the cloud."""
    return [name for name in scene.sim.calls.log if name.startswith(("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply"))]


def after(step: str, act: Callable[[], None]) -> Callable[[Event], None]:
    """Return a listener that acts when server/b has finished a step."""
    return lambda event: act() if isinstance(event, StepFinished) and (event.node, event.step) == ("server/b", step) else None


@pytest.mark.parametrize("call", ["cloud.instances", "cloud.volumes", "cloud.stop", "cloud.detach"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_throttling_in_a_move_is_waited_out(call: str, when: str) -> None:
    """F42: whether the call was refused or only its answer was lost: it is looked at again, and the move goes on."""
    scene = make_scene(3)

    def throttle(event: Event) -> None:
        if isinstance(event, StepStarted) and event.step in {"StopNode", "DetachVolumes"} and event.node == "server/b":
            scene.sim.calls.faults.append(Fault(THROTTLED, call, when=when, times=3))  # type: ignore[arg-type]  # one of the two words
            scene.listener = lambda _event: None

    scene.listener = throttle
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}


def test_throttling_without_end_is_for_a_person_after_the_limit() -> None:
    """F42: said as throttling, never read as an instance that isn't there; nothing was changed on the strength of it."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(THROTTLED, "cloud.instances", times=10_000)]
    with pytest.raises(PersonNeeded, match=r"the cloud does not tell: .*RequestLimitExceeded, for 6. s now"):
        moves(scene, Limits.of(60.0)).stop(B)
    assert changes(scene) == []
    assert len([event for event in scene.events if isinstance(event, StepWaited)]) > 20


def test_throttling_before_the_first_node_touches_nothing() -> None:
    """F42."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(THROTTLED, "cloud.instances", times=10_000)]
    with pytest.raises(ImmtfError, match="RequestLimitExceeded"):
        scene.upgrade()
    assert changes(scene) == []


@pytest.mark.parametrize("nth", range(1, 40, 3))
def test_credentials_that_expire_anywhere_end_the_run_between_two_calls(nth: int) -> None:
    """F41: exit 24 at once, no gate waits for it; with new ones the next run finishes."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(EXPIRED, "cloud.*", nth=nth, times=10_000)]
    before = scene.sim.clock.now
    with pytest.raises(CredentialsRefused) as caught:
        scene.upgrade()
    assert caught.value.exit_code is ExitCode.PERSON_NEEDED
    assert "renew the credentials" in caught.value.next
    assert scene.sim.calls.log[-1].startswith("cloud."), "nothing is called after the call that was refused"
    assert scene.sim.clock.now - before < 600
    scene.sim.calls.faults.clear()
    assert scene.converge() == []
    assert scene.faults() == []
    assert max(scene.rolled().values()) == 1


def test_another_refusal_in_a_move_is_raised_at_once() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("not allowed", code="UnauthorizedOperation"), "cloud.stop")]
    with pytest.raises(CloudFailed, match="not allowed"):
        moves(scene).stop(B)
    scene.sim.calls.faults = [Fault(CloudFailed("not allowed", code="UnauthorizedOperation"), "cloud.instances")]
    with pytest.raises(CloudFailed, match="not allowed"):
        moves(scene).stop(B)


def test_detaching_for_ever_is_for_a_person_with_the_evidence() -> None:
    """F13: half an hour, never by force; once it is through, the next run finishes this node."""
    scene = make_scene(3)
    volume = scene.sim.volumes[scene.first["b"][0]]
    scene.sim.times.move = 1800
    with pytest.raises(PersonNeeded, match=rf"{volume.volume_id} is detaching to i-.*, which is stopped, for 9.. s now") as caught:
        scene.upgrade()
    assert "never detach by force" in caught.value.next
    assert scene.rolled() == {"a": 0, "b": 0, "c": 0}
    assert scene.sim.calls.count("cloud.detach") == 1
    scene.sim.times.move = 2
    scene.sim.clock.sleep(1800)
    assert scene.converge() == []
    assert scene.faults() == []


def test_the_limit_of_a_move_can_be_set() -> None:
    """F13."""
    assert Limits.of(5.0) == Limits(move_s=5.0, apply_pauses_s=(5.0, 5.0))
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    scene.sim.times.move = 1800
    before = scene.sim.clock.now
    with pytest.raises(PersonNeeded, match="is detaching"):
        moves(scene, Limits.of(5.0)).detach(B)
    assert scene.sim.clock.now - before < 15


def test_an_instance_terminated_by_hand_before_the_detach_counts_as_stopped() -> None:
    """F16: between the stop and the detach somebody terminates it; the run goes on with the volume that came loose."""
    scene = make_scene(3)
    scene.listener = after("StopNode", lambda: scene.sim.terminate(scene.sim.live("b")[0]))
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    assert any(isinstance(event, StepWaited) and "which is shutting-down" in event.reason for event in scene.events)


@pytest.mark.parametrize("flaw", ["stopping", "stopped"])
def test_a_stop_refused_for_being_in_between_waits_for_a_stable_state(flaw: str) -> None:
    """F17: somebody else stops it between our look and our call; the call is refused, and the look after it decides."""
    scene = make_scene(3)

    world = scene.world()
    world.survey()
    world.cloud = Contested(scene.sim, lambda: FLAWS[flaw](scene, "b"))
    evidence, acted = Moves(world, scene.patience(), Ledger(0.0)).stop(B)
    assert acted
    assert evidence.endswith("is stopped")


def test_a_pending_instance_is_stopped_only_when_it_runs() -> None:
    """F17."""
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    (item,) = scene.sim.live("b")
    scene.sim.start(item)
    evidence, acted = moves(scene).stop(B)
    assert acted
    assert evidence.endswith("is stopped")
    assert any(isinstance(event, StepWaited) and event.reason.endswith("is pending") for event in scene.events)


def test_a_stale_look_does_not_halt_a_move() -> None:
    """The API says once more that the instance runs; a halt is believed only when it lasts."""
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    (item,) = scene.sim.live("b")
    item.state = "running"
    scene.sim.clock.after(2.0, lambda: setattr(item, "state", "stopped"))
    evidence, _ = moves(scene).detach(B)
    assert evidence.endswith("is available")


def test_a_halt_that_lasts_is_believed() -> None:
    """F18."""
    scene = make_scene(3)
    before = scene.sim.clock.now
    with pytest.raises(PersonNeeded, match="which runs"):
        moves(scene).detach(B)
    assert 5.0 <= scene.sim.clock.now - before < 10.0
    assert scene.sim.calls.count("cloud.detach") == 0


def test_two_equal_looks_are_needed_in_a_row() -> None:
    """F14: `available`, `detaching`, `available`, `available`."""
    scene = make_scene(3)
    wait, done = Wait("vol-b is detaching"), Done("free")
    answers = iter([done, wait, done, done])
    evidence, acted = moves(scene).converge(B, "DetachVolumes", lambda _now: next(answers), lambda _now: None, confirmations=2)
    assert (evidence, acted) == ("free", False)
    assert next(answers, None) is None
