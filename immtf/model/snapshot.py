"""The world as it was observed at one moment: the only thing that decisions are made on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from immtf.model.cloud import GONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.cloud import Instance, Interface, Volume
    from immtf.model.guest import GuestFacts
    from immtf.model.layout import NodePlace
    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView


class ChangeKind(StrEnum):
    """What Terraform wants of a node, from its whole plan."""

    NONE = "none"
    REPLACE = "replace"  # another instance; the volumes stay
    CREATE = "create"  # a node that never was: instance and volumes
    REBUILD = "rebuild"  # the volumes are there, the instance is not
    ATTACH = "attach"  # the instance is the wanted one, an attachment is missing
    UPDATE = "update"  # changed in place
    SWAP = "swap"  # another instance in a slot of its own; it is made before the old one goes
    REMOVE = "remove"  # the node is no longer wanted


@dataclass(frozen=True, slots=True)
class NodeChange:
    """The change of one node with Terraform's reasons, e.g. `ami`; `image_id` is the image wanted ("" where not known).

    `slot` is the slot that is to have the node's volumes in the end; "" where the node has no slots.
    """

    kind: ChangeKind
    reasons: tuple[str, ...] = ()
    image_id: str = ""
    slot: str = ""


@dataclass(frozen=True, slots=True)
class SharedChange:
    """A change of what belongs to no node: the address, and Terraform's own words for what it does."""

    address: str
    action: str

    def __str__(self) -> str:
        """Write it as plans are shown: `address: action`."""
        return f"{self.address}: {self.action}"


@dataclass(frozen=True, slots=True)
class Move:
    """An object that the configuration has under another address than the state (`moved`); the object itself stays what it is."""

    address: str
    previous: str

    def __str__(self) -> str:
        """Write it as plans are shown."""
        return f"{self.address}: moved from {self.previous}"


@dataclass(frozen=True, slots=True)
class NodeNow:
    """One node now: the instance that the state names and its volumes as the cloud shows them; None where it shows none.

    `strays` are live instances tagged as this node's that the state doesn't name. `slots` are the instances of a node that may have
    several, by their slots' names; `instance` is the one of them that has, or had last, the volumes.
    """

    place: NodePlace
    instance: Instance | None = None
    volumes: Mapping[str, Volume | None] = field(default_factory=dict)
    strays: tuple[Instance, ...] = ()
    facts: GuestFacts | None = None
    slots: Mapping[str, Instance | None] = field(default_factory=dict)
    interface: Interface | None = None

    @property
    def node(self) -> NodeId:
        """Return whose state this is."""
        return self.place.node

    @property
    def alive(self) -> bool:
        """Return whether the node has an instance that isn't on its way out of the world."""
        return self.instance is not None and self.instance.state not in GONE

    @property
    def running(self) -> bool:
        """Return whether the instance runs."""
        return self.instance is not None and self.instance.state == "running"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes now, what Terraform wants of each, and each cluster's service where one could be asked."""

    nodes: Mapping[NodeId, NodeNow]
    changes: Mapping[NodeId, NodeChange] = field(default_factory=dict)
    services: Mapping[str, ServiceView] = field(default_factory=dict)
    shared: tuple[SharedChange, ...] = ()
    outputs: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    def change(self, node: NodeId) -> NodeChange:
        """Return what Terraform wants of a node."""
        return self.changes.get(node, NodeChange(ChangeKind.NONE))
