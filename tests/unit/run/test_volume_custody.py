"""Volumes before and after a node's work: the same ones, as large, in their zone; checked filesystems; volumes that are being changed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import CloudFailed, GateFailed
from immtf.model.events import GateAsked, Noted, StepFinished, StepSkipped
from immtf.plan.custody import RECOVERY_S
from tests.fakes.calls import Crash, Fault
from tests.fakes.cloud import FakeCloud
from tests.fakes.simulation import NEW, VOLUME, SimVolume
from tests.fakes.world import Scene, make_scene

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.cloud import Volume


def volume_of(scene: Scene, key: str) -> SimVolume:
    return scene.sim.volumes[scene.sim.state[scene.terraform.planner.address(VOLUME, key)].identity]


def evidence(scene: Scene, step: str) -> list[str]:
    found = [event for event in scene.events if isinstance(event, (StepFinished, StepSkipped)) and event.step == step]
    return [event.evidence if isinstance(event, StepFinished) else event.reason for event in found]


def warnings(scene: Scene) -> list[str]:
    return [event.message for event in scene.events if isinstance(event, Noted) and event.level == "warning"]


def test_size_and_zone_are_told_before_and_after() -> None:
    """F37: success is evidence on the new instance's id."""
    scene = make_scene(3)
    scene.upgrade()
    for texts in (evidence(scene, "MarkVolumes"), evidence(scene, "ProveVolumes")):
        assert len(texts) == 3
        assert all("(10 GiB, eu-west-1" in text for text in texts)
    new = {item.instance_id for item in scene.sim.instances.values() if item.image == NEW}
    assert {text.split(" on ")[1].split(":")[0] for text in evidence(scene, "ProveVolumes")} == new


class LyingCloud(FakeCloud):
    """After the volume of `key` was moved the cloud shows it otherwise."""

    key = "a"
    differs: Mapping[str, Any] = {}

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        found = super().volumes(ids)
        moved = any(item.image == NEW for item in self.sim.live(self.key))
        mine = {item.volume_id for item in self.sim.volumes.values() if item.node == self.key}
        return {key: dataclasses.replace(item, **self.differs) if moved and key in mine else item for key, item in found.items()}


@pytest.mark.parametrize(
    ("differs", "why"),
    [({"size_gib": 5}, "is vol-.* \\(5 GiB, eu-west-1a\\)"), ({"zone": "eu-west-1z"}, "is vol-.* \\(10 GiB, eu-west-1z\\)")],
)
def test_a_volume_that_comes_back_otherwise_fails_the_node_at_once(differs: dict[str, Any], why: str) -> None:
    """F18: mark and filesystem are right, and the volume is not what it was before."""
    scene = make_scene(3, leader=1)
    executor = scene.executor()
    cloud = LyingCloud(scene.sim)
    cloud.differs = differs
    executor.world.cloud = cloud
    with pytest.raises(GateFailed, match=f"volume data was vol-.* \\(10 GiB, eu-west-1a\\), and {why}"):
        scene.upgrade_only(executor)
    assert sum(scene.rolled().values()) == 1


def test_a_volume_that_terraform_made_larger_is_the_same() -> None:
    scene = make_scene(3, leader=1)
    executor = scene.executor()
    cloud = LyingCloud(scene.sim)
    cloud.differs = {"size_gib": 20}
    executor.world.cloud = cloud
    scene.upgrade_only(executor)
    assert scene.faults() == []


@pytest.mark.parametrize("other", ["b", "c"])
def test_another_nodes_volume_on_the_new_instance_halts_the_run(other: str) -> None:
    """F18: mounted, with a mark, and somebody else's."""
    scene = make_scene(3, leader=1)
    executor = scene.executor()
    cloud = LyingCloud(scene.sim)
    cloud.differs = {"volume_id": volume_of(scene, other).volume_id}
    executor.world.cloud = cloud
    with pytest.raises(GateFailed, match=f"and is {volume_of(scene, other).volume_id}"):
        scene.upgrade_only(executor)


def test_twenty_minutes_of_a_check_are_waited_for() -> None:
    """F22: longer than any gate's own limit, and the node is not rolled again."""
    scene = make_scene(3, leader=2)
    volume_of(scene, "a").fsck_s = 1200.0
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    asked = [event for event in scene.events if isinstance(event, GateAsked) and "is being checked" in event.reason]
    assert asked[-1].elapsed_s > 1100
    assert all(event.limit_s >= event.elapsed_s for event in asked)


def test_a_check_that_never_ends_fails_the_node() -> None:
    """F22: everything has a limit."""
    scene = make_scene(3, leader=2)
    volume_of(scene, "a").fsck_s = 10 * RECOVERY_S
    began = scene.sim.clock.now
    with pytest.raises(GateFailed, match="is being checked"):
        scene.upgrade()
    assert RECOVERY_S < scene.sim.clock.now - began < RECOVERY_S + 900
    assert sum(scene.rolled().values()) == 1


def test_the_next_run_waits_for_a_check_too_and_does_not_stop_it() -> None:
    """F22: the run that saw it begin was killed; the node is at its target, and proven when it is through."""
    scene = make_scene(3, leader=2)
    volume = volume_of(scene, "a")
    volume.fsck_s = 1200.0
    scene.sim.calls.faults = [Fault(Crash(), "guest.facts", 12)]
    assert [type(error) for error in scene.converge()] == [Crash]
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}


def reboot(scene: Scene, key: str, fsck_s: float) -> None:
    """Have a node at the old image start again, with a filesystem that has to be checked."""
    (item,) = scene.sim.live(key)
    scene.sim.stop(item)
    scene.sim.clock.sleep(30)
    volume_of(scene, key).fsck_s = fsck_s
    scene.sim.start(item)
    scene.sim.clock.sleep(30)


def test_a_node_is_not_stopped_in_the_middle_of_a_check() -> None:
    """F22: before it is taken away for the upgrade, its filesystem is whole and its data known."""
    scene = make_scene(3, leader=2)
    reboot(scene, "a", 1200.0)
    assert volume_of(scene, "a").fsck_s > 0
    scene.upgrade()
    assert scene.faults() == []
    assert not [text for text in evidence(scene, "MarkVolumes") if text.startswith("not marked")]


@pytest.mark.parametrize("state", ["modifying", "optimizing"])
def test_a_volume_that_is_being_changed_is_told_once_and_moved_all_the_same(state: str) -> None:
    """F28."""
    scene = make_scene(3)
    volume = volume_of(scene, "b")
    volume.modification = state
    scene.upgrade()
    assert scene.faults() == []
    assert warnings(scene) == [f"server/b: {volume.volume_id} is {state}: it may be slow until that is done; it is moved all the same"]


def test_a_detach_that_is_not_allowed_meanwhile_is_asked_again() -> None:
    """F28: waited for only where it has to be."""
    scene = make_scene(3)
    volume_of(scene, "a").modification = "modifying"
    scene.sim.calls.faults = [Fault(CloudFailed("being modified", code="IncorrectState"), "cloud.detach", times=3)]
    scene.upgrade()
    assert scene.faults() == []


def test_whether_a_volume_is_being_changed_need_not_be_known() -> None:
    """F28: it is a warning; what can't be asked is told, and is no reason to leave the node away."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("no right to ask"), "cloud.modifications", times=3)]
    scene.upgrade()
    assert len(warnings(scene)) == 3
    assert all("is not known: no right to ask" in text for text in warnings(scene))


def test_between_two_nodes_nothing_is_remembered() -> None:
    assert make_scene(3).executor()._before() == {}
