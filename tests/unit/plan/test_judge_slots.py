"""What may be applied in a swap: one instance comes alone, one that has nothing goes; the node's address and data stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.model.layout import Layout
from immtf.model.snapshot import NodeNow
from immtf.plan.judge import judge_node
from immtf.plan.judge_slots import judge_raised, judge_removed, judge_retired
from immtf.plan.slots import seen_in_slots
from tests.fakes.builders import A, make_change, make_instance, make_interface, make_plan_data, make_slotted_place, make_volume

if TYPE_CHECKING:
    from immtf.model.terraform import Change
    from immtf.plan.judge import Refusal

OLD, NEW = "ami-old-1", "ami-new-1"
MODULE = 'module.server["a"]'
ZONES = {"vol-a": "eu-west-1a"}


def slot(name: str, *actions: str, identity: str = "", **more: object) -> Change:
    before = {"id": identity} if identity else {}
    return make_change(f'{MODULE}.aws_instance.this["{name}"]', *actions, before=before, **more)


MADE = slot(NEW, "create", after={"ami": "ami-new", "availability_zone": "eu-west-1a"})
ENDED = slot(OLD, "delete", identity="i-a")
TIED = make_change(f"{MODULE}.aws_volume_attachment.data", "delete", "create")


def now(owner: str = "i-a", *, old: str = "running", new: str = "running") -> NodeNow:
    instances = {"i-a": make_instance(old, "i-a"), "i-n": make_instance(new, "i-n", "ami-new")}
    volumes = {"data": make_volume((owner, "attached"))}
    return seen_in_slots(NodeNow(make_slotted_place(slots={OLD: "i-a", NEW: "i-n"}), volumes=volumes), instances, make_interface(owner))


def checks(refusals: list[Refusal]) -> list[str]:
    return [item.check for item in refusals]


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        ([MADE], []),
        ([slot(NEW, "delete", "create", identity="i-n", after={"availability_zone": "eu-west-1a"})], []),
        ([MADE, ENDED], ["slot-alone"]),
        ([MADE, TIED], ["slot-alone"]),
        ([MADE, make_change("aws_security_group.server", "update")], ["slot-alone"]),
        ([MADE, make_change('module.server["b"].aws_instance.this["x"]', "create")], ["slot-alone"]),
        ([slot(NEW, "delete", identity="i-n")], ["slot-alone"]),
        ([slot(NEW, "update", identity="i-n")], ["slot-alone"]),
        ([MADE, make_change(f"{MODULE}.aws_ebs_volume.data", "delete", "create")], ["volume-deleted", "slot-alone"]),
        ([slot(NEW, "create", after={"availability_zone": "eu-west-1b"})], ["zone"]),
        ([slot(NEW, "create", after={"ebs_block_device": [{"delete_on_termination": True}]})], ["data-disk"]),
        ([slot(NEW, "create", "delete", identity="i-n")], ["create-before-destroy"]),
    ],
)
def test_a_new_instance_comes_alone(rows: list[Change], refused: list[str]) -> None:
    """F2, F23, F27, F39."""
    assert checks(judge_raised(make_plan_data(*rows), now(), NEW, ZONES)) == refused


def test_an_unfinished_instance_that_has_the_volume_is_not_made_again() -> None:
    row = slot(NEW, "delete", "create", identity="i-n")
    assert checks(judge_raised(make_plan_data(row), now("i-n"), NEW, {})) == ["slot-in-use"]


@pytest.mark.parametrize(
    ("rows", "owner", "refused"),
    [
        ([slot(NEW, "delete", identity="i-n")], "i-a", []),
        ([slot(NEW, "delete", identity="i-n")], "i-n", ["slot-in-use"]),
        ([slot(NEW, "delete", identity="i-n"), ENDED], "i-a", ["slot-alone"]),
        ([ENDED], "i-a", ["slot-alone"]),
        (
            [slot(NEW, "delete", identity="i-n"), make_change(f"{MODULE}.aws_ebs_volume.data", "delete")],
            "i-a",
            ["volume-deleted", "slot-alone"],
        ),
    ],
)
def test_an_instance_that_never_got_ready_goes_alone(rows: list[Change], owner: str, refused: list[str]) -> None:
    assert checks(judge_removed(make_plan_data(*rows), now(owner), NEW)) == refused


@pytest.mark.parametrize(
    ("owner", "old", "refused"),
    [
        ("i-n", "stopped", []),
        ("i-n", "terminated", []),
        ("i-n", "running", ["running-instance"]),
        ("i-n", "stopping", ["running-instance"]),
        ("i-a", "stopped", ["slot-in-use"]),
    ],
)
def test_the_old_instance_goes_when_it_is_stopped_and_has_nothing(owner: str, old: str, refused: list[str]) -> None:
    assert checks(judge_retired(make_plan_data(ENDED), now(owner, old=old))) == refused


def test_before_the_move_the_end_of_a_swap_is_judged_as_it_will_be() -> None:
    """The old instance is to go and the attachments with it: right, when the node has moved over; wrong while it serves there."""
    plan, place = make_plan_data(ENDED, TIED), now().place
    new = place.slot(NEW)
    assert new is not None
    layout = Layout({A: place})
    assert checks(judge_node(plan, place.in_slot(new), layout, ZONES)) == []
    assert "node-removed" in checks(judge_node(plan, place, layout, ZONES))


@pytest.mark.parametrize("actions", [("delete",), ("delete", "create"), ("forget",)])
def test_a_node_keeps_its_network_interface(actions: tuple[str, ...]) -> None:
    place = now("i-n").place
    row = make_change(f"{MODULE}.aws_network_interface.this", *actions)
    assert checks(judge_node(make_plan_data(row), place, Layout({A: place}), ZONES)) == ["interface-deleted"]


@pytest.mark.parametrize(("instance", "refused"), [("i-a", ["interface-moves"]), ("i-n", [])])
def test_the_interface_of_a_node_that_serves_stays_where_it_is(instance: str, refused: list[str]) -> None:
    """As a plan that still holds the old slot would have it, after the move."""
    row = make_change(f"{MODULE}.aws_network_interface.this", "update", after={"attachment": [{"instance": instance, "device_index": 1}]})
    assert checks(judge_retired(make_plan_data(row), now("i-n", old="stopped"))) == refused


def test_before_the_stop_the_interface_is_to_be_updated_and_that_is_no_fault() -> None:
    place = now().place
    new = place.slot(NEW)
    assert new is not None
    row = make_change(f"{MODULE}.aws_network_interface.this", "update", after={"attachment": [{"instance": "i-n", "device_index": 1}]})
    assert checks(judge_node(make_plan_data(row, ENDED, TIED), place.in_slot(new), Layout({A: place}), ZONES)) == []
