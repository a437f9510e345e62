"""Moves, the hand-over and the account of time, where the whole runs do not reach."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import StepWaited
from immtf.run.custody import mark_volumes
from immtf.run.handover import hand_over
from immtf.run.ledger import Ledger
from immtf.run.moves import Limits, Moves
from tests.fakes.builders import A, B
from tests.fakes.calls import Fault
from tests.fakes.simulation import MOUNT
from tests.fakes.world import FLAWS, Scene, make_scene


def moves(scene: Scene, ledger: Ledger | None = None) -> Moves:
    world = scene.world()
    world.survey()
    return Moves(world, scene.patience(), ledger or Ledger(0.0))


def test_pauses_grow_to_a_limit() -> None:
    pauses = Limits(first_poll_s=1.0, longest_poll_s=2.0).polls()
    assert [round(next(pauses), 2) for _ in range(5)] == [1.0, 1.4, 1.96, 2.0, 2.0]


def test_a_stop_is_seen_and_then_believed() -> None:
    scene = make_scene(3)
    ledger = Ledger(0.0)
    evidence, acted = moves(scene, ledger).stop(B)
    assert acted
    assert evidence.endswith("is stopped")
    assert "server/b" in ledger.gone_since
    assert ledger.servers_s >= scene.sim.times.stop
    assert moves(scene).stop(B)[1] is False


def test_a_start_is_seen_and_then_believed() -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    evidence, acted = moves(scene).start(B)
    assert acted
    assert evidence.endswith("is running")
    assert moves(scene).start(B)[1] is False


def test_a_start_of_what_is_gone_is_for_a_person() -> None:
    scene = make_scene(3)
    FLAWS["terminated"](scene, "b")
    with pytest.raises(PersonNeeded, match="there is no instance to start"):
        moves(scene).start(B)


def test_a_detach_is_seen_twice() -> None:
    """F14: an API was seen to say `available` and then `detaching` again."""
    scene = make_scene(3)
    FLAWS["detached"](scene, "b")
    before = scene.sim.calls.count("cloud.volumes")
    assert moves(scene).detach(B)[1] is False
    assert scene.sim.calls.count("cloud.volumes") - before == 2


def test_a_volume_that_flips_back_is_waited_for_again() -> None:
    """F14."""
    scene = make_scene(3)
    FLAWS["detached"](scene, "b")
    volume = scene.sim.volumes[scene.first["b"][0]]
    owner = scene.sim.live("b")[0].instance_id

    def flip() -> None:
        volume.owner, volume.tie = owner, "detaching"
        scene.sim.clock.after(5, free)

    def free() -> None:
        volume.owner = volume.tie = ""

    scene.sim.clock.after(0.1, flip)
    moves(scene).detach(B)
    assert any(isinstance(event, StepWaited) and "detaching" in event.reason for event in scene.events)


def test_an_old_instance_that_takes_an_hour_to_go_halts_the_run() -> None:
    """F15."""
    scene = make_scene(3)
    scene.sim.times.terminate = 3_600
    (item,) = scene.sim.live("b")
    scene.sim.terminate(item)
    with pytest.raises(PersonNeeded, match="is shutting-down, for 9"):
        moves(scene).stop(B)


@pytest.mark.parametrize("code", ["IncorrectState", "IncorrectInstanceState"])
def test_a_detach_refused_for_being_in_between_is_asked_again(code: str) -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    scene.sim.calls.faults = [Fault(CloudFailed("busy", code=code), "cloud.detach")]
    assert moves(scene).detach(B)[1] is True


def hand(scene: Scene) -> tuple[str, bool]:
    world = scene.world()
    world.survey()
    return hand_over(world, A, scene.patience())


def test_leadership_goes_to_a_healthy_voter() -> None:
    scene = make_scene(3)
    told, done = hand(scene)
    assert done
    assert told == "10.0.0.11 handed over to 10.0.1.12"
    assert hand(scene) == ("server/b leads", False)


def test_nobody_to_hand_over_to_is_no_obstacle() -> None:
    scene = make_scene(3)
    scene.sim.raft.hand_over(scene.sim.address("a"))  # a leader that has heard from nobody yet
    assert hand(scene) == ("no healthy voter to hand over to", False)


def test_no_leader_is_told() -> None:
    scene = make_scene(3)
    for key in "ab":
        scene.sim.kill_server(key)
    assert hand(scene) == ("nobody known leads", False)


def test_a_service_that_can_not_hand_over_elects_anew() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("not supported"), "service.hand_over")]
    told, done = hand(scene)
    assert not done
    assert "not supported" in told
    scene.upgrade()
    assert scene.faults() == []


def test_a_leader_that_stays_is_told_after_a_while() -> None:
    scene = make_scene(3)
    world = scene.world()
    world.survey()
    world.service.hand_over = lambda gate, leader, to: f"asked {leader} for {to} at {gate.port}"  # type: ignore[method-assign]  # a deaf leader
    told, done = hand_over(world, A, scene.patience())
    assert not done
    assert told.endswith("; it leads still")


def test_a_cluster_without_a_service_has_nothing_to_hand_over() -> None:
    scene = make_scene(3)
    cluster = scene.block.clusters["server"]
    scene.block = type(scene.block)(**{**vars(scene.block), "clusters": {"server": type(cluster)(**{**vars(cluster), "gates": ()})}})
    assert hand(scene) == ("no service that could be asked who leads", False)


def test_the_ledger_counts_the_first_moment_and_adds_up() -> None:
    ledger = Ledger(0.0)
    ledger.gone("server/a", 10.0)
    ledger.gone("server/a", 12.0)
    assert ledger.back("server/a", 15.0) == 5.0
    assert ledger.back("server/a", 99.0) == 0.0
    ledger.gone("server/a", 20.0)
    assert ledger.back("server/a", 21.5) == 6.5
    assert ledger.away_s == {"server/a": 6.5}


def test_a_mark_that_is_not_there_after_it_was_written_is_for_a_person() -> None:
    scene = make_scene(3, marked=False)
    world = scene.world()
    world.survey()
    scene.sim.clock.after(0, lambda: None)
    world.guest = Amnesiac(world.guest)
    with pytest.raises(PersonNeeded, match="the mark was written and is not there"):
        mark_volumes(world, B, scene.patience(), wait=False)


class Amnesiac:
    """A guest that says that it wrote a mark, and did not."""

    def __init__(self, guest: object) -> None:
        self.guest = guest

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        if MOUNT in script and "\nmv " in script:
            return 0, "", ""
        return self.guest.run(instance_id, script, timeout_s=timeout_s)  # type: ignore[attr-defined,no-any-return]  # the guest it stands before
