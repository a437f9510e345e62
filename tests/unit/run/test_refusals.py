"""Worlds that a machine must not touch: the run ends before the first changing call, and says who has to look at what."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import GateFailed, PersonNeeded, PlanRefused, TerraformFailed, UsageError
from tests.fakes.calls import Fault
from tests.fakes.simulation import ATTACHMENT, INSTANCE, NEW, SimInstance
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, make_empty, make_scene

if TYPE_CHECKING:
    from immtf.model.block import Cluster

CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply", "guest.mark")


def touched(scene: Scene) -> list[str]:
    """Return the changing calls that were made."""
    return [name for name in scene.sim.calls.log if name in CHANGING]


def test_two_away_of_three_are_for_a_person() -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    FLAWS["detached"](scene, "c")
    with pytest.raises(PersonNeeded, match=r"2 of 3 nodes are away \(server/b, server/c\); at most 1 may be"):
        scene.upgrade()
    assert touched(scene) == []


def test_two_away_of_five_are_for_a_person_too() -> None:
    """Quorum is left, but nobody wished for two at a time: the gate for the first would wait for the second for ever."""
    scene = make_scene(5)
    FLAWS["stopped"](scene, "b")
    FLAWS["stopped"](scene, "c")
    with pytest.raises(PersonNeeded, match="2 of 5 nodes are away"):
        scene.upgrade()
    assert touched(scene) == []


def _with(scene: Scene, **changes: Any) -> Cluster:
    return dataclasses.replace(scene.block.clusters["server"], **changes)


@pytest.mark.parametrize("count", [1, 2])
def test_a_cluster_that_can_spare_no_node_is_refused(count: int) -> None:
    scene = make_scene(count)
    with pytest.raises(PersonNeeded, match="can spare no node"):
        scene.upgrade()
    assert touched(scene) == []


@pytest.mark.parametrize(
    ("wishes", "check"),
    [
        (Wishes(replaced_volumes={"c"}), "volume-deleted"),
        (Wishes(creates_first=True), "create-before-destroy"),
        (Wishes(moved={"c": "eu-west-1z"}), "zone"),
        (Wishes(data_disk=True), "data-disk"),
    ],
)
@pytest.mark.parametrize("layout", ["modules", "keyed"])
def test_a_full_plan_that_nobody_may_carry_out_is_refused(wishes: Wishes, check: str, layout: str) -> None:
    """F2, F4, F23, F27: for any node, before the first one is touched."""
    wishes = Wishes(**{**vars(wishes), "layout": layout})
    scene = make_scene(3, wishes=wishes)
    with pytest.raises(PlanRefused, match=rf"\[{check}\].*c"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_node_whose_plan_contains_another_one_is_refused_while_it_serves() -> None:
    """F2: the plan of the step is judged before the stop, not only before the apply."""
    scene = make_scene(3, wishes=Wishes(tangled=True))
    with pytest.raises(PlanRefused, match=r'\[other-node\] .*module.server\["c"\].aws_instance.this'):
        scene.upgrade()
    assert touched(scene) == []
    assert scene.sim.healthy("a")


def test_an_attachment_targeted_alone_brings_every_node_along_and_is_refused() -> None:
    """E3b of the measurements: keyed resources, one of a node's targets forgotten."""
    scene = make_scene(3, wishes=Wishes("keyed"))
    world = scene.world()
    world.survey(scene.terraform.plan().data)
    attachment = scene.terraform.planner.address(ATTACHMENT, "a")
    rows = [row.address for row in scene.terraform.plan(targets=[attachment]).data.changes if not row.is_noop]
    assert scene.terraform.planner.address(INSTANCE, "c") in rows


def test_a_failed_plan_touches_nothing() -> None:
    """F1."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("exit 1"), "terraform.plan")]
    with pytest.raises(TerraformFailed):
        scene.upgrade()
    assert touched(scene) == []


def test_a_nodes_own_plan_that_fails_leaves_the_node_serving() -> None:
    """F1: the second plan of the run is the first node's."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("exit 1"), "terraform.plan", nth=2)]
    with pytest.raises(TerraformFailed):
        scene.upgrade()
    assert touched(scene) == []


def test_a_volume_of_another_node_is_told_by_its_mark() -> None:
    """F18."""
    scene = make_scene(3)
    first, second = (scene.sim.volumes[scene.first[key][0]] for key in "ab")
    first.mark, second.mark = second.mark, first.mark
    with pytest.raises(PersonNeeded, match="the mark at"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_peer_that_is_no_node_is_told() -> None:
    """F29."""
    scene = make_scene(3)
    scene.sim.raft.up("10.9.9.9", "ghost")
    with pytest.raises(GateFailed, match=r"peers that are no node of the block: 10\.9\.9\.9"):
        scene.upgrade()
    assert touched(scene) == []


def test_no_leader_is_unhealthy() -> None:
    """F34."""
    scene = make_scene(3)
    scene.sim.kill_server("a")
    scene.sim.kill_server("b")
    with pytest.raises(GateFailed, match="no server names a leader"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_block_whose_nodes_terraform_does_not_know_is_told() -> None:
    scene = make_scene(3)
    scene.block = dataclasses.replace(scene.block, clusters={"server": _with(scene, nodes="module.elsewhere")})
    with pytest.raises(PersonNeeded, match=r"Terraform knows no node at module\.elsewhere"):
        scene.plan()


def test_an_environment_that_was_never_made_is_for_create() -> None:
    scene = make_empty(3)
    with pytest.raises(PersonNeeded, match="Terraform's state has no node") as caught:
        scene.plan()
    assert "immtf create" in caught.value.next


def test_a_volume_that_the_cloud_does_not_show_is_for_a_person() -> None:
    scene = make_scene(3)
    FLAWS["detached"](scene, "b")
    del scene.sim.volumes[scene.first["b"][0]]
    with pytest.raises((PersonNeeded, PlanRefused), match=r"vol-0005|aws_ebs_volume"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_swap_of_nodes_without_slots_is_refused() -> None:
    scene = make_scene(3)
    scene.block = dataclasses.replace(scene.block, clusters={"server": _with(scene, strategy="swap")})
    with pytest.raises(UsageError, match="strategy swap needs slots"):
        scene.plan()
    assert touched(scene) == []


def test_a_stray_instance_beside_a_running_one_is_told_before_the_stop() -> None:
    """F7: the node serves, and a second instance of its name waits for the volume."""
    scene = make_scene(3)
    scene.sim.instances["i-stray"] = SimInstance("i-stray", "b", NEW, scene.sim.zone("b"), "10.0.9.9", "running")
    with pytest.raises(PersonNeeded, match="i-stray"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0
