"""Where the nodes of a block are in Terraform: addresses only, read from its JSON, never written down a second time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId


@dataclass(frozen=True, slots=True)
class VolumePlace:
    """A data volume of a node: its name in the block's file, its address, its mount point, and its id ("" before it exists)."""

    name: str
    address: str
    mount: str
    volume_id: str


@dataclass(frozen=True, slots=True)
class NodePlace:
    """A node: what a step on it targets, which addresses are its own, and the ids that Terraform's state holds now.

    `targets` is the node's module, or its resources where the nodes are no modules. `instance_id` is "" where the state has none.
    """

    node: NodeId
    targets: tuple[str, ...]
    instance: str
    instance_id: str
    addresses: frozenset[str]
    volumes: tuple[VolumePlace, ...]
    tainted: bool = False
    deposed: bool = False


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
