"""Upgrades that go well, told by what they did: the order, the leader, shared changes, new nodes, and what was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import PersonNeeded, PlanRefused
from immtf.model.events import NodeFinished, NodeSkipped, NodeStarted, Noted, PlanJudged, StepFinished
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import INSTANCE, NEW
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, at_target, make_scene

if TYPE_CHECKING:
    from immtf.model.events import Event

GROUP, LISTENER = "aws_security_group.server", "aws_lb_target_group_attachment.server"


def told(scene: Scene, kind: type[Event]) -> list[str]:
    """Return whom the events of one kind are about, in their order."""
    return [str(getattr(event, "node", "")) for event in scene.events if isinstance(event, kind)]


@pytest.mark.parametrize("leader", [0, 1, 2])
def test_the_leader_goes_last_after_handing_over(leader: int) -> None:
    """F33."""
    scene = make_scene(3, leader=leader)
    assert scene.converge() == []
    assert scene.faults() == []
    assert scene.sim.taken[-1] == scene.sim.keys[leader]
    handed = [event.node for event in scene.events if isinstance(event, StepFinished) and event.step == "HandOver"]
    assert handed == [f"server/{scene.sim.keys[leader]}"]


def test_a_leader_that_moves_in_mid_run_goes_last_all_the_same() -> None:
    """F33: roles are read again before each node."""
    scene = make_scene(5, leader=4)
    scene.sim.clock.after(20, lambda: scene.sim.raft.hand_over(scene.sim.address("b")))
    assert scene.converge() == []
    assert scene.sim.taken[-1] == "b"


def test_nodes_go_zone_by_zone() -> None:
    scene = make_scene(5, leader=4)
    scene.converge()
    assert [scene.sim.zone(key) for key in scene.sim.taken] == ["eu-west-1a", "eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1b"]


def test_a_second_upgrade_has_nothing_to_do() -> None:
    scene = make_scene(3)
    scene.converge()
    scene.events.clear()
    assert not scene.plan().pending
    scene.upgrade()
    assert len(told(scene, NodeSkipped)) == 3
    assert told(scene, NodeStarted) == told(scene, NodeFinished) or told(scene, NodeFinished) == []
    assert set(scene.rolled().values()) == {1}


def test_nodes_at_their_target_are_checked_before_others_are_changed() -> None:
    scene = make_scene(3, leader=1)
    at_target(scene, "c")
    scene.converge()
    assert told(scene, NodeStarted)[0] == "server/c"
    assert scene.rolled() == {"a": 1, "b": 1, "c": 0}


def test_volumes_without_marks_are_marked_before_anything_moves() -> None:
    scene = make_scene(3, marked=False)
    assert scene.converge() == []
    assert scene.faults() == []
    log = scene.sim.calls.log
    assert [name for name in log if name in {"guest.mark", "cloud.stop"}][:3] == ["guest.mark"] * 3


def test_a_volume_without_a_mark_on_a_node_that_can_not_be_asked_is_for_a_person() -> None:
    """Nobody can say whether it was formatted on the way: unknown is not taken for good, and nothing is touched."""
    scene = make_scene(3, marked=False)
    FLAWS["detached"](scene, "b")
    with pytest.raises(PersonNeeded, match="server/b can't be asked"):
        scene.converge()
    assert scene.rolled() == {"a": 0, "b": 0, "c": 0}


def test_shared_changes_are_a_stage_of_their_own() -> None:
    """F39."""
    scene = make_scene(3, wishes=Wishes(shared={GROUP: False}))
    assert scene.converge() == []
    assert scene.faults() == []
    judged = [event for event in scene.events if isinstance(event, PlanJudged)]
    assert judged[0].node == "shared"
    assert judged[0].allowed == (f"{GROUP}: update",)
    assert all(GROUP not in row for event in judged[1:] for row in event.allowed)


def test_a_shared_change_that_hangs_on_the_nodes_waits_until_they_are_done() -> None:
    scene = make_scene(3, wishes=Wishes(shared={GROUP: False, LISTENER: True}))
    assert scene.converge() == []
    assert scene.faults() == []
    assert [event.node for event in scene.events if isinstance(event, PlanJudged)][-1] == "rest"
    assert any("waits until the nodes are done" in event.message for event in scene.events if isinstance(event, Noted))


def test_a_shared_change_that_appears_in_mid_run_is_refused_in_a_nodes_step() -> None:
    """F39: the next run makes it a stage of its own."""
    scene = make_scene(3)
    scene.sim.clock.after(20, lambda: scene.terraform.wishes.shared.update({GROUP: False}))
    (refused,) = scene.converge()
    assert isinstance(refused, PlanRefused)
    assert "[shared-change]" in str(refused)
    assert scene.faults() == []


def test_a_new_node_is_made_after_the_others_and_not_expected_before() -> None:
    scene = make_scene(3)
    scene.sim.keys = (*scene.sim.keys, "d")
    assert scene.converge() == []
    assert told(scene, NodeStarted)[-1] == "server/d"
    volume = next(volume for volume in scene.sim.volumes.values() if volume.node == "d")
    scene.first["d"] = (volume.volume_id, volume.filesystem)
    assert scene.faults() == []


def test_a_node_that_is_taken_out_of_the_configuration_is_refused() -> None:
    """F38."""
    scene = make_scene(3)
    scene.terraform.wishes.removed = {"c"}
    with pytest.raises(PlanRefused, match=r"node-removed|volume-deleted"):
        scene.upgrade()
    assert scene.sim.taken == []


def test_what_happened_is_told_with_evidence() -> None:
    scene = make_scene(3)
    scene.converge()
    for event in scene.events:
        if isinstance(event, StepFinished):
            assert event.evidence
    finished = [event for event in scene.events if isinstance(event, NodeFinished)]
    assert all(event.away_s > 0 and event.instance for event in finished)
    assert all(item.image == NEW for key in scene.sim.keys for item in scene.sim.live(key))


def test_a_node_that_is_only_marked_as_unfinished_is_kept() -> None:
    """F6: an interrupt taints a healthy instance of the new image; it is proven and kept, not made a second time."""
    scene = make_scene(3)
    at_target(scene, "b")
    scene.sim.state[scene.terraform.planner.address(INSTANCE, "b")].tainted = True
    assert scene.converge() == []
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 0, "c": 1}


def test_a_tainted_instance_of_the_old_image_is_replaced() -> None:
    """F6."""
    scene = make_scene(3)
    scene.sim.state[scene.terraform.planner.address(INSTANCE, "b")].tainted = True
    assert scene.converge() == []
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("survives", [True, False])
def test_an_instance_that_terraform_made_and_did_not_write_down_is_taken_up(survives: bool) -> None:
    """F7: without a person, and without a second one."""
    scene = make_scene(3)
    scene.terraform.survives = survives
    scene.sim.calls.faults = [Fault(Crash(), "part.create:*", when="after")]
    (ended,) = scene.converge()
    assert isinstance(ended, Crash)
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
