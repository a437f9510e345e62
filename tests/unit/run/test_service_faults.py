"""The service while a node is waited for: another dies, the node flaps or lags, nobody leads, nobody can be asked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, GateFailed, OthersFailed
from immtf.model.block import ConsulGate, Gate, MountedGate, TcpGate
from immtf.model.cloud import ImageChoice
from immtf.model.events import Event, GateAsked, NodeStarted, StepFinished
from immtf.run.others import DOWN_S, LOOK_S
from immtf.run.rollback import way_back
from immtf.run.upgrade import Upgrade, prepare
from tests.fakes.calls import Fault
from tests.fakes.service import FakeService
from tests.fakes.world import VERSIONS, Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView

LONG = 600.0


def patient(scene: Scene, *gates: Gate) -> Scene:
    """Give the scene gates that wait as long as the file's own defaults."""
    chosen = gates or (MountedGate(deadline_s=LONG), ConsulGate(deadline_s=LONG))
    cluster = dataclasses.replace(scene.block.clusters["server"], gates=chosen)
    scene.block = dataclasses.replace(scene.block, clusters={"server": cluster})
    return scene


def when_applied(scene: Scene, act: Callable[[str], None]) -> None:
    """Do something at the moment when the first node was applied, and once only."""

    def listen(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == "ApplyNode":
            scene.listener = lambda _event: None
            act(event.node.removeprefix("server/"))

    scene.listener = listen


def started(scene: Scene) -> list[str]:
    return [event.node.removeprefix("server/") for event in scene.events if isinstance(event, NodeStarted)]


def other_than(scene: Scene, key: str) -> str:
    return next(item for item in reversed(scene.sim.keys) if item != key)


def halted(scene: Scene) -> tuple[GateFailed, float]:
    """Upgrade until it halts; return the halt, and how long after the first apply that was."""
    applied: list[float] = []
    inner = scene.listener

    def listen(event: Event) -> None:
        applied.extend([scene.sim.clock.now] if isinstance(event, StepFinished) and event.step == "ApplyNode" else [])
        inner(event)
        scene.listener = listen

    scene.listener = listen
    with pytest.raises(GateFailed) as caught:
        scene.upgrade()
    scene.listener = lambda _event: None
    return caught.value, scene.sim.clock.now - applied[0]


def kill_other(scene: Scene) -> Callable[[str], None]:
    return lambda key: scene.sim.kill_server(other_than(scene, key))


def stop_other(scene: Scene) -> Callable[[str], None]:
    def stop(key: str) -> None:
        (item,) = scene.sim.live(other_than(scene, key))
        scene.sim.stop(item)

    return stop


@pytest.mark.parametrize("count", [3, 5])
def test_another_that_dies_meanwhile_halts_the_run_and_is_mended_first(count: int) -> None:
    """F32: long before the gate's own limit, and with the name of the one that has to be mended."""
    scene = patient(make_scene(count))
    when_applied(scene, kill_other(scene))
    error, after = halted(scene)
    (first,) = started(scene)
    other = other_than(scene, first)
    assert error.where == f"server/{first}"
    assert f"server/{other} is down: it does not answer (connection refused), for 60 s and more" in error.what
    assert f"mend server/{other} first" in error.next
    assert DOWN_S <= after < DOWN_S + 60
    assert sum(scene.rolled().values()) == 1

    scene.events.clear()
    assert scene.converge() == []
    assert started(scene)[0] == other
    assert scene.faults() == []


def test_the_node_that_was_waited_for_is_not_put_back_for_another_s_death() -> None:
    """F32, F35: its image may be as good as any; whoever rolled it back now would take it away beside the one that is down."""
    scene = patient(make_scene(3))
    when_applied(scene, kill_other(scene))
    executor = scene.executor()
    plan = prepare(executor.world, executor.patience, ImageChoice(scene.sim.wanted, "1.1.0"), VERSIONS)
    with pytest.raises(OthersFailed) as caught:
        Upgrade(executor).perform(plan)
    assert executor.attempt is not None
    assert way_back(executor, caught.value) is None


def test_another_whose_instance_stops_meanwhile_halts_the_run() -> None:
    """F32: it is away then, and the next run begins with it."""
    scene = patient(make_scene(3))
    when_applied(scene, stop_other(scene))
    error, _ = halted(scene)
    other = other_than(scene, started(scene)[0])
    assert f"server/{other} is down: its instance " in error.what
    scene.events.clear()
    assert scene.converge() == []
    assert started(scene)[0] == other
    assert scene.faults() == []


def test_the_others_are_looked_at_where_there_is_no_service_too() -> None:
    """F32: while the node's own gates don't hold; their instances are all that is known then."""
    scene = patient(make_scene(3), TcpGate(port=8500, deadline_s=LONG), MountedGate(deadline_s=LONG))
    scene.sim.images["ami-new"] = "never-joins"
    when_applied(scene, stop_other(scene))
    error, after = halted(scene)
    assert "is down: its instance " in error.what
    assert after < DOWN_S + 60


@pytest.mark.parametrize("down_s", [3.0, DOWN_S - 2 * LOOK_S])
def test_a_blip_of_another_is_waited_out(down_s: float) -> None:
    """F32: one blip is no death."""
    scene = patient(make_scene(3))

    def blink(key: str) -> None:
        other = other_than(scene, key)
        scene.sim.kill_server(other)
        scene.sim.clock.after(down_s, lambda: scene.sim.revive_server(other))

    when_applied(scene, blink)
    assert scene.converge() == []
    assert scene.faults() == []


def test_a_look_at_the_others_that_fails_says_nothing() -> None:
    """F34, F42: neither that they are well nor that they are down; the gate itself goes on asking."""
    scene = patient(make_scene(3))
    when_applied(scene, lambda _key: scene.sim.calls.faults.append(Fault(CloudFailed("throttled"), "service.view", times=60)))
    assert scene.converge() == []
    assert scene.faults() == []


def flapping(scene: Scene, times: int) -> Callable[[str], None]:
    """Let the node's server die and come back every few seconds, so often."""

    def flap(key: str) -> None:
        for turn in range(times):
            scene.sim.clock.after(6 + 10 * turn, lambda: scene.sim.kill_server(key))
            scene.sim.clock.after(8 + 10 * turn, lambda: scene.sim.revive_server(key))

    return flap


def test_a_node_that_flaps_is_not_taken_for_healthy_and_a_limit_ends_it() -> None:
    """F31: it passes three times in a row now and then, and never for long; the halt says how often it fell again."""
    gates = (MountedGate(deadline_s=120), ConsulGate(deadline_s=120, healthy_for_s=9, max_lag=9_999))
    scene = patient(make_scene(3), *gates)
    when_applied(scene, flapping(scene, 200))
    error, _ = halted(scene)
    passes = [event.passes for event in scene.events if isinstance(event, GateAsked) and event.gate == "consul" and event.held]
    assert max(passes[-30:]) == 2
    assert "and fell again" in error.what
    assert error.what.partition("it held ")[2].split()[0].isdigit()
    assert sum(scene.rolled().values()) == 1


def test_a_node_that_flaps_and_settles_is_waited_for() -> None:
    """F31: a flap starts the count again."""
    scene = patient(make_scene(3))
    when_applied(scene, flapping(scene, 8))
    assert scene.converge() == []
    assert scene.faults() == []


class LaggingService(FakeService):
    """Sees servers on the new image so far behind."""

    behind: int = 4_711

    def view(self, gate: ConsulGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        seen = super().view(gate, addresses)
        new = {item.address for item in self.sim.instances.values() if item.live and item.image == self.sim.wanted}
        late = tuple(dataclasses.replace(peer, lag=self.behind) if peer.address in new else peer for peer in seen.peers)
        return dataclasses.replace(seen, peers=late)


def upgrade_with(scene: Scene, service: FakeService) -> None:
    executor = scene.executor()
    executor.world.service = service
    plan = scene.plan()
    executor.world.survey(scene.terraform.plan().data)
    Upgrade(executor).perform(plan)


def test_a_node_that_stays_behind_is_waited_for_and_then_told_with_its_lag() -> None:
    """F30."""
    scene = make_scene(3)
    with pytest.raises(GateFailed, match=r"server/. is 4711 log entries behind \(not within 1\d\d s") as caught:
        upgrade_with(scene, LaggingService(scene.sim))
    assert caught.value.where == f"server/{started(scene)[0]}"
    assert sum(scene.rolled().values()) == 1


def test_a_node_that_catches_up_is_waited_for() -> None:
    """F30."""
    scene = make_scene(3)
    service = LaggingService(scene.sim)
    scene.sim.clock.after(90, lambda: setattr(service, "behind", 0))
    upgrade_with(scene, service)
    assert scene.faults() == []


def test_an_api_that_can_not_be_reached_is_never_taken_for_health() -> None:
    """F34: nobody is stopped while nothing is known."""
    scene = make_scene(3)
    plan = scene.plan()
    executor = scene.executor()
    executor.world.survey(scene.terraform.plan().data)
    scene.sim.calls.faults = [Fault(CloudFailed("the network is unreachable"), "service.view", nth=2, times=9_999)]
    with pytest.raises(GateFailed, match="could not be asked: the network is unreachable"):
        Upgrade(executor).perform(plan)
    assert scene.sim.taken == []


def test_no_leader_while_a_node_is_away_halts_the_run() -> None:
    """F34: of three only one is left that answers; nothing is known of health, and no further node is touched."""
    scene = patient(make_scene(3))

    def kill_all(_key: str) -> None:
        for key in scene.sim.keys:
            scene.sim.kill_server(key)

    when_applied(scene, kill_all)
    error, _ = halted(scene)
    assert error.what.count("is down: it does not answer") == 2
    assert sum(scene.rolled().values()) == 1
