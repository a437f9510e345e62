"""Strategy `swap` on a simulated cluster: the node is away for the move alone, and a new instance that is no good changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, Interrupted, PersonNeeded, TerraformFailed, TerraformStuck, UsageError
from immtf.model.block import ConsulGate, EtcdGate
from immtf.model.events import NodeFinished, NodeStarted, PlanJudged, StepFinished, StepSkipped
from immtf.model.layout import Layout
from immtf.model.names import NodeId
from immtf.run.lifecycle import destroy
from immtf.run.moves import Moves
from immtf.run.swap import Swap
from immtf.run.upgrade import refuse_addressless
from tests.fakes.calls import Crash, Fault
from tests.fakes.cloud import FakeCloud
from tests.fakes.simulation import INSTANCE, NEW, OLD, Row
from tests.fakes.slots import SlottedTerraform, make_slotted, slot_of
from tests.fakes.watch import Watch
from tests.fakes.wires import unplug
from tests.fakes.world import FLAWS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.block import ServiceGate
    from immtf.model.cloud import Interface
    from immtf.model.events import Event
    from tests.fakes.simulation import SimInstance
    from tests.fakes.world import Scene

SWAP = ["RaiseSlot", "AwaitSlot", "SpareNode", "StopOld", "MoveToSlot", "ProveVolumes", "SettleNode", "ApplyNode"]


def watched(count: int = 3, *, leader: int = 0) -> Scene:
    scene = make_slotted(count, leader=leader)
    Watch(scene)
    return scene


def finished(scene: Scene, node: str) -> list[str]:
    """Return the steps that did something to a node."""
    return [event.step for event in scene.events if isinstance(event, StepFinished) and event.node == node]


def live(scene: Scene, key: str) -> SimInstance:
    (item,) = scene.sim.live(key)
    return item


def raise_new(scene: Scene, key: str) -> SimInstance:
    """Let a node have its new instance beside the old one, with Terraform knowing it."""
    item = scene.sim.launch(key, NEW, slot_of(NEW))
    scene.sim.clock.sleep(20)
    assert isinstance(scene.terraform, SlottedTerraform)
    scene.sim.state[scene.terraform.planner.slot(key, slot_of(NEW))] = Row(key, INSTANCE, item.instance_id, slot=slot_of(NEW))
    return item


@pytest.mark.parametrize("leader", [0, 2, 4])
def test_a_cluster_is_swapped_node_by_node_and_the_leader_last(leader: int) -> None:
    scene = watched(5, leader=leader)
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == dict.fromkeys("abcde", 1)
    started = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert started[-1] == f"server/{'abcde'[leader]}"
    assert finished(scene, started[0]) == SWAP


def applied(scene: Scene) -> list[tuple[str, list[str]]]:
    """Return what was applied to nodes: step, and per row the node's key with what was done."""
    judged = [event for event in scene.events if isinstance(event, PlanJudged) and event.step != "ApplyRest"]
    return [(event.step, sorted(f"{row[15]} {_kind(row)} {row.rpartition(': ')[2]}" for row in event.allowed)) for event in judged]


def _kind(row: str) -> str:
    return "attachment" if "aws_volume_attachment" in row else "instance"


def ended(key: str) -> list[str]:
    return [f"{key} attachment create", f"{key} instance delete"]


def test_the_end_of_a_swap_and_the_beginning_of_the_next_are_one_apply() -> None:
    """Terraform's waits for the two are side by side; the first instance is made alone, and the last one goes alone."""
    scene = watched()
    scene.upgrade()
    assert applied(scene) == [
        ("RaiseSlot", ["b instance create"]),
        ("ApplyNode", [*ended("b"), "c instance create"]),
        ("ApplyNode", sorted([*ended("c"), "a instance create"])),
        ("ApplyNode", ended("a")),
    ]


def test_where_the_next_instance_can_t_be_made_the_node_s_swap_is_ended_all_the_same() -> None:
    """F24: no capacity for the next node's is no matter of this one."""
    scene = watched()
    scene.sim.calls.faults = [Fault(TerraformFailed("none left", code="InsufficientInstanceCapacity"), "part.create:c")]
    scene.upgrade()
    assert scene.faults() == []
    assert ("ApplyNode", ended("b")) in applied(scene)
    assert ("RaiseSlot", ["c instance create"]) in applied(scene)


def test_where_the_state_could_not_be_saved_nothing_more_is_applied() -> None:
    """F9: the second apply is the end of one swap and the beginning of the next."""
    scene = watched()
    stuck = TerraformStuck("the state is in errored.tfstate", next="push it")
    scene.sim.calls.faults = [Fault(stuck, "terraform.apply", 2, "after")]
    with pytest.raises(TerraformStuck, match=r"errored\.tfstate"):
        scene.upgrade()
    assert scene.sim.calls.count("terraform.apply") == 2


def test_a_run_that_is_to_end_makes_nothing_for_the_next_node() -> None:
    scene = watched()

    def ask(event: Event) -> None:
        scene.cancel.asked = scene.cancel.asked or (isinstance(event, StepFinished) and event.step == "MoveToSlot")

    scene.listener = ask
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert applied(scene) == [("RaiseSlot", ["b instance create"]), ("ApplyNode", ended("b"))]


def test_what_stands_in_the_next_node_s_way_is_left_for_its_turn() -> None:
    """F7: a stray of another slot is for a person; the present node is finished before that is said."""
    scene = watched()

    def launch(event: Event) -> None:
        if isinstance(event, StepFinished) and event.step == "MoveToSlot" and event.node == "server/b":
            scene.sim.launch("c", "ami-other", slot_of("ami-other"))

    scene.sim.images["ami-other"] = "good"
    scene.listener = launch
    with pytest.raises(PersonNeeded, match="not in Terraform's state"):
        scene.upgrade()
    assert applied(scene) == [("RaiseSlot", ["b instance create"]), ("ApplyNode", ended("b"))]
    assert [event.node for event in scene.events if isinstance(event, NodeFinished)] == ["server/b"]


def test_a_second_run_has_nothing_to_do() -> None:
    scene = watched()
    scene.upgrade()
    scene.events.clear()
    scene.upgrade()
    assert scene.rolled() == dict.fromkeys("abc", 1)
    assert not [event for event in scene.events if isinstance(event, PlanJudged)]


def test_a_new_instance_that_never_answers_is_removed_and_the_old_one_serves_on() -> None:
    """F36: an image that hangs at its boot; nothing was stopped, nothing moved."""
    scene = watched()
    scene.sim.dead = {NEW}
    before = {key: live(scene, key).instance_id for key in "abc"}
    with pytest.raises(GateFailed, match="never got ready, and was removed; the node serves as before"):
        scene.upgrade()
    assert {key: live(scene, key).instance_id for key in "abc"} == before
    assert scene.sim.calls.count("cloud.stop") == scene.sim.calls.count("cloud.detach*") == 0
    assert all(scene.sim.healthy(key) for key in "abc")
    assert not [address for address in scene.sim.state if slot_of(NEW) in address]
    scene.sim.dead = set()
    scene.upgrade()
    assert scene.faults() == []


def test_killed_while_a_bad_instance_is_removed_the_next_run_still_leaves_the_old_one_alone() -> None:
    scene = watched()
    scene.sim.dead = {NEW}
    scene.sim.calls.faults = [Fault(Crash(), "part.terminate:*")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    scene.sim.dead = set()
    scene.upgrade()
    assert scene.faults() == []


def test_a_bad_server_halts_the_run_and_the_way_back_is_the_old_instance() -> None:
    """F36: the new version never joins; the old instance is stopped and still there, so going back boots nothing new."""
    scene = watched()
    scene.sim.images[NEW] = "never-joins"
    with pytest.raises(GateFailed):
        scene.upgrade()
    made = len(scene.sim.instances)
    scene.sim.wanted = OLD
    scene.upgrade()
    assert scene.faults() == []
    assert len(scene.sim.instances) == made
    assert all(live(scene, key).slot == slot_of(OLD) for key in "abc")


def test_an_instance_that_a_killed_terraform_made_is_taken_up() -> None:
    """F7: it is there, tagged with its slot, and not in the state."""
    scene = watched()
    stray = scene.sim.launch("b", NEW, slot_of(NEW))
    scene.sim.clock.sleep(20)
    scene.upgrade()
    assert live(scene, "b") is stray
    assert scene.faults() == []
    assert scene.rolled() == dict.fromkeys("abc", 1)


def test_a_stray_of_another_slot_is_for_a_person() -> None:
    """F7: nobody knows what it is for."""
    scene = watched()
    scene.sim.launch("b", "ami-other", slot_of("ami-other"))
    with pytest.raises(PersonNeeded, match="not in Terraform's state"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0


def test_an_instance_whose_making_was_cut_off_is_kept_if_it_is_good() -> None:
    scene = watched()
    item = raise_new(scene, "b")
    address = next(address for address, row in scene.sim.state.items() if row.identity == item.instance_id)
    scene.sim.state[address] = replace(scene.sim.state[address], tainted=True)
    scene.upgrade()
    assert live(scene, "b") is item
    assert scene.faults() == []


def test_an_instance_that_a_killed_terraform_made_again_is_taken_up_in_the_place_of_the_one_that_is_gone() -> None:
    """F7, F16: somebody ended the new instance, and the apply that made another was killed."""
    scene = watched()
    scene.sim.terminate(raise_new(scene, "b"))
    scene.sim.clock.sleep(20)
    stray = scene.sim.launch("b", NEW, slot_of(NEW))
    scene.sim.clock.sleep(20)
    scene.upgrade()
    assert live(scene, "b") is stray
    assert scene.faults() == []


def test_a_new_instance_that_was_ended_by_hand_is_made_again() -> None:
    """F16."""
    scene = watched()
    scene.sim.terminate(raise_new(scene, "b"))
    scene.sim.clock.sleep(20)
    scene.upgrade()
    assert scene.faults() == []


def test_an_instance_of_the_wrong_image_never_gets_the_volume() -> None:
    """F26: whatever its slot is called."""
    scene = watched()
    scene.sim.images["ami-other"] = "good"
    raise_new(scene, "b").image = "ami-other"
    with pytest.raises(GateFailed, match="is made from ami-other, wanted ami-new"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0
    scene.upgrade()
    assert scene.faults() == []


def test_a_slot_that_is_no_longer_planned_is_for_a_new_run() -> None:
    executor = watched().executor()
    executor.world.survey()
    swap = Swap(Moves(executor.world, executor.patience, executor.ledger), NodeId("server", "b"), "ami-none-1")
    with pytest.raises(PersonNeeded, match="no slot ami-none-1 any more"):
        swap.await_slot()


def test_a_stopped_new_instance_is_started() -> None:
    scene = watched()
    item = raise_new(scene, "c")
    scene.sim.stop(item)
    scene.sim.clock.sleep(20)
    scene.upgrade()
    assert live(scene, "c") is item
    assert scene.faults() == []


@pytest.mark.parametrize("flaw", ["stopped", "stopping", "detached", "terminated", "shutting down", "sick"])
def test_a_broken_node_is_swapped_first_and_in_one_run(flaw: str) -> None:
    """F5, F16: whatever became of the old instance, the new one is made beside what is left of it."""
    scene = watched()
    FLAWS[flaw](scene, "b")
    assert scene.converge() == []
    assert scene.faults() == []
    started = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert started[0] == "server/b"


def test_an_interface_that_was_taken_off_a_node_at_its_target_is_put_back() -> None:
    scene = watched()
    scene.upgrade()
    interface = next(item for item in scene.sim.interfaces.values() if item.node == "b")
    interface.owner = interface.tie = ""
    scene.upgrade()
    assert interface.owner == live(scene, "b").instance_id


def test_what_was_moved_already_is_not_moved_again() -> None:
    """F5: killed between the move and the apply that follows it: the node isn't stopped a second time."""
    scene = watched()
    scene.sim.calls.faults = [Fault(Crash(), "guest.facts", 8)]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    scene.events.clear()
    scene.upgrade()
    assert scene.faults() == []
    assert scene.sim.calls.count("cloud.stop") == 3


def test_an_interface_that_hangs_elsewhere_is_for_a_person() -> None:
    """F18: somebody plugged the node's address into a machine that isn't this node's."""
    scene = watched()
    interface = next(item for item in scene.sim.interfaces.values() if item.node == "b")
    unplug(scene.sim, interface, live(scene, "b"))
    scene.sim.pulled.clear()
    scene.sim.clock.sleep(20)
    interface.owner, interface.tie = live(scene, "c").instance_id, "attached"
    with pytest.raises(PersonNeeded, match="not this node's instance"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0


def test_an_interface_that_is_gone_is_for_a_person() -> None:
    """As with a volume that is gone: the node serves on, as long as nobody stops it."""

    class Blind(FakeCloud):
        def interfaces(self, ids: Collection[str]) -> Mapping[str, Interface]:
            super().interfaces(ids)
            return {}

    scene = watched()
    scene.cloud = Blind
    with pytest.raises(PersonNeeded, match=r"network interface eni-.* can't be found"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0


@pytest.mark.parametrize(
    ("gate", "extra", "why"),
    [
        (EtcdGate(), (), "no network interface of its own"),
        (ConsulGate(), ("this", "other"), r"several network interfaces \(module.*other, module.*this\)"),
    ],
)
def test_servers_that_can_neither_take_their_address_along_nor_leave_are_not_swapped(
    gate: ServiceGate, extra: tuple[str, ...], why: str
) -> None:
    """The others know a server by its address: at another one it would come back as somebody else."""
    scene = watched()
    world = scene.world()
    world.survey()
    clusters = {name: replace(cluster, gates=(gate,)) for name, cluster in scene.block.clusters.items()}
    more = {f'module.server["a"].aws_network_interface.{name}' for name in extra}
    nodes = {
        node: replace(place, interface=None, addresses=frozenset({place.instance}) | more) for node, place in world.layout.nodes.items()
    }
    with pytest.raises(UsageError, match=why):
        refuse_addressless(replace(scene.block, clusters=clusters), Layout(nodes))
    refuse_addressless(scene.block, world.layout)


def test_nothing_is_told_of_a_step_that_has_nothing_to_do() -> None:
    scene = watched()
    scene.upgrade()
    skipped = {(event.node, event.step) for event in scene.events if isinstance(event, StepSkipped)}
    assert ("server/b", "HandOver") in skipped
    assert not any(step in {"StopOld", "MoveToSlot"} for _, step in skipped)


def test_before_a_destroy_the_instances_of_all_slots_are_stopped() -> None:
    """A new instance beside the old one runs too, and would be destroyed with the rest."""
    scene = make_slotted(3)
    raise_new(scene, "b")
    executor = scene.executor()
    scene.sim.doomed = True
    destroy(executor.world, executor.patience)
    assert scene.sim.calls.count("cloud.stop") == len(scene.sim.instances)
    assert {item.state for item in scene.sim.instances.values()} == {"terminated"}
    assert scene.sim.volumes == scene.sim.interfaces == scene.sim.state == {}
