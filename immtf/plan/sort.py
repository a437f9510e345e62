"""A full Terraform plan, sorted: what it wants of each node, what is shared, and what nobody may do.

Pure: rows in, kinds out. A node's kind follows from the rows of its own addresses: the row of its instance first, then those
of its attachments and volumes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.model.snapshot import ChangeKind, Move, NodeChange, SharedChange
from immtf.plan.judge import Refusal, acting, hard_rules, node_rules, refuse_detached, refuse_moved, refuse_rehomed
from immtf.plan.layout import ATTACHMENT
from immtf.plan.slots import slot_change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.layout import Layout, NodePlace
    from immtf.model.names import NodeId
    from immtf.model.terraform import Change, PlanData


@dataclass(frozen=True, slots=True)
class Sorted:
    """A full plan by whom it concerns; `refusals` is what must be mended before anything is touched."""

    nodes: Mapping[NodeId, NodeChange]
    shared: tuple[SharedChange, ...]
    outputs: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    moves: tuple[Move, ...] = ()


def sort_plan(plan: PlanData, layout: Layout, zones: Mapping[NodeId, Mapping[str, str]] | None = None) -> Sorted:
    """Sort the rows of a full plan by node; rows of no node are shared.

    `zones` maps each node's volume ids to their availability zones, so that what a node's own step would refuse is refused
    before the first node is touched.
    """
    rows: dict[NodeId, list[Change]] = defaultdict(list)
    shared = []
    for change in acting(plan):
        owner = layout.owner(change.address)
        if owner is None:
            shared.append(SharedChange(change.address, "/".join(change.actions)))
        else:
            rows[owner].append(change)
    every = {change.address: change for change in plan.changes if not change.deposed}
    nodes = {node: _node_change(layout.nodes[node], found, every) for node, found in rows.items()}
    removed = [node for node, change in nodes.items() if change.kind is ChangeKind.REMOVE]
    own = [refusal for node, found in rows.items() for refusal in node_rules(found, layout.nodes[node], (zones or {}).get(node, {}))]
    loose = refuse_detached([change for change in acting(plan) if layout.owner(change.address) is None])
    strange = refuse_rehomed(acting(plan), layout)
    refusals = (*hard_rules(plan), *refuse_moved(plan, layout), *_refuse_removed(removed, layout), *loose, *strange, *own)
    return Sorted(nodes=nodes, shared=tuple(shared), outputs=plan.outputs_changed, refusals=refusals, moves=moves_of(plan))


def moves_of(plan: PlanData) -> tuple[Move, ...]:
    """Return what is to move in the state, also where the object is found to be gone: targets have to name it all the same."""
    return tuple(dict.fromkeys(Move(row.address, row.previous) for row in (*plan.changes, *plan.drift) if row.previous))


def _node_change(place: NodePlace, rows: list[Change], every: Mapping[str, Change]) -> NodeChange:
    if place.slots:
        return slot_change(place, rows, every)
    instance = next((row for row in rows if row.address == place.instance and not row.deposed), None)
    reasons = tuple(instance.replace_paths or ((instance.reason,) if instance.reason else ())) if instance else ()
    image = str(instance.after.get("ami") or "") if instance else ""
    return NodeChange(_kind(place, instance, rows), reasons, image)


def _kind(place: NodePlace, instance: Change | None, rows: list[Change]) -> ChangeKind:
    if instance is None:
        return ChangeKind.ATTACH if any(row.type == ATTACHMENT for row in rows) else ChangeKind.UPDATE
    if instance.is_replace:
        return ChangeKind.REPLACE
    if instance.is_create:
        return ChangeKind.REBUILD if any(volume.volume_id for volume in place.volumes) else ChangeKind.CREATE
    return ChangeKind.REMOVE if instance.destroys or instance.is_forget else ChangeKind.UPDATE


def _refuse_removed(removed: list[NodeId], layout: Layout) -> list[Refusal]:
    if not removed:
        return []
    addresses = tuple(layout.nodes[node].instance for node in removed)
    mend = "an upgrade removes no node: keep its key in the configuration, or remove the node by hand first"
    return [Refusal("node-removed", addresses, "would be removed", mend)]
