"""Swaps that were left in the middle and begun anew: by a kill, by hand, or because another image is wanted by then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, PersonNeeded, UsageError
from immtf.model.cloud import ImageChoice
from immtf.model.events import StepFinished
from immtf.model.layout import NOTHING_HELD, Layout
from immtf.model.names import NodeId
from immtf.plan.diagnose import diagnose
from immtf.run.lifecycle import take_status
from immtf.run.repair import look
from immtf.run.rollback import prepare_rollback, roll_back, way_back
from immtf.run.upgrade import Upgrade, prepare, refuse_unmovable
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import NEW, OLD
from tests.fakes.slots import SlottedPlanner, SlottedTerraform, make_slotted, slot_of
from tests.fakes.watch import Watch
from tests.fakes.world import VERSIONS
from tests.unit.run.test_swap import live, raise_new, watched

if TYPE_CHECKING:
    from immtf.model.events import Event
    from tests.fakes.simulation import SimInstance
    from tests.fakes.world import Scene

THIRD = "ami-third"
B = NodeId("server", "b")


def killed_at(call: str, nth: int = 1, *, when: str = "before") -> Scene:
    """Return a cluster whose upgrade was killed at this call."""
    scene = watched()
    scene.sim.images[THIRD] = "good"
    scene.sim.calls.faults = [Fault(Crash(), call, nth, "before" if when == "before" else "after")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    return scene


def in_slot(scene: Scene, key: str, image: str) -> SimInstance:
    return next(item for item in scene.sim.live(key) if item.slot == slot_of(image))


MIDDLES = {
    "the new one is made": ("terraform.apply", 1, "after"),
    "before the stop": ("cloud.stop", 1, "before"),
    "after the stop": ("cloud.stop", 1, "after"),
    "before the detach": ("cloud.detach", 1, "before"),
    "the volume is free": ("cloud.attach", 1, "before"),
    "the volume is on its way": ("cloud.attach", 1, "after"),
    "the address is on its way": ("cloud.attach_interface", 1, "after"),
    "before the old one goes": ("terraform.apply", 2, "before"),
}


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("pause", [0, 60])
@pytest.mark.parametrize("wanted", [OLD, NEW, THIRD])
def test_from_any_middle_the_node_goes_to_what_is_wanted_then(middle: str, pause: int, wanted: str) -> None:
    """F5: three slots where it is a third image; whichever has the volume, the wanted one gets it, and the others go."""
    scene = killed_at(*MIDDLES[middle][:2], when=MIDDLES[middle][2])
    scene.sim.clock.sleep(pause)
    scene.sim.wanted = wanted
    scene.upgrade()
    assert scene.faults() == []
    assert {live(scene, key).slot for key in "abc"} == {slot_of(wanted)}


def test_a_node_whose_new_instance_was_stopped_by_hand_after_the_move_is_started_again() -> None:
    """F16: it has the volume, and nothing else would ever start it."""
    scene = killed_at("terraform.apply", 2)
    item = next(item for item in scene.sim.instances.values() if item.slot == slot_of(NEW))
    scene.sim.stop(item)
    scene.upgrade()
    assert live(scene, item.node) is item
    assert scene.faults() == []


def test_a_new_instance_that_stops_while_the_gates_are_waited_for_leaves_the_old_one_serving() -> None:
    """F16: whoever stopped it: with nowhere to go the node stays where it is, and the next run starts the new one again."""
    scene = watched()
    item = raise_new(scene, "b")
    stopped: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, StepFinished) and (event.step, event.node) == ("SpareNode", str(B)) and not stopped:
            stopped.append(item.instance_id)
            scene.sim.stop(item)

    scene.listener = listen
    with pytest.raises(PersonNeeded, match="does not run"):
        scene.upgrade()
    assert scene.sim.healthy("b")
    assert stopped
    scene.upgrade()
    assert scene.faults() == []


def test_a_new_instance_that_stops_before_it_is_ready_is_removed() -> None:
    """F16: an instance that ends itself in its boot; nothing was stopped for it."""
    scene = watched()

    def listen(event: Event) -> None:
        if isinstance(event, StepFinished) and (event.step, event.node) == ("RaiseSlot", str(B)):
            scene.sim.stop(in_slot(scene, "b", NEW))

    scene.listener = listen
    with pytest.raises(GateFailed, match=r"was removed; the node serves as before: .*the new instance is stop"):
        scene.upgrade()
    assert scene.sim.healthy("b")
    scene.listener = lambda _event: None
    scene.upgrade()
    assert scene.faults() == []


def test_a_new_instance_on_its_way_out_is_made_again_in_the_same_run() -> None:
    """F16."""
    scene = watched()
    scene.sim.terminate(raise_new(scene, "b"))
    scene.upgrade()
    assert scene.faults() == []


def test_an_instance_in_another_zone_than_the_volume_is_seen_before_anything_is_stopped() -> None:
    """F18: its volume could never be attached to it."""
    scene = watched()
    raise_new(scene, "b").zone = "eu-west-1z"
    with pytest.raises(GateFailed, match="eu-west-1z"):
        scene.upgrade()
    assert scene.sim.healthy("b")
    scene.upgrade()
    assert scene.faults() == []


def vanish(scene: Scene, key: str) -> None:
    """Let a node's instance be gone for so long that the cloud doesn't show it any more."""
    item = live(scene, key)
    scene.sim.terminate(item)
    scene.sim.clock.sleep(60)
    del scene.sim.instances[item.instance_id]


def test_a_node_whose_instance_is_not_even_shown_any_more_is_made_anew() -> None:
    """F16: an instance that was terminated is forgotten by the cloud after an hour."""
    scene = watched()
    vanish(scene, "b")
    scene.upgrade()
    assert scene.faults() == []


@pytest.mark.parametrize("gone", [True, False])
def test_where_nothing_else_is_left_an_instance_that_never_gets_ready_stays_to_be_looked_at(gone: bool) -> None:
    """F36: nothing serves in its place; and it is never said that something does."""
    scene = watched()
    scene.sim.dead = {NEW}
    if gone:
        vanish(scene, "b")
    else:
        scene.sim.terminate(live(scene, "b"))
        scene.sim.clock.sleep(60)
    with pytest.raises(GateFailed, match="never got ready; the node has no other") as failed:
        scene.upgrade()
    assert "rollback" in failed.value.next
    assert live(scene, "b").slot == slot_of(NEW)
    scene.sim.images[THIRD], scene.sim.wanted = "good", THIRD
    scene.upgrade()
    assert scene.faults() == []


def test_an_instance_that_has_a_part_of_the_node_already_is_not_removed() -> None:
    """F5: killed in the move, when the address was there and the volume was not; then it answers no more."""
    scene = killed_at("cloud.attach", 1)
    scene.sim.clock.sleep(60)
    key = next(key for key in "abc" if len(scene.sim.live(key)) == 2)
    new = in_slot(scene, key, NEW)
    interface = next(item for item in scene.sim.interfaces.values() if item.node == key)
    interface.owner, interface.tie = new.instance_id, "attached"
    scene.sim.dead, new.agent = {NEW}, False
    with pytest.raises(GateFailed, match="has a part of the node already"):
        scene.upgrade()
    scene.sim.dead = set()
    scene.sim.wanted = OLD
    scene.upgrade()
    assert scene.faults() == []


def test_the_way_back_of_a_node_that_was_swapped_is_its_old_instance() -> None:
    """F36: rolled back while the old one is still there: it is started, and nothing is made."""
    scene = watched()
    scene.sim.images[NEW] = "never-joins"
    executor = scene.executor()
    plan = prepare(executor.world, executor.patience, ImageChoice(NEW, "1.1.0"), VERSIONS)
    with pytest.raises(GateFailed) as failed:
        Upgrade(executor).perform(plan)
    back = way_back(executor, failed.value)
    assert back is not None
    assert (back.image_id, back.doubt) == (OLD, "")
    made = len(scene.sim.instances)
    scene.sim.wanted = OLD
    again = scene.executor()
    plan, work = prepare_rollback(again.world, again.patience, back.node, ImageChoice(OLD, "1.0.0"), VERSIONS)
    roll_back(again, plan, work)
    assert len(scene.sim.instances) == made
    assert scene.faults() == []


def test_a_new_instance_that_never_gets_ready_has_no_way_back_to_speak_of() -> None:
    """F36: the old one serves; nothing is to be rolled back."""
    scene = watched()
    scene.sim.dead = {NEW}
    executor = scene.executor()
    plan = prepare(executor.world, executor.patience, ImageChoice(NEW, "1.1.0"), VERSIONS)
    with pytest.raises(GateFailed) as failed:
        Upgrade(executor).perform(plan)
    assert way_back(executor, failed.value) is None


@pytest.mark.parametrize("middle", MIDDLES)
def test_in_any_middle_a_person_is_told_what_goes_on(middle: str) -> None:
    """F5: by `status` and by `doctor`; and none of it is for a repair, which would go another way."""
    scene = killed_at(*MIDDLES[middle][:2], when=MIDDLES[middle][2])
    scene.sim.clock.sleep(60)
    executor = scene.executor()
    executor.world.survey()
    _, unfinished = take_status(executor.world, VERSIONS)
    assert any("swap" in line and "immtf upgrade" in line for line in unfinished)
    found = diagnose(look(executor.world))
    assert [(finding.kind.value, finding.repairable) for finding in found] == [("unfinished-swap", False)]
    assert "immtf upgrade" in found[0].fix


def test_what_can_not_be_moved_wholly_is_refused_before_anything_is_touched() -> None:
    """A volume that Terraform attaches nowhere; and a node that has nothing that could be moved."""
    scene = make_slotted(3)
    world = scene.world()
    world.survey()
    place = world.layout.nodes[B]
    loose = replace(place, volumes=tuple(replace(volume, device="") for volume in place.volumes))
    with pytest.raises(UsageError, match=r"aws_ebs_volume\.data has no aws_volume_attachment"):
        refuse_unmovable(scene.block, Layout({B: loose}))
    with pytest.raises(UsageError, match="no volume and no network interface"):
        refuse_unmovable(scene.block, Layout({B: replace(place, volumes=(), interface=None)}))
    refuse_unmovable(scene.block, Layout({B: replace(place, volumes=())}))
    refuse_unmovable(scene.block, Layout({B: replace(place, slots=(), volumes=(), interface=None)}))


def test_a_block_that_does_not_pass_on_what_is_held_is_told() -> None:
    """Then Terraform wants the new instance as before, and nothing of it is removed."""

    class Deaf(SlottedTerraform):
        @property
        def planner(self) -> SlottedPlanner:
            return SlottedPlanner(self.sim, self.wishes, NOTHING_HELD)

    scene = watched()
    scene.terraform = Deaf(scene.sim, outputs=scene.terraform.outputs)
    Watch(scene)
    scene.sim.dead = {NEW}
    with pytest.raises(GateFailed, match="Terraform doesn't want to remove it") as failed:
        scene.upgrade()
    assert "`held`" in failed.value.next
    assert all(scene.sim.healthy(key) for key in "abc")


def test_a_new_instance_that_never_gets_ready_is_removed_beside_an_old_one_that_is_stopped() -> None:
    """F36, F16: the node was away before; it is not told that anything serves."""
    scene = watched()
    scene.sim.stop(live(scene, "b"))
    scene.sim.clock.sleep(20)
    scene.sim.dead = {NEW}
    with pytest.raises(GateFailed, match="was removed; nothing was moved to it"):
        scene.upgrade()
    assert live(scene, "b").slot == slot_of(OLD)
    scene.sim.dead = set()
    scene.upgrade()
    assert scene.faults() == []


def test_while_a_node_is_between_its_instances_no_other_one_is_chosen() -> None:
    """F5: `--only` names another node: it can't be spared, and nothing of it is stopped."""
    scene = killed_at("cloud.attach", 1)
    away = next(key for key in "abc" if not scene.sim.healthy(key))
    other = next(key for key in "abc" if key != away)
    stops = scene.sim.calls.count("cloud.stop")
    with pytest.raises((GateFailed, PersonNeeded)):
        scene.upgrade_only(scene.executor(), NodeId("server", other))
    assert scene.sim.calls.count("cloud.stop") == stops
    scene.upgrade()
    assert scene.faults() == []
