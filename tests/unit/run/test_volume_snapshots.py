"""Snapshots around a node's work: taken once for each stop, never in the way of the next run, and no more of them than are kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, LeaseLost, PersonNeeded
from immtf.model.block import VolumeSpec
from immtf.model.events import CheckOverridden, Noted, StepFinished, StepSkipped
from immtf.plan.checks import Overrides
from immtf.run.snapshots import SEEN_LIMIT_S, prune_snapshots, snapshot_volumes
from tests.fakes.builders import B
from tests.fakes.calls import Crash, Fault
from tests.fakes.cloud import FakeCloud
from tests.fakes.simulation import ATTACHMENT, MOUNT, NEW, OLD, VOLUME
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.cloud import VolumeSnapshot
    from immtf.run.gates import Patience
    from immtf.run.world import World
    from tests.fakes.simulation import SimSnapshot


def asking(keep: int = 2) -> Scene:
    """Return a cluster whose file asks for snapshots."""
    scene = make_scene(3)
    cluster = dataclasses.replace(scene.block.clusters["server"], volumes={"data": VolumeSpec("data", MOUNT, keep)})
    scene.block = dataclasses.replace(scene.block, clusters={"server": cluster})
    return scene


def stopped(scene: Scene) -> World:
    """Return the world with node b stopped."""
    FLAWS["stopped"](scene, "b")
    world = scene.world()
    world.survey()
    world.run_id = "r1"
    return world


@dataclass
class Taken:
    """A cluster that keeps one snapshot a volume: node b is stopped, and this run's snapshot of its volume is finished."""

    scene: Scene
    world: World
    own: SimSnapshot

    def put(self, name: str, **differs: str) -> SimSnapshot:
        """Add an older snapshot like the run's own, but for these tags; return it."""
        tags = {**self.own.tags, **differs}
        made = dataclasses.replace(self.own, snapshot_id=name, started=0.0, tags=tags)
        self.scene.sim.snapshots[name] = made
        return made


@pytest.fixture
def taken() -> Taken:
    scene = asking(keep=1)
    world = stopped(scene)
    snapshot_volumes(world, B, scene.patience())
    (own,) = scene.sim.snapshots.values()
    own.complete()
    return Taken(scene, world, own)


def runs_of(scene: Scene, key: str) -> list[str]:
    return [item.tags["immtf:run"] for item in scene.sim.snapshots.values() if item.tags["immtf:node"] == key]


def warnings(scene: Scene) -> list[str]:
    return [event.message for event in scene.events if isinstance(event, Noted) and event.level == "warning"]


def allowing(scene: Scene) -> Patience:
    return dataclasses.replace(scene.patience(), overrides=Overrides({"snapshot": "a backup stands"}))


def test_each_volume_is_snapshotted_between_its_stop_and_its_move() -> None:
    scene = asking()
    scene.upgrade()
    assert scene.faults() == []
    for key in "abc":
        volume_id, filesystem = scene.first[key]
        (taken,) = [item for item in scene.sim.snapshots.values() if item.volume_id == volume_id]
        assert taken.filesystem == filesystem
        old = next(item for item in scene.sim.instances.values() if (item.node, item.image) == (key, OLD))
        assert taken.tags == {
            "immtf:block": "consul",
            "immtf:environment": "sim",
            "immtf:cluster": "server",
            "immtf:node": key,
            "immtf:volume": "data",
            "immtf:instance": old.instance_id,
            "immtf:run": "unknown",
        }
    log = [name for name in scene.sim.calls.log if name in {"cloud.stop", "cloud.snapshot", "cloud.detach"}]
    assert log == ["cloud.stop", "cloud.snapshot", "cloud.detach"] * 3


def test_the_event_names_the_snapshot_and_the_command_that_restores_it() -> None:
    scene = asking()
    scene.upgrade()
    told = [event.evidence for event in scene.events if isinstance(event, StepFinished) and event.step == "SnapshotVolumes"]
    assert len(told) == 3
    for text, (name, item) in zip(told, scene.sim.snapshots.items(), strict=True):
        assert text.startswith(
            f"{name} of {item.volume_id}; to restore it: aws ec2 create-volume --snapshot-id {name} --availability-zone "
        )
        assert text.endswith(" --volume-type gp3")


def test_where_the_file_asks_for_none_nothing_is_taken_and_nothing_asked() -> None:
    scene = make_scene(3)
    scene.upgrade()
    assert scene.sim.snapshots == {}
    assert scene.sim.calls.count("cloud.snapshot*") == 0


@pytest.mark.parametrize("call", ["cloud.snapshot", "cloud.snapshots", "cloud.detach", "terraform.apply"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_that_was_killed_takes_no_second_one_for_the_same_stop(call: str, when: str) -> None:
    scene = asking()
    scene.sim.calls.faults = [Fault(Crash(), call, when="before" if when == "before" else "after")]
    assert [type(error) for error in scene.converge()] == [Crash]
    assert scene.faults() == []
    assert {key: len(runs_of(scene, key)) for key in "abc"} == dict.fromkeys("abc", 1)


def test_what_is_found_is_told_as_found() -> None:
    scene = asking()
    world = stopped(scene)
    assert snapshot_volumes(world, B, scene.patience())[1] is True
    evidence, taken = snapshot_volumes(world, B, scene.patience())
    assert (taken, runs_of(scene, "b")) == (False, ["r1"])
    assert "to restore it" in evidence
    scene.sim.calls.faults = [Fault(Crash(), "cloud.detach")]
    scene.converge()
    assert any(isinstance(event, StepSkipped) and event.step == "SnapshotVolumes" for event in scene.events)


def test_an_instance_that_was_started_again_meanwhile_is_snapshotted_again() -> None:
    """F48: it has written since, and the API's own times tell so."""
    scene = asking()
    snapshot_volumes(stopped(scene), B, scene.patience())
    (item,) = scene.sim.live("b")
    scene.sim.clock.sleep(5)
    scene.sim.start(item)
    scene.sim.clock.sleep(60)
    assert snapshot_volumes(stopped(scene), B, scene.patience())[1] is True
    assert len(runs_of(scene, "b")) == 2


def test_nothing_is_taken_of_a_running_instance() -> None:
    scene = asking()
    world = scene.world()
    world.survey()
    with pytest.raises(PersonNeeded, match="runs again"):
        snapshot_volumes(world, B, scene.patience())
    assert scene.sim.snapshots == {}


def test_older_ones_go_when_the_node_is_whole_again() -> None:
    scene = asking(keep=2)
    for number in range(4):
        scene.sim.wanted = OLD if number % 2 else NEW
        executor = scene.executor()
        executor.world.run_id = f"r{number}"
        scene.upgrade_only(executor)
        scene.sim.clock.sleep(120)
    assert [runs_of(scene, key) for key in "abc"] == [["r2", "r3"]] * 3
    assert sorted(scene.sim.volumes) == sorted(volume for volume, _ in scene.first.values()), "no volume is ever deleted"
    last = len(scene.sim.calls.log) - 1 - scene.sim.calls.log[::-1].index("cloud.delete_snapshot")
    assert "service.view" in scene.sim.calls.log[:last]


def test_what_others_took_stays(taken: Taken) -> None:
    del taken.put("by-hand").tags["immtf:run"]
    taken.put("of-another-volume").volume_id = "vol-other"
    taken.put("of-another-node", **{"immtf:node": "a"})
    taken.world.run_id = "r2"
    prune_snapshots(taken.world, B, taken.scene.patience())
    assert set(taken.scene.sim.snapshots) == {taken.own.snapshot_id, "by-hand", "of-another-volume", "of-another-node"}


@pytest.mark.parametrize("call", ["cloud.delete_snapshot", "cloud.snapshots"])
def test_what_can_not_be_deleted_is_told_and_stops_nothing(taken: Taken, call: str) -> None:
    taken.put("snap-old", **{"immtf:run": "r0"})
    taken.scene.sim.calls.faults = [Fault(CloudFailed("no right to", code="UnauthorizedOperation"), call)]
    prune_snapshots(taken.world, B, taken.scene.patience())
    assert warnings(taken.scene) == [f"server/b: older snapshots of {taken.own.volume_id} are left: no right to"]


def test_a_lost_lease_is_no_warning(taken: Taken) -> None:
    """F12: no further change is made, not even one that would stop nothing."""
    taken.put("snap-old", **{"immtf:run": "r0"})
    taken.scene.sim.calls.faults = [Fault(LeaseLost("taken over"), "cloud.delete_snapshot")]
    with pytest.raises(LeaseLost):
        prune_snapshots(taken.world, B, taken.scene.patience())


class OddCloud(FakeCloud):
    """A cloud whose snapshots end in error (`state`), or are never seen (`state` "")."""

    state = ""

    def snapshots(self, tags: Mapping[str, str]) -> Sequence[VolumeSnapshot]:
        found = super().snapshots(tags)
        return [dataclasses.replace(item, state=self.state) for item in found] if self.state else []


@pytest.mark.parametrize(("state", "why"), [("error", "ended in error"), ("", f"is not seen after {SEEN_LIMIT_S:.0f} s")])
def test_a_snapshot_that_does_not_come_about_stops_the_run_before_the_move(state: str, why: str) -> None:
    scene = asking()
    world = stopped(scene)
    world.cloud = OddCloud(scene.sim)
    world.cloud.state = state
    with pytest.raises(PersonNeeded, match=why) as told:
        snapshot_volumes(world, B, scene.patience())
    assert "[snapshot] no snapshot of" in told.value.what
    assert "--allow=snapshot" in told.value.next
    assert scene.sim.calls.count("cloud.detach") == 0


def test_a_snapshot_that_is_refused_stops_the_run_and_a_person_may_let_that_pass() -> None:
    scene = asking()
    world = stopped(scene)
    fault = Fault(CloudFailed("quota reached", code="SnapshotLimitExceeded"), "cloud.snapshot", times=2)
    scene.sim.calls.faults = [fault]
    with pytest.raises(PersonNeeded, match="quota reached"):
        snapshot_volumes(world, B, scene.patience())
    assert snapshot_volumes(world, B, allowing(scene)) == ("no snapshot", True)
    assert [event for event in scene.events if isinstance(event, CheckOverridden)] == [
        CheckOverridden("server/b", "snapshot", "quota reached", "a backup stands")
    ]


def test_a_volume_that_is_gone_is_somebody_elses_question() -> None:
    scene = asking()
    world = stopped(scene)
    FLAWS["terminated"](scene, "b")
    del scene.sim.volumes[scene.first["b"][0]]
    assert snapshot_volumes(world, B, scene.patience()) == ("no snapshot", False)


def test_a_restored_volume_is_taken_when_a_person_says_that_its_data_are_right() -> None:
    """F18: the way of docs/restore.md; on it, data that nobody vouches for are never taken for good."""
    scene = asking()
    scene.upgrade()
    FLAWS["detached"](scene, "b")
    old = scene.sim.volumes[scene.first["b"][0]]
    new = dataclasses.replace(old, volume_id="vol-restored")
    scene.sim.volumes[new.volume_id] = new
    planner = scene.terraform.planner
    scene.sim.state[planner.address(VOLUME, "b")].identity = new.volume_id
    del scene.sim.state[planner.address(ATTACHMENT, "b")]
    (item,) = scene.sim.live("b")
    scene.sim.attach(new, item)
    scene.sim.start(item)
    scene.sim.clock.sleep(120)
    with pytest.raises(PersonNeeded, match=f"volume is '{old.volume_id}', wanted 'vol-restored'"):
        scene.upgrade()
    new.mark = ""
    with pytest.raises(PersonNeeded, match="lost its mark"):
        scene.upgrade()
    executor = scene.executor()
    executor.world.accepted = frozenset({"server/b"})
    scene.upgrade_only(executor)
    scene.first["b"] = (new.volume_id, new.filesystem)
    assert scene.faults() == []
    assert old.volume_id in scene.sim.volumes
