"""Which nodes are rolled at the same time: as many as the block's file wishes, and never more than quorum leaves.

Nodes go together only where nothing is lost by it: a node of its own way (a leader, one that is new or only checked) goes alone,
and with strategy `swap`, where a node is away for seconds, or where a failed node is to go back by itself, so does every one. Nodes
that are away or sick already are mended together: to each other they are not whole, so one by one none could be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.model.block import ServiceGate
from immtf.model.steps import (
    AdoptInstance,
    ApplyNode,
    DetachVolumes,
    HandOver,
    MarkVolumes,
    ProveVolumes,
    SettleNode,
    SnapshotVolumes,
    SpareNode,
    StartNode,
    Step,
    StopNode,
    UntaintInstance,
)
from immtf.plan.quorum import may_be_away

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.block import Block, Cluster
    from immtf.model.names import NodeId
    from immtf.model.steps import NodeWork

TOGETHER = frozenset({"replace", "rebuild", "attach", "update", "start", "adopt", "untaint"})
PHASES: tuple[type[Step], ...] = (
    SpareNode,
    MarkVolumes,
    HandOver,
    StopNode,
    SnapshotVolumes,
    DetachVolumes,
    AdoptInstance,
    UntaintInstance,
    ApplyNode,
    StartNode,
    ProveVolumes,
    SettleNode,
)
"""The kinds of steps of all these actions, in an order that each action's own steps have too."""


def allowed_away(cluster: Cluster, members: int) -> int:
    """Return how many nodes of a cluster may be away: bounded by quorum where its service has one, else at least one must be left."""
    if any(isinstance(gate, ServiceGate) for gate in cluster.gates):
        return may_be_away(members, cluster.max_unavailable)
    return max(0, min(cluster.max_unavailable, members - 1))


def at_once(block: Block, cluster: Cluster, members: int) -> int:
    """Return how many nodes of a cluster are rolled at the same time, at most; where none can be spared it is 1, and a person is asked."""
    alone = cluster.strategy == "swap" or block.on_failure == "rollback-node"
    return 1 if alone else max(1, allowed_away(cluster, members))


def next_works(left: Sequence[NodeWork], leaders: Collection[NodeId], block: Block, members: Mapping[str, int]) -> list[NodeWork]:
    """Return which of the works left come next, together; `members` are the nodes of each cluster.

    The first is `next_work`. Broken nodes go with others that are, whatever their zones; of those that serve, none leads, and with
    `spread: zone` all are of the first one's zone.
    """
    first = next_work(left, leaders)
    cluster = block.clusters[first.node.cluster]
    if not _goes_along(first, leaders):
        return [first]
    others = [work for work in left if work is not first and _goes_along(work, leaders) and _go_together(first, work, cluster)]
    return [first, *others][: at_once(block, cluster, members[cluster.name])]


def phases(works: Sequence[NodeWork]) -> list[list[tuple[NodeWork, Step]]]:
    """Return the steps of works that are done together, phase by phase: each kind for all nodes before the next kind for any.

    One work alone has its steps in its own order.
    """
    if len(works) == 1:
        return [[(works[0], step)] for step in works[0].steps]
    found = [[(work, step) for work in works for step in work.steps if isinstance(step, kind)] for kind in PHASES]
    return [phase for phase in found if phase]


def next_work(works: Sequence[NodeWork], leaders: Collection[NodeId]) -> NodeWork:
    """Return which of the works left comes next: the first, but a leader only when no other node of its cluster is left to be changed.

    Roles are read again before each node: a leader's stop moves leadership, and a plan made before it would stop the new leader too.
    """
    return next((work for work in works if work.node not in leaders or not _takes_away_others(work, works)), works[0])


def _takes_away_others(work: NodeWork, works: Sequence[NodeWork]) -> bool:
    """Return whether a work takes its node away, and others of its cluster still will be."""
    busy = [other.node for other in works if other.row.action not in {"skip", "create"} and other.node.cluster == work.node.cluster]
    return work.node in busy and len(busy) > 1


def _goes_along(work: NodeWork, leaders: Collection[NodeId]) -> bool:
    return bool(work.steps) and work.row.action in TOGETHER and work.node not in leaders


def _go_together(first: NodeWork, work: NodeWork, cluster: Cluster) -> bool:
    if work.node.cluster != first.node.cluster or work.broken != first.broken:
        return False
    return first.broken or cluster.spread != "zone" or work.zone == first.zone != ""
