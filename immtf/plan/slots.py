"""Slots: which of a node's instances has its volumes, and which one Terraform wants to have them in the end.

A slot is named after what its instance is made from, so the one that is wanted follows from the configuration alone, and nothing has
to be remembered from one run to the next. Where the volumes are is asked of the cloud: Terraform's state learns of a move only after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.model.cloud import GONE
from immtf.model.layout import Held
from immtf.model.snapshot import ChangeKind, NodeChange, NodeNow
from immtf.plan.layout import ATTACHMENT, INSTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.cloud import Instance, Interface, Volume
    from immtf.model.layout import NodePlace
    from immtf.model.terraform import Change


def seen_in_slots(now: NodeNow, instances: Mapping[str, Instance], interface: Interface | None) -> NodeNow:
    """Return a node with its slots: as the node's instance stands the one that has its volumes, where the cloud shows any that has.

    `instances` are the cloud's, by id. The node's own private address is that of its interface, whichever instance has it.
    """
    place = serving(now.place, now.volumes, interface)
    instance = instances.get(place.instance_id)
    if instance is not None and place.interface is not None:
        instance = replace(instance, address=place.interface.ip)
    slots = {slot.name: instances.get(slot.instance_id) for slot in place.slots}
    return replace(now, place=place, instance=instance, slots=slots, interface=interface)


def serving(place: NodePlace, volumes: Mapping[str, Volume | None], interface: Interface | None = None) -> NodePlace:
    """Return the node's place with the slot that has its volumes; as the state tells where none has them, or several do.

    Of a node without volumes it is the slot that has its network interface.
    """
    owners = {interface.instance_id} if interface and not place.volumes else set()
    owners |= {tie.instance_id for volume in volumes.values() if volume for tie in volume.attachments}
    having = [slot for slot in place.slots if slot.instance_id and slot.instance_id in owners]
    return place.in_slot(having[0]) if len(having) == 1 else place


def beside(now: NodeNow) -> list[Instance]:
    """Return the living instances of a node that stand beside the one that has its volumes, or had them last: a swap is not finished."""
    live = [item for item in now.slots.values() if item is not None and item.state not in GONE]
    return [item for item in live if item.instance_id != now.place.instance_id]


def held(now: NodeNow, slot: str, *, both: bool) -> Held | None:
    """Return what Terraform is to keep while `slot` is made (`both`) or taken away again; None where nothing else is there to keep.

    Of several others it is the one that serves. An instance that is on its way out keeps nothing.
    """
    others = [(name, item) for name, item in now.slots.items() if name != slot and item is not None and item.state not in GONE]
    present = [(name, item) for name, item in others if now.instance is not None and item.instance_id == now.instance.instance_id]
    return Held((present or others)[0][0], (present or others)[0][1].image_id, both) if others else None


def slot_change(place: NodePlace, rows: list[Change], every: Mapping[str, Change]) -> NodeChange:
    """Return what a plan wants of a node with slots. `rows` are the node's acting ones, `every` has the quiet ones too, by address."""
    own = [row for row in rows if row.type == INSTANCE and not row.deposed]
    there = {slot.name for slot in place.slots if slot.instance_id}
    gone = {str(row.index) for row in own if row.is_delete or row.is_forget}
    made = {str(row.index) for row in own if row.is_create}
    lost = {slot.name for slot in place.slots if slot.address not in every}  # no longer there, and so in no plan; the state has it still
    wanted = sorted((there | made) - gone - lost, key=lambda name: (name not in made, name))
    if not wanted:
        return NodeChange(ChangeKind.REMOVE)
    slot = place.slot(wanted[0])
    row = every.get(slot.address) if slot else None
    paths = tuple(path for item in own for path in item.replace_paths)
    kind = _kind(place, rows, there=there, moving=bool(made or gone))
    return NodeChange(kind, paths or _reasons(place, row), str(row.after.get("ami") or "") if row else "", wanted[0])


def _kind(place: NodePlace, rows: list[Change], *, there: set[str], moving: bool) -> ChangeKind:
    remade = [row for row in rows if row.type == INSTANCE and row.is_replace and not row.deposed]
    if not there:
        return ChangeKind.REBUILD if any(volume.volume_id for volume in place.volumes) else ChangeKind.CREATE
    if any(row.address == place.instance for row in remade):
        return ChangeKind.REPLACE  # something forces the very instance that serves to be made anew: its slot stays
    if moving or remade:
        return ChangeKind.SWAP
    return ChangeKind.ATTACH if any(row.type == ATTACHMENT for row in rows) else ChangeKind.UPDATE


def _reasons(place: NodePlace, row: Change | None) -> tuple[str, ...]:
    """Return why another slot is wanted: its image is another one, or what its instance is told at its first boot."""
    if row is None or not row.is_create:
        return ()
    old = next((slot.name.rpartition("-")[0] for slot in place.slots if slot.address == place.instance), "")
    return ("user_data",) if old == str(row.index).rpartition("-")[0] else ("ami",)
