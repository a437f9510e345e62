"""The sweep on a simulated environment: what no state knows of goes, instances before volumes, each told; everything else stays."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, Interrupted, LeaseLost, PersonNeeded
from immtf.model.events import Noted, StepWaited
from immtf.run.fence import unguarded
from immtf.run.sweep import LIMIT_S, Sweep
from tests.fakes.calls import Fault
from tests.fakes.disks import SimSnapshot
from tests.fakes.sweeper import FakeSweeper
from tests.fakes.world import Scene, make_scene

TAGS = {"immtf:block": "consul", "immtf:environment": "t-0123abcd"}
PRODUCTION = {"immtf:block": "consul", "immtf:environment": "production"}


def doomed() -> tuple[Scene, FakeSweeper, Sweep]:
    """Return three nodes with their volumes, of which no state knows."""
    scene = make_scene(3)
    scene.sim.doomed = True
    sweeper = FakeSweeper(scene.sim, TAGS)
    return scene, sweeper, Sweep(sweeper, TAGS, scene.patience(), unguarded)


def swept(scene: Scene) -> list[str]:
    return [event.message.split()[2] for event in scene.events if isinstance(event, Noted) and event.message.startswith("swept: ")]


def test_instances_go_then_their_volumes_each_told_once() -> None:
    """F43."""
    scene, _, sweep = doomed()
    instances, volumes = sorted(scene.sim.instances), sorted(scene.sim.volumes)
    sweep.everything()
    assert {item.state for item in scene.sim.instances.values()} == {"terminated"}
    assert scene.sim.volumes == {}
    assert swept(scene) == [*instances, *volumes]
    assert scene.sim.calls.count("sweeper.remove.instance") == 3
    assert any(isinstance(event, StepWaited) for event in scene.events)


def snapshot_of(scene: Scene, name: str, **tags: str) -> None:
    scene.sim.snapshots[name] = SimSnapshot(name, "vol-x", 0.0, "fs", {**TAGS, **tags}, state="completed")


def test_the_test_s_own_snapshots_go_last_and_no_other() -> None:
    """F43: nothing else takes them away, for with the environment its nodes are gone."""
    scene, _, sweep = doomed()
    snapshot_of(scene, "snap-1", **{"immtf:run": "r1"})
    snapshot_of(scene, "snap-by-hand")
    snapshot_of(scene, "snap-elsewhere", **{"immtf:run": "r1", **PRODUCTION})
    scene.sim.calls.faults = [Fault(CloudFailed("just now", code="InvalidSnapshot.NotFound"), "sweeper.remove.snapshot")]
    sweep.everything()
    assert sorted(scene.sim.snapshots) == ["snap-by-hand", "snap-elsewhere"]
    assert swept(scene)[-1] == "snap-1"


def test_what_is_kept_and_what_bears_other_tags_stays() -> None:
    """F43: never anything whose tags aren't these very ones."""
    scene, sweeper, sweep = doomed()
    first, second, third = sorted(scene.sim.instances)
    sweeper.otherwise = {second: PRODUCTION}
    sweep.instances({first})
    assert swept(scene) == [third]
    assert [scene.sim.instances[key].live for key in (first, second, third)] == [True, True, False]
    assert len(scene.sim.volumes) == 3


def test_where_nothing_is_left_nothing_is_told() -> None:
    scene = make_scene(3)
    Sweep(FakeSweeper(scene.sim, PRODUCTION), TAGS, scene.patience(), unguarded).everything()
    assert scene.events == []
    assert scene.sim.calls.count("sweeper.remove*") == 0


@pytest.mark.parametrize("code", ["VolumeInUse", "IncorrectState", "InvalidVolume.NotFound", "RequestLimitExceeded", "InternalError"])
def test_what_does_not_go_yet_is_asked_again(code: str) -> None:
    scene, _, sweep = doomed()
    scene.sim.calls.faults = [Fault(CloudFailed("not yet", code=code), "sweeper.remove.volume", times=2)]
    sweep.everything()
    assert scene.sim.volumes == {}
    assert len(swept(scene)) == 6


def test_what_may_not_be_deleted_ends_the_sweep() -> None:
    scene, _, sweep = doomed()
    scene.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "sweeper.remove.instance")]
    with pytest.raises(CloudFailed, match="no"):
        sweep.everything()


def test_what_does_not_go_at_all_is_for_a_person_with_its_tags() -> None:
    scene, _, sweep = doomed()
    scene.sim.times.terminate = 2 * LIMIT_S
    with pytest.raises(PersonNeeded, match="is shutting-down") as caught:
        sweep.everything()
    assert caught.value.where == "immtf:block=consul, immtf:environment=t-0123abcd"
    assert len(scene.sim.volumes) == 3


def test_a_lost_lease_deletes_nothing() -> None:
    """F12."""

    def guard() -> None:
        raise LeaseLost("the lease is lost")

    scene, sweeper, _ = doomed()
    with pytest.raises(LeaseLost):
        Sweep(sweeper, TAGS, scene.patience(), guard).everything()
    assert scene.sim.calls.count("sweeper.remove.instance") == 0


def test_a_request_to_end_ends_the_waiting() -> None:
    scene, _, sweep = doomed()
    scene.sim.times.terminate = 300
    scene.cancel.asked = True
    with pytest.raises(Interrupted):
        sweep.everything()
