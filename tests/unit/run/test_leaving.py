"""Strategy `swap` where a server's address stays behind: it leaves before its instance is stopped, and joins again where it is then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, GateFailed, ImmtfError, Interrupted
from immtf.model.events import NodeFinished, NodeStarted, Noted, StepStarted, StepWaited
from immtf.run.leaving import OUT_S
from tests.fakes.calls import Crash, Fault
from tests.fakes.service import FakeService
from tests.fakes.slots import make_slotted
from tests.fakes.watch import Watch

if TYPE_CHECKING:
    from immtf.model.events import Event
    from tests.fakes.world import Scene


def addressless(count: int = 3, *, leader: int = 0) -> Scene:
    scene = make_slotted(count, leader=leader, addressed=False)
    Watch(scene)
    return scene


def left(scene: Scene) -> list[str]:
    """Return who left, in order."""
    return [event.node for event in scene.events if isinstance(event, StepStarted) and "leaves" in event.what]


@pytest.mark.parametrize(("count", "leader"), [(3, 0), (3, 2), (5, 1)])
def test_each_server_leaves_before_it_is_stopped_and_votes_again_where_it_is_then(count: int, leader: int) -> None:
    scene = addressless(count, leader=leader)
    before = {seat.identity: address for address, seat in scene.sim.raft.seats.items()}
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == dict.fromkeys("abcdefg"[:count], 1)
    after = {seat.identity: address for address, seat in scene.sim.raft.seats.items()}
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    started = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert left(scene) == started
    assert started[-1] == f"server/{'abcdefg'[leader]}"
    calls = [name for name in scene.sim.calls.log if name in {"service.leave", "cloud.stop"}]
    assert calls == ["service.leave", "cloud.stop"] * count


def test_a_server_with_an_interface_of_its_own_never_leaves() -> None:
    scene = make_slotted()
    Watch(scene)
    scene.upgrade()
    assert scene.sim.calls.count("service.leave") == 0
    assert left(scene) == []


def test_a_server_that_may_not_leave_serves_on() -> None:
    scene = addressless()
    scene.sim.calls.faults = [Fault(CloudFailed("Permission denied"), "service.leave")]
    with pytest.raises(CloudFailed, match="Permission denied"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0
    assert all(scene.sim.healthy(key) for key in "abc")


def test_a_server_that_is_still_counted_is_not_stopped() -> None:
    class Deaf(FakeService):
        def leave(self, gate: object, address: str) -> str:  # noqa: ARG002 - it says that it did
            return f"{address} left the cluster"

    scene = addressless()
    scene.service = Deaf
    with pytest.raises(GateFailed, match=f"still in the cluster after {OUT_S:.0f} s"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0
    assert all(scene.sim.healthy(key) for key in "abc")


def test_a_server_that_is_dead_is_told_and_moved_as_it_is() -> None:
    scene = addressless()
    scene.sim.kill_server("b")
    scene.sim.clock.sleep(30)
    scene.upgrade()
    assert scene.faults() == []
    assert "server/b" not in left(scene)
    assert [event for event in scene.events if isinstance(event, Noted) and "can't leave" in event.message]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["service.leave", "cloud.stop", "cloud.detach", "cloud.attach", "terraform.apply"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_there_the_next_run_finishes(call: str, when: str, nth: int) -> None:
    scene = addressless()
    scene.sim.calls.faults = [Fault(Crash(), call, nth, when)]  # type: ignore[arg-type]
    scene.converge()
    assert scene.faults() == []
    assert scene.rolled() == dict.fromkeys("abc", 1)
    assert len(scene.sim.raft.seats) == 3


def test_with_the_old_image_wanted_again_the_server_goes_back_in_the_same_way() -> None:
    scene = addressless()
    scene.sim.calls.faults = [Fault(Crash(), "cloud.attach", 1, "after")]
    with pytest.raises((Crash, ImmtfError)):
        scene.upgrade()
    scene.sim.calls.faults = []
    scene.sim.wanted = "ami-old"
    scene.converge()
    assert {item.image for key in "abc" for item in scene.sim.live(key)} == {"ami-old"}
    assert len(scene.sim.raft.seats) == 3


@pytest.mark.parametrize("supervised", [True, False])
def test_a_server_that_is_not_to_be_stopped_never_leaves(supervised: bool) -> None:
    """A run ended with the new instance beside the old one, and the old image is wanted again: the idle one goes, and nobody else."""
    scene = addressless()
    scene.sim.calls.faults = [Fault(Crash(), "service.leave")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    scene.sim.calls.log.clear()
    scene.sim.times.restart = 2.0 if supervised else 1e9
    scene.sim.wanted = "ami-old"
    assert scene.converge() == []
    assert scene.sim.calls.count("service.leave") == 0
    assert scene.faults() == []


def test_a_wish_to_end_after_a_server_left_waits_until_it_is_back() -> None:
    scene = addressless()
    scene.sim.calls.faults = [Fault(CloudFailed("throttled", code="RequestLimitExceeded"), "cloud.stop")]

    def ask(event: Event) -> None:
        scene.cancel.asked = scene.cancel.asked or isinstance(event, StepWaited)

    scene.listener = ask
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert all(scene.sim.healthy(key) for key in "abc")
    assert [event.node for event in scene.events if isinstance(event, NodeFinished)] == ["server/b"]
