"""The plan judge: may this very plan be applied in this step?

A step has an allow-list (its node, or the shared addresses). On top stand hard rules that nothing overrides: a data volume is
never deleted or replaced, by anyone's step; a failed plan is no plan. Every refusal has a name (`plan.checks` tells which of them
a person may let pass), the offending addresses and the way to mend them. Rows of Terraform's plan are the only evidence: targets
are a wish, and Terraform adds to them (measured: a target on one attachment replaced every node's instance; `prevent_destroy` is
gone with its block).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.errors import PlanRefused
from immtf.plan.checks import named, way_past
from immtf.plan.layout import ATTACHMENT, INSTANCE, INTERFACE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.model.layout import Layout, NodePlace
    from immtf.model.names import NodeId
    from immtf.model.snapshot import Move
    from immtf.model.terraform import Change, PlanData


_NODES_OWN = frozenset({INSTANCE, VOLUME, ATTACHMENT, INTERFACE})
REFUSED = "the plan was refused, nothing of it was applied: "


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plan may not be applied: the check's id, the offending addresses, and how to mend it."""

    check: str
    addresses: tuple[str, ...]
    what: str
    mend: str


def acting(plan: PlanData) -> list[Change]:
    """Return the rows that would change something: no reads, no no-ops."""
    return [change for change in plan.changes if change.mode == "managed" and not change.is_noop]


def hard_rules(plan: PlanData) -> list[Refusal]:
    """Return what no step may ever do, whoever asks for it; only `destroy` of a whole environment deletes volumes."""
    refusals = []
    if plan.errored:
        refusals.append(Refusal("plan-errored", (), "Terraform says that this plan failed", "read Terraform's own messages above"))
    rows = acting(plan)
    refusals += refuse_rows(
        [row for row in rows if row.type == VOLUME and (row.destroys or row.is_forget)],
        "volume-deleted",
        "would be deleted, replaced or forgotten, and it holds data",
        "find what forces it (a zone, a size made smaller, a key renamed, a count shifted) and take it out of the configuration",
    )
    refusals += refuse_rows(
        [row for row in rows if row.deposed],
        "deposed",
        "is left over from an interrupted replacement",
        "look at it, then remove it alone: plan with the image that the node has now and `terraform plan -target=ADDRESS -out=FILE`, "
        "and apply that file only if it destroys the deposed object and nothing else",
    )
    return refusals


def judge_node(plan: PlanData, place: NodePlace, layout: Layout, zones: Mapping[str, str]) -> list[Refusal]:
    """Judge the plan of one node's step. `zones` maps the node's volume ids to their availability zones."""
    rows = acting(plan)
    others = [row for row in rows if layout.owner(row.address) not in {None, place.node}]
    shared = [row for row in rows if layout.owner(row.address) is None]
    return [
        *hard_rules(plan),
        *refuse_rows(
            others, "other-node", f"is another node's, not {place.node}'s", "give each node a module of its own, so that it can be targeted"
        ),
        *refuse_rows(shared, "shared-change", "belongs to no node", "run `immtf upgrade` again: shared changes are a stage of their own"),
        *refuse_detached(shared),
        *refuse_rehomed(rows, layout),
        *refuse_rows(
            [row for row in rows if row.address == place.instance and (row.is_delete or row.is_forget)],
            "node-removed",
            "would be removed",
            "an upgrade removes no node: keep its key in the configuration",
        ),
        *node_rules(rows, place, zones),
    ]


def judge_alive(plan: PlanData, place: NodePlace) -> list[Refusal]:
    """Judge the plan of a step whose node runs and is to go on running: its instance may not be destroyed under its volumes."""
    rows = [row for row in acting(plan) if row.address == place.instance and row.destroys]
    mend = "run `immtf upgrade` again: it plans anew, and stops an instance before it lets it go"
    return [
        *refuse_rows(rows, "running-instance", "runs and would be destroyed without having been stopped", mend),
        *refuse_detached([row for row in acting(plan) if row.address in place.addresses]),
    ]


def judge_shared(plan: PlanData, layout: Layout) -> list[Refusal]:
    """Judge the plan of the shared stage: nothing of any node may be in it."""
    mine = [row for row in acting(plan) if layout.owner(row.address) is not None]
    mend = "nodes are changed one at a time, in steps of their own"
    refused = refuse_rows(mine, "node-in-shared", "is a node's, and came along with a shared change", mend)
    return [*hard_rules(plan), *refused, *refuse_detached(acting(plan)), *refuse_rehomed(acting(plan), layout)]


def judge_create(plan: PlanData, layout: Layout) -> list[Refusal]:
    """Judge the plan of `create`: it makes what isn't there, and takes nothing away; a node that is there already is `upgrade`'s."""
    rows = acting(plan)
    touched = [row for row in rows if layout.owner(row.address) is not None and (row.destroys or row.is_update)]
    gone = [row for row in rows if (row.destroys or row.is_forget) and row not in touched]
    return [
        *hard_rules(plan),
        *refuse_rows(touched, "node-exists", "is there and would be changed", "use `immtf upgrade` for what exists"),
        *refuse_rows(
            gone, "create-destroys", "would be taken away", "is this the right environment and version? `immtf upgrade` changes what exists"
        ),
        *refuse_detached(gone),
        *refuse_rehomed(rows, layout),
    ]


def judge_destroy(plan: PlanData) -> list[Refusal]:
    """Judge the plan of `destroy`: it may only delete."""
    rows = [row for row in acting(plan) if row.actions != ("delete",)]
    return refuse_rows(rows, "not-a-delete", "would be changed by a destroy", "run destroy again; if it stays, destroy it by hand")


def refuse(refusals: Iterable[Refusal], where: str) -> None:
    """Raise `PlanRefused` with every refusal in it, or return where there is none."""
    found = list(refusals)
    if not found:
        return
    lines = [f"{named(item.check)}{', '.join(item.addresses) or 'the plan'} {item.what}" for item in found]
    raise PlanRefused(
        REFUSED + "; ".join(lines),
        where=where,
        next="; ".join(dict.fromkeys(f"{item.mend}{way_past(item.check)}" for item in found)),
    )


def node_rules(rows: list[Change], place: NodePlace, zones: Mapping[str, str]) -> list[Refusal]:
    """Return what a node's step may not do to its own node; `zones` as for `judge_node`."""
    instance = [row for row in rows if row.type == INSTANCE and (place.slots or row.address == place.instance)]
    swapped = bool(place.slots) and any(row.is_delete for row in instance)
    kept = {volume.address for volume in place.volumes if volume.volume_id}
    return [
        *refuse_rows(
            [row for row in instance if row.creates_first],
            "create-before-destroy",
            "is created before the old one is destroyed, so two instances would want one volume",
            "take create_before_destroy from it and from what depends on it, or use strategy swap",
        ),
        *refuse_rows(
            [row for row in rows if row.type == VOLUME and row.is_create and (row.address in kept or place.instance_id)],
            "volume-made-anew",
            "would be made although the node is there and has its data somewhere",
            "the state lost the volume: import it under this address (where it never was: `immtf create`)",
        ),
        *refuse_rows(
            [row for row in instance if _zone_differs(row, zones)],
            "zone",
            "would be in another availability zone than the node's volume",
            "volumes can't leave their zone: put the node back into it",
        ),
        *refuse_rows(
            [row for row in instance if takes_data_along(row)],
            "data-disk",
            "has a block device of its own that is deleted with it",
            "put data on an aws_ebs_volume with an aws_volume_attachment",
        ),
        *refuse_rows(
            [row for row in rows if row.type == INTERFACE and (row.destroys or row.is_forget)],
            "interface-deleted",
            "would be deleted, replaced or forgotten, and the node's address goes with it",
            "find what forces it (another subnet, another address) and take it out of the configuration",
        ),
        *([] if swapped or any("create" in row.actions for row in instance) else refuse_detached(rows)),
    ]


def _zone_differs(row: Change, zones: Mapping[str, str]) -> bool:
    """Return whether the instance would be, or might be, in another zone than a volume: another subnet with an unknown zone might."""
    zone = row.after.get("availability_zone")
    if not zone:
        return bool(zones) and row.is_replace and "subnet_id" in row.replace_paths
    return any(zone != other for other in zones.values())


def takes_data_along(row: Change) -> bool:
    """Return whether a disk goes with the instance: one it is to have, or one that the instance that goes has now."""
    wanted, present = doomed_disks(row.after), doomed_disks(row.before) if row.destroys else ()
    return bool(wanted or present)


def doomed_disks(instance: Mapping[str, Any]) -> list[Any]:
    """Return the disks of an instance's own that are deleted with it, without its root disk.

    Where a data volume was attached when the instance was last written down, and is not now, the provider names the root disk
    here as well (measured with 3.39.0, after the detach; its own `root_block_device` names the same volume).
    """
    roots = {disk.get("volume_id") for disk in _disks(instance, "root_block_device")} - {"", None}
    disks = _disks(instance, "ebs_block_device")
    return [disk for disk in disks if disk.get("delete_on_termination") and disk.get("volume_id") not in roots]


def _disks(instance: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = instance.get(key)
    return found if isinstance(found, (list, tuple)) else ()


def refuse_detached(rows: list[Change]) -> list[Refusal]:
    """Refuse attachments that would go while nobody has stopped their instance."""
    mend = "make that change by hand: stop the instance first, so that nothing writes to the volume"
    return refuse_rows(
        [row for row in rows if row.type == ATTACHMENT and row.destroys],
        "attachment-destroyed",
        "would be detached from an instance that has not been stopped",
        mend,
    )


def refuse_rehomed(rows: list[Change], layout: Layout) -> list[Refusal]:
    """Refuse what gives a node's volume to another node: an attachment across nodes, or a name that moves on (a count shifted)."""
    homes = {volume.volume_id: node for node, place in layout.nodes.items() for volume in place.volumes if volume.volume_id}
    homes |= {identity: node for node, place in layout.nodes.items() for identity in place.instance_ids}
    strangers = [row for row in rows if row.type == ATTACHMENT and _crosses(row, homes, layout)]
    renamed = [row for row in rows if row.type in {INSTANCE, VOLUME} and _is_renamed(_tagged(row.before), _tagged(row.after))]
    return refuse_rows(
        [*strangers, *renamed],
        "rehomed",
        "would give a volume and its data to another node",
        "name nodes by keys that stay (a module per node, or for_each), never by their position; keep each key's volume",
    )


def _crosses(row: Change, homes: Mapping[str, NodeId], layout: Layout) -> bool:
    """Return whether an attachment would tie what belongs to a node to anything that isn't this node's."""
    ends = {homes[end] for name in ("volume_id", "instance_id") if (end := str(row.after.get(name) or "")) in homes}
    return bool(ends) and ends != {layout.owner(row.address)}


def _is_renamed(before: str, after: str) -> bool:
    return bool(before and after) and before != after


def _tagged(values: Mapping[str, Any]) -> str:
    tags = values.get("tags")
    return str(tags.get("immtf:node") or "") if isinstance(tags, dict) else ""


def refuse_moved(plan: PlanData, layout: Layout) -> list[Refusal]:
    """Refuse nodes that change their addresses (under two names, one instance would be two nodes), and what changes its node."""
    rows = [row for row in (*plan.changes, *plan.drift) if row.previous and (row.type in _NODES_OWN or _changes_owner(row, layout))]
    mend = "carry the move out first, alone: `terraform apply -refresh-only` after reading that it has nothing but the move"
    return refuse_rows(rows, "moved", "would move to this address", mend)


def _changes_owner(row: Change, layout: Layout) -> bool:
    return layout.owner(row.address) != layout.owner(row.previous)


def judge_moves(plan: PlanData, moves: Iterable[Move], layout: Layout) -> list[Refusal]:
    """Judge the plan that records moves: these and no others, nothing changes, and nothing is found gone on the way."""
    shown = {(move.address, move.previous) for move in moves}
    strange = [row for row in plan.drift if row.previous and (row.address, row.previous) not in shown]
    gone = [row for row in plan.drift if row.destroys or row.is_forget]
    again = "run `immtf upgrade` again: it plans anew"
    look = "find out who removed it; once that is known, `terraform apply -refresh-only` records it, and the moves"
    return [
        *hard_rules(plan),
        *refuse_moved(plan, layout),
        *refuse_rows(acting(plan), "moves-only", "would change where only addresses are recorded", again),
        *refuse_rows(strange, "moves-only", "would move to this address, and that was not in the plan that was shown", again),
        *refuse_rows(gone, "moves-only", "is gone, and would be taken out of the state along with the moves", look),
    ]


def refuse_rows(rows: list[Change], check: str, what: str, mend: str) -> list[Refusal]:
    """Return the refusal of these rows, or nothing where there is none."""
    return [Refusal(check, tuple(dict.fromkeys(row.address for row in rows)), what, mend)] if rows else []
