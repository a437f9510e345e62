"""What strategy swap relies on in Terraform and its provider, held against the real ones: slots, and what is made of a move by the API.

The numbers of calls are those of provider 3.39, and the same for three nodes and for nine: what a step costs doesn't grow with the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.swap_world import SwapWorld, rows, swap_world
from tests.contract.terraform_world import needs_terraform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.adapters.terraform import SavedPlan

pytestmark = [pytest.mark.terraform, pytest.mark.lab(minutes=4), needs_terraform]

A = 'module.server["a"]'
INTERFACE = "aws_network_interface"
COST = {
    "one slot, planned": 2,
    "one slot, made": 11,
    "one slot, removed": 4,
    "one node, planned": 25,
    "one node, ended": 7,
    "everything else, planned": 15,
    "each node, planned": 10,
}
CHANGES = {"RunInstances", "TerminateInstances", "AttachVolume", "DetachVolume", "AttachNetworkInterface", "DetachNetworkInterface"}


@pytest.fixture
def three(tmp_path: Path) -> Iterator[SwapWorld]:
    with swap_world(tmp_path, "abc") as world:
        world.create()
        yield world


@pytest.fixture
def nine(tmp_path: Path) -> Iterator[SwapWorld]:
    with swap_world(tmp_path, "abcdefghi") as world:
        world.create()
        yield world


def swapping(world: SwapWorld, node: str) -> list[str]:
    """Write the rows of a node whose whole swap is still to come."""
    return sorted([f'module.server["{node}"].aws_instance.this["{world.wanted(node)}"] create', *retiring(world, node)])


def retiring(world: SwapWorld, node: str) -> list[str]:
    """Write the rows of a node whose new instance is there, and which hasn't moved yet."""
    module = f'module.server["{node}"]'
    return [
        f'{module}.aws_instance.this["{world.slots[node]}"] delete (delete_because_each_key)',
        f'{module}.{INTERFACE}.this["own"] update',
        f"{module}.aws_volume_attachment.data delete+create (instance_id)",
    ]


def slot_of_a(world: SwapWorld) -> str:
    return f'{A}.aws_instance.this["{world.wanted("a")}"]'


def only_slot(world: SwapWorld, *, both: bool) -> SavedPlan:
    """Plan the wanted slot of a and nothing else, without a look at what it can't touch."""
    return world.terraform(world.new).plan(targets=[slot_of_a(world)], refresh=False, held=world.held("a", both=both))


def changing(calls: dict[str, int]) -> dict[str, int]:
    """Return the calls that change instances and what is attached to them."""
    return {name.removeprefix("ec2."): count for name, count in calls.items() if name.removeprefix("ec2.") in CHANGES}


def test_a_node_is_swapped_and_the_state_is_exact(three: SwapWorld) -> None:
    """The whole road of one node: the new image, the slot made, the move by the API, what ends it, and the destruction of all."""
    terraform = three.terraform(three.new)
    assert rows(three.terraform(three.old).plan().data) == []
    with three.counted() as calls:
        assert rows(terraform.plan().data) == [row for node in "abc" for row in swapping(three, node)]
    assert sum(calls.values()) == COST["everything else, planned"] + 3 * COST["each node, planned"]
    every = {**three.held("a", both=False), **three.held("b", both=False), **three.held("c", both=False)}
    assert rows(terraform.plan(held=every).data) == []

    with three.counted() as calls:
        made = only_slot(three, both=True)
    assert rows(made.data) == [f"{slot_of_a(three)} create"]
    assert sum(calls.values()) == COST["one slot, planned"]
    with three.counted() as calls:
        terraform.apply(made)
    assert (changing(calls), sum(calls.values())) == ({"RunInstances": 1}, COST["one slot, made"])
    assert rows(terraform.plan(targets=[A], held=three.held("a", both=True)).data) == []
    assert rows(terraform.plan(targets=[A]).data) == retiring(three, "a")

    old, new = three.instance("a", three.slots["a"]), three.instance("a", three.wanted("a"))
    assert three.where("a") == (old, old)
    three.stop(old)
    assert rows(terraform.plan(targets=[A]).data) == retiring(three, "a")
    three.move("a", old, new)
    _ended(three, old, new)

    rest = [row for node in "bc" for row in swapping(three, node)]
    assert rows(terraform.plan().data) == rest
    _destroyed(three)


def _ended(world: SwapWorld, old: str, new: str) -> None:
    """End the swap of a, whose new instance runs and has everything: the volume's attachment is adopted, the old instance goes."""
    terraform = world.terraform(world.new)
    held = terraform.plan(targets=[A], held=world.held("a", both=True))
    assert f'{A}.{INTERFACE}.this["own"] update' in rows(held.data), (
        "what is held after the move would be moved back: never applied by then"
    )
    last = terraform.plan(targets=[A])
    assert rows(last.data) == [retiring(world, "a")[0], f"{A}.aws_volume_attachment.data create"]
    with world.counted() as calls:
        terraform.apply(last)
    assert changing(calls) == {"TerminateInstances": 1}, "nothing is attached or detached again"
    assert sum(calls.values()) == COST["one node, ended"]
    assert (world.lab.state(old), world.lab.state(new), world.where("a")) == ("terminated", "running", (new, new))
    assert rows(terraform.plan(targets=[A]).data) == []


def _destroyed(world: SwapWorld) -> None:
    """Destroy the whole block: the interface and the volume leave the instance before it goes."""
    terraform = world.terraform(world.new)
    saved = terraform.plan(destroy=True)
    world.events.clear()
    terraform.apply(saved)
    assert terraform.state().resources == ()
    told = [(event.kind, event.address.removeprefix(f"{A}.")) for event in world.events if event.address.startswith(A)]
    instance = f'aws_instance.this["{world.wanted("a")}"]'
    for before, after in (
        (f'{INTERFACE}.this["own"]', instance),
        ("aws_volume_attachment.data", instance),
        ("aws_volume_attachment.data", "aws_ebs_volume.data"),
    ):
        assert told.index(("apply_complete", before)) < told.index(("apply_start", after))


def test_a_new_instance_is_removed_or_taken_up_and_costs_the_same_however_many_nodes_there_are(nine: SwapWorld) -> None:
    """F7: an instance that a killed Terraform left is taken into the state; none of it reads or touches another node."""
    terraform = nine.terraform(nine.new)
    with nine.counted() as calls:
        assert len(rows(terraform.plan().data)) == 9 * 4
    assert sum(calls.values()) == COST["everything else, planned"] + 9 * COST["each node, planned"]
    with nine.counted() as calls:
        made = only_slot(nine, both=True)
    assert sum(calls.values()) == COST["one slot, planned"]
    with nine.counted() as calls:
        terraform.apply(made)
    assert sum(calls.values()) == COST["one slot, made"]

    first = nine.instance("a", nine.wanted("a"))
    terraform.forget(slot_of_a(nine))
    terraform.adopt(slot_of_a(nine), first)
    assert nine.instance("a", nine.wanted("a")) == first
    (row,) = (change for change in terraform.plan(targets=[A], held=nine.held("a", both=True)).data.changes if not change.is_noop)
    assert (row.address, {name for name in row.after if row.after[name] != row.before[name]}) == (slot_of_a(nine), {"timeouts"})

    gone = only_slot(nine, both=False)
    assert rows(gone.data) == [f"{slot_of_a(nine)} delete (delete_because_each_key)"]
    with nine.counted() as calls:
        terraform.apply(gone)
    assert sum(calls.values()) == COST["one slot, removed"]
    assert changing(calls) == {"TerminateInstances": 1}
    with nine.counted() as calls:
        assert rows(terraform.plan(targets=[A], held=nine.held("a", both=False)).data) == []
    assert sum(calls.values()) == COST["one node, planned"]
    assert nine.where("a") == (nine.instance("a", nine.slots["a"]),) * 2
