"""Where the nodes of a block are in Terraform: addresses only, read from its JSON, never written down a second time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId


@dataclass(frozen=True, slots=True)
class VolumePlace:
    """A data volume of a node: its name in the block's file, its address, its mount point, and its id ("" before it exists).

    `device` is what it is attached as, "" where Terraform has no attachment of it.
    """

    name: str
    address: str
    mount: str
    volume_id: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SlotPlace:
    """One of the instances that a node may have side by side (strategy `swap`): its slot's name, address, and id ("" before it exists)."""

    name: str
    address: str
    instance_id: str
    tainted: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A slot that a node keeps in the middle of its swap: beside the wanted one (`both`), or alone."""

    slot: str
    image_id: str
    both: bool


NOTHING_HELD: Final[Mapping[str, Held]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InterfacePlace:
    """A node's own network interface: its address in Terraform, its id, and the private address (`ip`) that goes with it.

    `index` is its place among the interfaces of the instance that has it.
    """

    address: str
    interface_id: str
    ip: str
    index: int = 1


@dataclass(frozen=True, slots=True)
class NodePlace:
    """A node: what a step on it targets, which addresses are its own, and the ids that Terraform's state holds now.

    `targets` is the node's module, or its resources where the nodes are no modules. `instance_id` is "" where the state has none.
    A node with `slots` may have several instances: `instance` and `instance_id` are those of the one that has, or had last, its volumes.
    """

    node: NodeId
    targets: tuple[str, ...]
    instance: str
    instance_id: str
    addresses: frozenset[str]
    volumes: tuple[VolumePlace, ...]
    tainted: bool = False
    deposed: bool = False
    slots: tuple[SlotPlace, ...] = ()
    interface: InterfacePlace | None = None

    @property
    def instance_ids(self) -> frozenset[str]:
        """Return the ids of all instances that the state has of this node."""
        return frozenset({self.instance_id, *(slot.instance_id for slot in self.slots)} - {""})

    def slot(self, name: str) -> SlotPlace | None:
        """Return a slot by its name, or None where the node has none of that name."""
        return next((slot for slot in self.slots if slot.name == name), None)

    def in_slot(self, slot: SlotPlace) -> NodePlace:
        """Return the node as it is with its volumes on this slot's instance."""
        return replace(self, instance=slot.address, instance_id=slot.instance_id, tainted=slot.tainted)


@dataclass(frozen=True, slots=True)
class Layout:
    """All nodes of a block, and whose each address is."""

    nodes: Mapping[NodeId, NodePlace] = field(default_factory=dict)

    def owner(self, address: str) -> NodeId | None:
        """Return the node that an address belongs to, or None where it belongs to no node."""
        for node, place in self.nodes.items():
            if address in place.addresses or any(address.startswith(f"{target}.") for target in place.targets):
                return node
        return None
