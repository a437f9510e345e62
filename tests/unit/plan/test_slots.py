"""Slots: which instance has the node's volumes, which slot is wanted, what Terraform is to hold, and the steps that move a node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import PersonNeeded, UsageError
from immtf.model.block import Cluster, VolumeSpec
from immtf.model.layout import Held
from immtf.model.snapshot import ChangeKind, NodeNow
from immtf.model.terraform import Resource, StateData
from immtf.plan.decide import Act, Done, Halt, Wait, decide_apply
from immtf.plan.layout import lay_out
from immtf.plan.slots import held, seen_in_slots, serving, slot_change
from immtf.plan.sort import sort_plan
from immtf.plan.swap import Order, decide_move, decide_stop_old, orders, to_stop
from tests.fakes.builders import (
    A,
    make_change,
    make_instance,
    make_interface,
    make_plan_data,
    make_slotted_place,
    make_volume,
)
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from immtf.model.block import Block
    from immtf.model.cloud import Interface, Volume
    from immtf.model.layout import NodePlace
    from immtf.model.terraform import Change

OLD, NEW = "ami-old-1", "ami-new-1"
BOTH = {OLD: "i-a", NEW: "i-n"}
MODULE = 'module.server["a"]'


def now(
    volume: Volume | None = None,
    interface: Interface | None = None,
    *,
    old: str = "stopped",
    new: str = "running",
    place: NodePlace | None = None,
) -> NodeNow:
    """Return a node with both instances, as the cloud shows it."""
    place = place or make_slotted_place(slots=BOTH)
    instances = {"i-a": make_instance(old, "i-a"), "i-n": make_instance(new, "i-n", "ami-new")}
    return seen_in_slots(NodeNow(place, volumes={"data": volume}), {key: item for key, item in instances.items() if item.state}, interface)


def slotted(resources: dict[str, dict[str, object]], *, swapped: bool = True) -> tuple[Block, StateData]:
    rows = [make_change(f"{MODULE}.{name}") for name in resources]
    found = [
        Resource(row.address, MODULE, row.type, row.name, row.index, values) for row, values in zip(rows, resources.values(), strict=True)
    ]
    gateless = Cluster("server", "module.server", (), volumes={"data": VolumeSpec("data", "/data")})
    cluster = replace(gateless, strategy="swap" if swapped else "replace")
    return replace(make_block(), clusters={"server": cluster}), StateData(tuple(found), serial=1)


STATE: dict[str, dict[str, object]] = {
    f'aws_instance.this["{OLD}"]': {"id": "i-a"},
    "aws_ebs_volume.data": {"id": "vol-a"},
    "aws_network_interface.this": {"id": "eni-a", "private_ip": "10.0.0.9", "attachment": [{"instance": "i-a", "device_index": 2}]},
    "aws_volume_attachment.data": {"id": "vai-1", "instance_id": "i-a", "volume_id": "vol-a", "device_name": "/dev/xvdf"},
}


def test_a_node_with_slots_is_laid_out() -> None:
    block, state = slotted({f'aws_instance.this["{NEW}"]': {"id": "i-n"}, **STATE})
    place = lay_out(block, state).nodes[A]
    assert {slot.name: slot.instance_id for slot in place.slots} == {OLD: "i-a", NEW: "i-n"}
    assert (place.instance_id, place.instance) == ("i-a", f'{MODULE}.aws_instance.this["{OLD}"]')
    assert place.interface is not None
    assert (place.interface.interface_id, place.interface.ip, place.interface.index) == ("eni-a", "10.0.0.9", 2)
    assert place.volumes[0].device == "/dev/xvdf"
    assert place.instance_ids == {"i-a", "i-n"}
    assert place.slot("ami-x-1") is None


def test_a_slot_that_is_still_to_be_made_is_laid_out_and_one_that_went_is_not() -> None:
    """A plan goes on being looked at after parts of it are done: what it deletes is gone from the state by then."""
    block, state = slotted(STATE)
    made = make_change(f'{MODULE}.aws_instance.this["{NEW}"]', "create", after={"ami": "ami-new"})
    gone = make_change(f'{MODULE}.aws_instance.this["ami-x-1"]', "delete", before={"id": "i-x"})
    place = lay_out(block, state, make_plan_data(made, gone)).nodes[A]
    assert {slot.name: slot.instance_id for slot in place.slots} == {OLD: "i-a", NEW: ""}


def test_how_a_volume_is_to_be_tied_is_known_from_the_plan_where_the_state_lost_its_attachment() -> None:
    loose = {"id": "eni-a", "private_ip": "10.0.0.9", "attachment": []}
    kept = {name: values for name, values in STATE.items() if "attachment" not in name}
    block, state = slotted({**kept, "aws_network_interface.this": loose})
    after = {"device_name": "/dev/xvdg", "volume_id": "vol-a", "instance_id": "i-n"}
    place = lay_out(block, state, make_plan_data(make_change(f"{MODULE}.aws_volume_attachment.data", "create", after=after))).nodes[A]
    assert place.volumes[0].device == "/dev/xvdg"
    assert place.interface is not None
    assert place.interface.index == 1


def test_two_interfaces_are_none_that_could_move() -> None:
    block, state = slotted({**STATE, "aws_network_interface.other": {"id": "eni-b", "private_ip": "10.0.0.8"}})
    assert lay_out(block, state).nodes[A].interface is None


def test_instances_that_are_no_slots_are_refused_for_a_swap() -> None:
    block, state = slotted({"aws_instance.this": {"id": "i-a"}, "aws_ebs_volume.data": {"id": "vol-a"}})
    with pytest.raises(UsageError, match="strategy swap needs slots"):
        lay_out(block, state)


def test_several_instances_are_refused_where_nothing_is_to_be_swapped() -> None:
    block, state = slotted({f'aws_instance.this["{NEW}"]': {"id": "i-n"}, **STATE}, swapped=False)
    with pytest.raises(PersonNeeded, match="holds 2 instances"):
        lay_out(block, state)


@pytest.mark.parametrize(
    ("ties", "serves"),
    [
        ([("i-a", "attached")], "i-a"),
        ([("i-n", "attaching")], "i-n"),
        ([], "i-a"),
        ([("i-x", "attached")], "i-a"),
    ],
)
def test_the_instance_that_has_the_volume_is_the_node_s(ties: list[tuple[str, str]], serves: str) -> None:
    assert serving(make_slotted_place(slots=BOTH), {"data": make_volume(*ties)}).instance_id == serves


def test_the_node_s_address_is_its_interface_s() -> None:
    seen = now(make_volume(("i-n", "attached")), make_interface("i-n"))
    assert seen.instance is not None
    assert (seen.instance.instance_id, seen.instance.address) == ("i-n", "10.0.0.1")
    assert now(place=make_slotted_place(slots=BOTH, interface=False)).interface is None


@pytest.mark.parametrize("both", [True, False])
def test_what_terraform_is_to_hold_is_the_slot_that_serves(both: bool) -> None:
    assert held(now(make_volume(("i-a", "attached"))), NEW, both=both) == Held(OLD, "ami-old", both)
    assert held(now(make_volume(("i-n", "attached"))), OLD, both=both) == Held(NEW, "ami-new", both)
    assert held(now(place=make_slotted_place(slots={NEW: "i-n"})), NEW, both=both) is None


def made(slot: str = NEW, image: str = "ami-new") -> Change:
    return make_change(f'{MODULE}.aws_instance.this["{slot}"]', "create", after={"ami": image})


def gone(slot: str = OLD) -> Change:
    return make_change(f'{MODULE}.aws_instance.this["{slot}"]', "delete", before={"id": "i-a"})


def quiet(*slots: str) -> list[Change]:
    """Return the rows of a full plan in which nothing becomes of these slots; one that is neither there nor wanted has none."""
    return [make_change(f'{MODULE}.aws_instance.this["{slot}"]', "no-op", after={"ami": "ami-any"}) for slot in slots]


TIED = make_change(f"{MODULE}.aws_volume_attachment.data", "delete", "create")
CASES: dict[str, tuple[dict[str, str], list[Change], ChangeKind, str]] = {
    "another image": ({OLD: "i-a", NEW: ""}, [made(), gone(), TIED], ChangeKind.SWAP, NEW),
    "the new one is there": (BOTH, [gone(), TIED], ChangeKind.SWAP, NEW),
    "the old one is there, and the new one that was wanted for a while was ended by hand": (
        {OLD: "i-a", "ami-gone-1": "i-z"},
        [TIED],
        ChangeKind.ATTACH,
        OLD,
    ),
    "the new one is unfinished": (
        BOTH,
        [make_change(f'{MODULE}.aws_instance.this["{NEW}"]', "delete", "create"), gone()],
        ChangeKind.SWAP,
        NEW,
    ),
    "the old one is gone": ({OLD: "", NEW: ""}, [made()], ChangeKind.REBUILD, NEW),
    "the one that serves is to be made anew": (
        {OLD: "i-a"},
        [make_change(f'{MODULE}.aws_instance.this["{OLD}"]', "delete", "create", replace_paths=("subnet_id",))],
        ChangeKind.REPLACE,
        OLD,
    ),
    "an attachment is missing": ({OLD: "i-a"}, [make_change(f"{MODULE}.aws_volume_attachment.data", "create")], ChangeKind.ATTACH, OLD),
    "changed in place": ({OLD: "i-a"}, [make_change(f'{MODULE}.aws_instance.this["{OLD}"]', "update")], ChangeKind.UPDATE, OLD),
    "not wanted any more": ({OLD: "i-a"}, [gone()], ChangeKind.REMOVE, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_plan_wants_of_a_node_with_slots(case: str) -> None:
    slots, rows, kind, slot = CASES[case]
    change = slot_change(make_slotted_place(slots=slots), rows, {row.address: row for row in (*quiet(OLD, NEW), *rows)})
    assert (change.kind, change.slot) == (kind, slot)


def test_a_node_that_never_was_is_created() -> None:
    place = make_slotted_place(slots={NEW: ""})
    never = replace(place, volumes=(replace(place.volumes[0], volume_id=""),))
    assert slot_change(never, [made()], {made().address: made()}).kind is ChangeKind.CREATE


@pytest.mark.parametrize(("slot", "why"), [(NEW, "ami"), ("ami-old-2", "user_data")])
def test_why_another_slot_is_wanted(slot: str, why: str) -> None:
    row = made(slot)
    change = slot_change(make_slotted_place(slots={OLD: "i-a", slot: ""}), [row, gone()], {row.address: row})
    assert (change.reasons, change.image_id) == ((why,), "ami-new")


def test_a_swap_in_a_full_plan_is_no_refusal() -> None:
    block, state = slotted(STATE)
    plan = make_plan_data(made(), gone(), TIED)
    parts = sort_plan(plan, lay_out(block, state, plan))
    assert parts.refusals == ()
    assert parts.nodes[A].kind is ChangeKind.SWAP


@pytest.mark.parametrize(
    ("old", "kind"), [("running", Act), ("pending", Wait), ("stopping", Wait), ("stopped", Done), ("terminated", Done)]
)
def test_stop_old(old: str, kind: type) -> None:
    """F16, F17: also where it was ended by hand, and between two states; the new one is never stopped."""
    seen = now(make_volume(("i-a", "attached")), make_interface("i-a"), old=old)
    assert isinstance(decide_stop_old(seen, NEW), kind)
    assert to_stop(seen, NEW) == (["i-a"] if old == "running" else [])


def test_stop_old_where_there_is_no_other() -> None:
    assert decide_stop_old(now(place=make_slotted_place(slots={NEW: "i-n"})), NEW) == Done("no other instance")


MOVES: dict[str, tuple[Volume | None, Interface | None, str, type, list[Order]]] = {
    "both on the old one": (
        make_volume(("i-a", "attached")),
        make_interface("i-a"),
        "stopped",
        Act,
        [Order("detach", "i-a", "vol-a"), Order("detach", "i-a")],
    ),
    "the volume is free": (
        make_volume(),
        make_interface("i-a", "detaching"),
        "stopped",
        Act,
        [Order("attach", "i-n", "vol-a")],
    ),
    "both are free": (make_volume(), make_interface(), "stopped", Act, [Order("attach", "i-n", "vol-a"), Order("attach", "i-n")]),
    "both on their way off": (make_volume(("i-a", "detaching")), make_interface("i-a", "detaching"), "stopped", Wait, []),
    "both on their way on": (make_volume(("i-n", "attaching")), make_interface("i-n", "attaching"), "stopped", Wait, []),
    "both on the new one": (make_volume(("i-n", "attached")), make_interface("i-n"), "stopped", Done, []),
    "the volume is neither free nor tied": (make_volume(state="in-use"), make_interface("i-n"), "stopped", Wait, []),
    "the interface is neither free nor tied": (
        make_volume(("i-n", "attached")),
        replace(make_interface(), state="pending"),
        "stopped",
        Wait,
        [],
    ),
    "the old one runs": (make_volume(("i-a", "attached")), make_interface("i-a"), "running", Halt, []),
    "the volume is elsewhere": (make_volume(("i-x", "attached")), make_interface("i-a"), "stopped", Halt, []),
    "the interface is elsewhere": (make_volume(("i-a", "attached")), make_interface("i-x"), "stopped", Halt, []),
    "the volume is gone": (None, make_interface("i-a"), "stopped", Halt, []),
    "the interface is gone": (make_volume(("i-a", "attached")), None, "stopped", Halt, []),
    "the old one is stopping": (make_volume(("i-a", "attached")), make_interface("i-a"), "stopping", Wait, []),
}


@pytest.mark.parametrize("case", MOVES)
def test_move(case: str) -> None:
    """F13, F14, F18: never out of a running guest, never off an instance that is not this node's."""
    volume, interface, old, kind, wanted = MOVES[case]
    seen = now(volume, interface, old=old)
    assert isinstance(decide_move(seen, NEW), kind)
    if kind is not Halt:
        assert orders(seen, NEW) == wanted


def test_nothing_moves_to_an_instance_that_is_gone() -> None:
    seen = now(make_volume(("i-a", "attached")), make_interface("i-a"), new="terminated")
    assert isinstance(decide_move(seen, NEW), Halt)
    assert orders(seen, NEW) == []


def test_a_node_without_an_interface_moves_its_volumes() -> None:
    seen = now(make_volume(), place=make_slotted_place(slots=BOTH, interface=False))
    assert orders(seen, NEW) == [Order("attach", "i-n", "vol-a")]
    assert isinstance(decide_apply(seen), Act)


@pytest.mark.parametrize(
    ("interface", "kind"), [(make_interface("i-a"), Act), (make_interface(), Act), (make_interface("i-x"), Halt), (None, Halt)]
)
def test_nothing_is_applied_while_the_interface_is_astray(interface: Interface | None, kind: type) -> None:
    """F18: seen before anything is stopped."""
    assert isinstance(decide_apply(now(make_volume(("i-a", "attached")), interface)), kind)
