"""The steps of a plan: a closed union of frozen values that name nodes and volumes, never cloud ids (ids change in mid-run).

A step says what must hold when it is done. It can be repeated: `plan.decide` compares it with the world as it is now and says
whether there is something to do, to wait for, or nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from immtf.model.cloud import ImageChoice
    from immtf.model.names import NodeId
    from immtf.model.rows import PlanRow
    from immtf.model.snapshot import ChangeKind, Move, SharedChange


@dataclass(frozen=True, slots=True)
class SpareNode:
    """The cluster can spare this node: all others are healthy, and quorum is left without it."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class MarkVolumes:
    """Each mounted data volume of the node carries its mark, and its identity is known before anything is moved."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class HandOver:
    """The node leads no longer, where the service can hand leadership over."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class StopNode:
    """The node's instance is stopped."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class SnapshotVolumes:
    """Each volume for which the block's file asks so has a snapshot from after its instance's stop."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class StartNode:
    """The node's instance runs."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class DetachVolumes:
    """The node's volumes are available, seen twice in a row."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class ApplyNode:
    """Terraform's change of this node, and of nothing else, is applied."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class RaiseSlot:
    """The wanted instance runs beside the one that serves, in a slot of its own; nothing of the node has moved."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class AwaitSlot:
    """The wanted instance is up and answers, and waits for the node's volumes. One that doesn't is removed again."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class StopOld:
    """The node's instances in all slots but the wanted one are stopped."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class MoveToSlot:
    """The node's volumes, and its network interface where it has one, are on the wanted slot's instance."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class AdoptInstance:
    """The instance that an interrupted apply made and could not write down is in Terraform's state."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class UntaintInstance:
    """The instance whose creation was interrupted, and which is the wanted one, is no longer to be made again."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class ProveVolumes:
    """The same volumes are on the node's present instance, mounted, with the same filesystems and marks."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class SettleNode:
    """All gates hold, K times in a row, with this node counted."""

    node: NodeId


Step: TypeAlias = (
    SpareNode
    | MarkVolumes
    | HandOver
    | StopNode
    | SnapshotVolumes
    | StartNode
    | DetachVolumes
    | RaiseSlot
    | AwaitSlot
    | StopOld
    | MoveToSlot
    | AdoptInstance
    | UntaintInstance
    | ApplyNode
    | ProveVolumes
    | SettleNode
)


@dataclass(frozen=True, slots=True)
class NodeWork:
    """What is done to one node, and why at this place in the order; `image_id` is the image it has to run then ("" is any).

    `slot` is the slot that has to have the node's volumes then; "" where the node has no slots. A `broken` node is away or sick;
    `zone` is the node's, "" where it has no instance.
    """

    node: NodeId
    action: ChangeKind
    why: str
    steps: tuple[Step, ...]
    row: PlanRow
    image_id: str = ""
    slot: str = ""
    broken: bool = False
    zone: str = ""


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """The whole change of a block: moves and shared changes first, then node by node; `image` None where no image was chosen."""

    works: tuple[NodeWork, ...]
    shared: tuple[SharedChange, ...]
    image: ImageChoice | None
    outputs: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    @property
    def pending(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.moves or self.shared or self.outputs) or any(work.row.action != "skip" for work in self.works)
