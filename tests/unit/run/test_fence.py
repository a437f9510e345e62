"""The fence: a run that has lost its lease makes no further changing call, looks all the same, and ends with 23."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from immtf.app.closing import run_to_end
from immtf.errors import LeaseLost
from immtf.model.cloud import ImageChoice
from immtf.model.events import StepStarted
from immtf.plan.lease import lease_text
from immtf.run import ports
from immtf.run.executor import Executor
from immtf.run.fence import FencedCloud, FencedService, FencedTerraform, unguarded
from immtf.run.ledger import Ledger
from immtf.run.upgrade import Upgrade, prepare
from immtf.run.world import World
from tests.fakes.bucket import FakeBucket
from tests.fakes.cloud import TAGS, FakeCloud
from tests.fakes.guest import FakeGuest
from tests.fakes.leases import Machine, make_record
from tests.fakes.service import FakeKnock, FakeService
from tests.fakes.session import make_session
from tests.fakes.world import FLAWS, VERSIONS, Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGING = {
    FencedTerraform: {"apply", "adopt", "forget", "untaint"},
    FencedCloud: {"stop", "start", "detach", "attach", "attach_interface", "detach_interface", "snapshot", "delete_snapshot"},
    FencedService: {"hand_over", "leave", "remove_peer"},
}
PORTS = {FencedTerraform: ports.Terraform, FencedCloud: ports.Cloud, FencedService: ports.Service}
CHANGES = ("terraform.apply", "terraform.adopt", "terraform.forget", "terraform.untaint", "guest.mark", "service.hand_over")
ALL_CHANGES = (
    *CHANGES,
    "cloud.stop",
    "cloud.start",
    "cloud.detach",
    "cloud.attach",
    "cloud.attach_interface",
    "cloud.detach_interface",
    "cloud.snapshot",
    "cloud.delete_snapshot",
)


class Recorder:
    """Stands in for any port: takes down which method was called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        return lambda *_arguments, **_named: self.called.append(name)


def lost() -> None:
    raise LeaseLost("the lease was lost: planted")


def methods(fence: type) -> dict[str, int]:
    """Return the methods of a port, with how many arguments each wants."""
    found = inspect.getmembers(PORTS[fence], inspect.isfunction)
    needed = {name: inspect.signature(function).parameters.values() for name, function in found if not name.startswith("_")}
    return {
        name: sum(item.default is item.empty and item.kind is item.POSITIONAL_OR_KEYWORD for item in of) - 1 for name, of in needed.items()
    }


@pytest.mark.parametrize("fence", CHANGING)
def test_every_method_of_a_port_is_let_through_or_asks_first(fence: Any) -> None:
    """F12: a port's new method has to be put in front of the fence or behind it."""
    for name, count in methods(fence).items():
        inner = Recorder()
        getattr(fence(inner, unguarded), name)(*["x"] * count)
        assert inner.called == [name]
        inner.called.clear()
        if name in CHANGING[fence]:
            with pytest.raises(LeaseLost):
                getattr(fence(inner, lost), name)(*["x"] * count)
            assert inner.called == []
        else:
            getattr(fence(inner, lost), name)(*["x"] * count)
            assert inner.called == [name], "looking is free"
    assert CHANGING[fence] <= set(methods(fence))


def fenced(scene: Scene, guard: Callable[[], None]) -> World:
    """Return the scene's world behind a fence."""
    sim = scene.sim
    cloud, service = FencedCloud(FakeCloud(sim), guard), FencedService(FakeService(sim), guard)
    terraform = FencedTerraform(scene.terraform, guard)
    return World(scene.block, terraform, cloud, FakeGuest(sim), service, FakeKnock(sim), tags=TAGS, guard=guard)


def changes(scene: Scene) -> list[str]:
    """Return the changing calls so far, in their order; what an apply is made of is under way with it, and isn't ended."""
    return [name for name in scene.sim.calls.log if name in ALL_CHANGES]


def upgrade(scene: Scene, guard: Callable[[], None]) -> None:
    """Be one process that upgrades behind a fence; what an earlier one left unmarked is accepted by name, as a person does."""
    executor = Executor(fenced(scene, guard), scene.patience(), Ledger(scene.sim.clock.now))
    executor.world.accepted = frozenset(f"server/{key}" for key in scene.sim.keys)
    Upgrade(executor).perform(prepare(executor.world, executor.patience, ImageChoice(scene.sim.wanted, "1.1.0"), VERSIONS))


def how_many(scene: Scene) -> int:
    """Return how often a whole upgrade of such a scene asks the fence."""
    asked: list[int] = []
    upgrade(scene, lambda: asked.append(1))
    assert scene.faults() == []
    return len(asked)


@pytest.mark.parametrize("marked", [True, False])
def test_wherever_the_lease_is_lost_no_change_is_made_after_it(marked: bool) -> None:
    """F12: between any two changing calls of an upgrade; and the next run, with a lease of its own, finishes."""
    for last in range(how_many(make_scene(3, marked=marked))):
        scene = make_scene(3, marked=marked)
        left = [last]
        seen: list[int] = []

        def guard(left: list[int] = left, seen: list[int] = seen, scene: Scene = scene) -> None:
            if not left[0]:
                seen.append(len(changes(scene)))
                lost()
            left[0] -= 1

        with pytest.raises(LeaseLost):
            upgrade(scene, guard)
        assert len(seen) == 1, "it was not even tried again"
        assert len(changes(scene)) == seen[0], "a change was made without the lease"
        upgrade(scene, unguarded)
        assert scene.faults() == []


@pytest.mark.parametrize("flaw", ["stopped at target", "detached at target"])
def test_a_start_asks_too(flaw: str) -> None:
    """F12."""
    scene = make_scene(3)
    FLAWS[flaw](scene, "b")
    with pytest.raises(LeaseLost):
        upgrade(scene, lost)
    assert changes(scene) == []


def test_a_run_whose_lease_is_taken_over_ends_with_23_and_says_by_whom() -> None:
    """F12: the whole command on the simulation; its lease is stolen from it when the first node is away."""
    scene, bucket = make_scene(3), FakeBucket()
    machine = Machine(bucket, "mine", time=scene.sim.clock)
    lease = machine.take()
    machine.renewing(lease)
    session = make_session(scene)
    stolen = make_record("theirs", generation=2)

    def steal(event: object) -> None:
        if isinstance(event, StepStarted) and event.step == "DetachVolumes":
            bucket.body = lease_text(stolen)

    scene.listener = steal

    def body() -> Any:
        upgrade(scene, lease.confirm)

    assert run_to_end(session, "upgrade", body) == 23
    assert "taken over (fence 2) by run theirs (upgrade) of eve@theirs-host" in session.halted.what
    assert session.halted.exit_code == 23
    assert changes(scene)[-1] == "cloud.stop", "the node stays stopped: nothing more was done"
    assert len(scene.sim.taken) == 1
    upgrade(scene, unguarded)
    assert scene.faults() == []
