"""What may befall a run: calls that are refused, answers that are old, and a world that moves by itself or by hand.

Everything here happens to a `Scene` and ends by itself after a while, but for what was done by hand: `tests.fakes.person` mends that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from immtf.errors import CloudFailed, GuestFailed, ImmtfError, StalePlan, TerraformFailed
from tests.fakes.calls import Crash, Fault
from tests.fakes.cloud import FakeCloud
from tests.fakes.raft import Seat
from tests.fakes.simulation import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from immtf.model.cloud import Instance, Volume
    from tests.fakes.world import Scene

T = TypeVar("T")

DOWN_S = 90.0
FLAP_S = 4.0
LAG_S = 25.0
STUCK_S = 400.0
STALE_S = 10.0
GHOST = "10.9.9.9"

CALLS: Mapping[str, int] = {
    "*": 400,
    "cloud.*": 280,
    "[ct]*": 300,
    "cloud.stop": 3,
    "cloud.start": 1,
    "cloud.detach": 3,
    "terraform.*": 22,
    "terraform.plan": 12,
    "terraform.apply": 5,
    "terraform.state": 6,
    "part.*": 9,
    "part.create:*": 3,
    "part.attach:*": 3,
    "part.terminate:*": 3,
    "ready:*": 3,
    "service.*": 40,
    "service.hand_over": 1,
    "guest.*": 30,
}
"""Names of calls, and about how many of them a run over three nodes makes."""

REFUSALS: Mapping[str, tuple[str, ImmtfError]] = {
    "throttled": ("cloud.*", CloudFailed("Request limit exceeded.", code="RequestLimitExceeded")),
    "credentials expired": ("[ct]*", CloudFailed("the token expired", code="ExpiredToken")),
    "stop between states": ("cloud.stop", CloudFailed("it is pending", code="IncorrectInstanceState")),
    "start between states": ("cloud.start", CloudFailed("it is stopping", code="IncorrectInstanceState")),
    "detach between states": ("cloud.detach", CloudFailed("it is attaching", code="IncorrectState")),
    "the plan fails": ("terraform.plan", TerraformFailed("exit code 1")),
    "the state moved": ("terraform.apply", StalePlan("Saved plan is stale")),
    "the state is locked": ("terraform.*", TerraformFailed("Error acquiring the state lock")),
    "no capacity": ("part.create:*", TerraformFailed("no capacity", code="InsufficientInstanceCapacity")),
    "address in use": ("part.create:*", TerraformFailed("address in use", code="InvalidIPAddress.InUse")),
    "left unfinished": ("ready:*", TerraformFailed("timeout while waiting for the instance")),
    "volume in use": ("part.attach:*", TerraformFailed("volume in use", code="VolumeInUse")),
    "no end of the old": ("part.terminate:*", TerraformFailed("timeout while waiting for state to become 'terminated'")),
    "the service is silent": ("service.*", CloudFailed("connection refused")),
    "the guest is silent": ("guest.*", GuestFailed("no agent that answers")),
}


def nth(name: str, part: float) -> int:
    """Return which call of this name comes when this part (0 to 1) of a run is over."""
    return 1 + int(part * (CALLS[name] - 1))


def refusal(what: str, part: float, times: int) -> Fault:
    """Return a call's refusal, before its effect, so many times, from this part of the run on."""
    name, error = REFUSALS[what]
    return Fault(error, name, nth(name, part), "before", times)


def kill(name: str, part: float, *, late: bool) -> Fault:
    """Return a kill at a call of this name, at this part of the run; `late` is after its effect."""
    return Fault(Crash(name), name, nth(name, part), "after" if late else "before")


@dataclass
class Memory(Generic[T]):
    """What a cloud has shown of its things, and when."""

    seen: dict[str, list[tuple[float, T]]] = field(default_factory=dict)

    def answer(self, present: Mapping[str, T], now: float, *, stale: bool) -> Mapping[str, T]:
        """Return what there is, or where `stale` what was shown before, where that was true a moment ago."""
        given = {}
        for key, value in present.items():
            before = [(at, old) for at, old in self.seen.get(key, []) if now - at <= STALE_S]
            older = [old for _, old in before if old != value]
            given[key] = older[-1] if older and stale else value
            self.seen[key] = [*before, (now, value)]
        return given


@dataclass
class StaleCloud(FakeCloud):
    """A cloud whose answers may be old: each count in `stale` is of the reads until one is answered as it was before."""

    stale: list[int] = field(default_factory=list)
    machines: Memory[Instance] = field(default_factory=Memory)
    disks: Memory[Volume] = field(default_factory=Memory)

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        return self.machines.answer(super().instances(ids), self.sim.clock.now, stale=self._is_stale())

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        return self.disks.answer(super().volumes(ids), self.sim.clock.now, stale=self._is_stale())

    def _is_stale(self) -> bool:
        self.stale = [count - 1 for count in self.stale if count > 0]
        return 0 in self.stale


def _die(scene: Scene, key: str) -> None:
    """Let a server die, and come back after a while."""
    scene.sim.kill_server(key)
    scene.sim.clock.after(DOWN_S, lambda: scene.sim.revive_server(key))


def _flap(scene: Scene, key: str) -> None:
    """Let a server die and come back, three times."""
    clock = scene.sim.clock
    for turn in range(3):
        clock.after(2 * turn * FLAP_S, lambda: scene.sim.kill_server(key))
        clock.after((2 * turn + 1) * FLAP_S, lambda: scene.sim.revive_server(key))


def _lag(scene: Scene, key: str) -> None:
    """Let a server fall behind; it catches up."""
    seat = scene.sim.raft.seats.get(scene.sim.address(key))
    if seat is not None and seat.since is not None and scene.sim.raft.leader != seat.address:
        seat.since = scene.sim.clock.now + LAG_S


def _lead(scene: Scene, key: str) -> None:
    """Let this server lead from now on."""
    if scene.sim.raft.healthy(scene.sim.address(key)):
        scene.sim.raft.hand_over(scene.sim.address(key))


def _ghost(scene: Scene, _key: str) -> None:
    """Leave a peer in the configuration that is nobody's, until somebody removes it."""
    seats = scene.sim.raft.seats
    seats[GHOST] = Seat("ghost", GHOST)

    def remove() -> None:
        seats.pop(GHOST, None)

    scene.sim.clock.after(DOWN_S, remove)


def _stick(scene: Scene, key: str) -> None:
    """Let a node's volume stay `detaching`, for a while."""
    volume = scene.first[key][0]
    scene.sim.stuck.add(volume)
    scene.sim.clock.after(STUCK_S, lambda: scene.sim.stuck.discard(volume))


def _stop(scene: Scene, key: str) -> None:
    for item in scene.sim.live(key):
        if item.state == "running":
            scene.sim.stop(item)


def _terminate(scene: Scene, key: str) -> None:
    for item in scene.sim.live(key):
        scene.sim.terminate(item)


def _taint(scene: Scene, key: str) -> None:
    address = scene.terraform.planner.address(INSTANCE, key)
    if address in scene.sim.state:
        scene.sim.state[address] = replace(scene.sim.state[address], tainted=True)
        scene.sim.serial += 1


MOVES: Mapping[str, Callable[[Scene, str], None]] = {
    "a server dies": _die,
    "a server flaps": _flap,
    "a server lags": _lag,
    "the leader moves": _lead,
    "a stale peer": _ghost,
    "a volume sticks": _stick,
}
BY_HAND: Mapping[str, Callable[[Scene, str], None]] = {"stopped": _stop, "terminated": _terminate, "tainted": _taint}
