"""From Terraform's own JSON to the nodes of a block: which addresses are whose, and which ids the state holds.

Three layouts are understood. A module per node (`nodes: module.server`, the recommended one): everything in
`module.server["a"]` is node a's. Resources with keys (`nodes: aws_instance.server`): the instance, and the volumes and
attachments beside it with the same key. Either of them counted (`count`): then a node's key is its position, which is warned of,
since positions shift when one is taken out. Targets follow: the module, or the node's resources together (an attachment alone
would pull in every node: it refers to the whole resource). With strategy `swap` a node's module has its instances in slots
(`aws_instance.this["ami-1-0a1b2c3d"]`), and mostly a network interface of its own.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import PersonNeeded, UsageError
from immtf.model.layout import InterfacePlace, Layout, NodePlace, SlotPlace, VolumePlace
from immtf.model.names import NodeId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.model.block import Block, Cluster
    from immtf.model.terraform import Change, PlanData, StateData

INSTANCE = "aws_instance"
VOLUME = "aws_ebs_volume"
ATTACHMENT = "aws_volume_attachment"
INTERFACE = "aws_network_interface"
SWAP = "swap"
_COUNTED = re.compile(r"\[\d+\]$")
_KEY = re.compile(r'\[("(?:[^"\\]|\\.)*"|\d+)\]')


@dataclass(frozen=True, slots=True)
class _Place:
    """One resource instance, from the state or, where it is not there yet, from a plan."""

    address: str
    module: str
    type: str
    name: str
    index: str | int | None
    values: Mapping[str, object]
    tainted: bool = False
    deposed: bool = False

    @property
    def identity(self) -> str:
        """The id that it has now, "" before it exists."""
        return self.text("id")

    def text(self, name: str) -> str:
        """Return one of its values now as a text, "" where it has none."""
        return str(self.values.get(name) or "")


def lay_out(block: Block, state: StateData, plan: PlanData | None = None) -> Layout:
    """Return where every node of the block is, from the state and, for nodes still to be made, from a plan.

    Without a plan a node may have no instance: a create or a replacement was interrupted. Raises `PersonNeeded` where a node's
    module holds several instances that are no slots, or none with what the plan adds; `UsageError` where a volume of the block's file
    can't be told, or where a node that is to be swapped has no slots.
    """
    places = _places(state, plan)
    nodes: dict[NodeId, NodePlace] = {}
    for cluster in block.clusters.values():
        for (key, target), found in sorted(_by_node(cluster, places).items()):
            node = NodeId(cluster.name, key)
            nodes[node] = _node_place(node, target, found, cluster, planned=plan is not None)
    return Layout(nodes)


def lint_layout(layout: Layout) -> list[str]:
    """Return a warning for each cluster whose nodes are counted."""
    counted = {node.cluster: place.targets[0] for node, place in sorted(layout.nodes.items()) if _COUNTED.search(place.targets[0])}
    return [
        f"cluster {cluster}: its nodes are counted, as in {example}. Taking out any node but the last would give every later volume to "
        "another node (such a plan is refused). Give each node a module of its own with for_each (recommended), or use for_each in "
        "place of count, with names that stay as keys"
        for cluster, example in counted.items()
    ]


def _places(state: StateData, plan: PlanData | None) -> list[_Place]:
    known = {
        (item.address, item.deposed): _Place(
            item.address, item.module, item.type, item.name, item.index, item.values, item.tainted, bool(item.deposed)
        )
        for item in state.resources
        if item.mode == "managed"
    }
    for change in plan.changes if plan else ():
        if change.mode == "managed" and (change.address, change.deposed) not in known and not (change.is_noop or change.is_delete):
            known[(change.address, change.deposed)] = _Place(
                change.address, change.module, change.type, change.name, change.index, change.before or _tie(change)
            )
    return list(known.values())


def _tie(change: Change) -> Mapping[str, object]:
    """Return what a plan says of an attachment that the state has not: how things are to be tied is known before they are."""
    return {name: change.after.get(name) for name in ("volume_id", "device_name")} if change.type == ATTACHMENT else {}


def _by_node(cluster: Cluster, places: Iterable[_Place]) -> Mapping[tuple[str, str], list[_Place]]:
    """Group a cluster's resources by (key, target); the target is the module, or "" in the layout with keyed resources."""
    found: dict[tuple[str, str], list[_Place]] = defaultdict(list)
    if cluster.nodes.split(".")[-2:-1] == ["module"]:
        for place in places:
            match = _KEY.match(place.module, len(cluster.nodes)) if place.module.startswith(cluster.nodes + "[") else None
            if match:
                found[(str(json.loads(match[1])), place.module[: match.end()])].append(place)
        return found
    module, _, name = cluster.nodes.rpartition(f"{INSTANCE}.")
    module = module.rstrip(".")
    for place in places:
        mine = place.type in {VOLUME, ATTACHMENT} or (place.type == INSTANCE and place.name == name)
        if mine and place.module == module and place.index is not None:
            found[(str(place.index), "")].append(place)
    return {key: group for key, group in found.items() if any(place.type == INSTANCE for place in group)}


def _node_place(node: NodeId, target: str, found: list[_Place], cluster: Cluster, *, planned: bool) -> NodePlace:
    instances = [place for place in found if place.type == INSTANCE and not place.deposed]
    slotted = cluster.strategy == SWAP
    if slotted:
        _refuse_slotless(instances, node)
    if (len(instances) > 1 and not slotted) or (planned and not instances):
        what = f"holds {len(instances)} instances; a node has exactly one" + "".join(f", {place.address}" for place in instances)
        mend = "give every node a module of its own with one aws_instance in it, or several slots and `strategy: swap`"
        raise PersonNeeded(what, where=target or str(node), next=mend)
    instance = _active(instances, found)
    return NodePlace(
        node=node,
        targets=(target,) if target else tuple(sorted(place.address for place in found)),
        instance=instance.address if instance else "",
        instance_id=instance.identity if instance else "",
        addresses=frozenset(place.address for place in found),
        volumes=_volumes(node, [place for place in found if place.type == VOLUME and not place.deposed], cluster, _devices(found)),
        tainted=instance is not None and instance.tainted,
        deposed=any(place.deposed for place in found),
        slots=tuple(SlotPlace(str(item.index), item.address, item.identity, item.tainted) for item in instances) if slotted else (),
        interface=_interface(found) if slotted else None,
    )


def _refuse_slotless(instances: Iterable[_Place], node: NodeId) -> None:
    """Refuse instances that stand alone in their module: no second one could be made beside them."""
    alone = [place.address for place in instances if not isinstance(place.index, str) or not place.module]
    if alone:
        what = f"strategy swap needs slots, and {', '.join(alone)} is no slot: no second instance can be made beside it"
        raise UsageError(what, where=str(node), next="use a module with slots, such as modules/slotted-node, or strategy: replace")


def _active(instances: Sequence[_Place], found: Iterable[_Place]) -> _Place | None:
    """Return the instance that the state's attachments name; where they name none, one that exists, then any."""
    named = {place.text("instance_id") for place in found if place.type == ATTACHMENT and not place.deposed} - {""}
    ranked = sorted(instances, key=lambda place: (place.identity not in named, not place.identity, str(place.index)))
    return ranked[0] if ranked else None


def _interface(found: Iterable[_Place]) -> InterfacePlace | None:
    """Return the node's own network interface; None where it has none, or several, of which nobody could tell the one that is to move."""
    own = [place for place in found if place.type == INTERFACE and not place.deposed]
    if len(own) != 1:
        return None
    ties = own[0].values.get("attachment")
    indices = [int(tie["device_index"]) for tie in ties if tie.get("device_index")] if isinstance(ties, list) else []
    return InterfacePlace(own[0].address, own[0].identity, own[0].text("private_ip"), indices[0] if indices else 1)


def _devices(found: Iterable[_Place]) -> Mapping[str, str]:
    """Return by volume id what each volume is attached as."""
    ties = [place for place in found if place.type == ATTACHMENT and not place.deposed]
    return {place.text("volume_id"): place.text("device_name") for place in ties}


def _volumes(node: NodeId, found: list[_Place], cluster: Cluster, devices: Mapping[str, str]) -> tuple[VolumePlace, ...]:
    """Match the block file's volumes with Terraform's: the only one of each, else by the resource's name."""
    mounts = {name: spec.mount for name, spec in cluster.volumes.items()}
    if len(mounts) == len(found) == 1:
        name, mount = next(iter(mounts.items()))
        return (VolumePlace(name, found[0].address, mount, found[0].identity, devices.get(found[0].identity, "")),)
    missing = sorted(set(mounts) - {place.name for place in found})
    if missing:
        names = ", ".join(sorted(place.name for place in found)) or "none"
        raise UsageError(
            f"no volume named {', '.join(missing)} in Terraform; there are: {names}",
            where=f"{node}",
            next="name the volumes in immtf.yaml as their aws_ebs_volume resources are named",
        )
    return tuple(
        VolumePlace(place.name, place.address, mounts.get(place.name, ""), place.identity, devices.get(place.identity, ""))
        for place in found
    )
