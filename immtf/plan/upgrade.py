"""The plan of an upgrade: whole, ordered, and the same for `immtf plan` and `immtf upgrade`.

The order: nodes that are away or sick first (they are the repair), then nodes already at their target (only checked), then zone
by zone, the leader last. More nodes away than quorum allows: a person is asked, nothing is planned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import PersonNeeded
from immtf.model.block import ServiceGate
from immtf.model.rows import PlanRow
from immtf.model.snapshot import ChangeKind, NodeNow, Snapshot
from immtf.model.steps import (
    AdoptInstance,
    ApplyNode,
    AwaitSlot,
    DetachVolumes,
    HandOver,
    MarkVolumes,
    MoveToSlot,
    NodeWork,
    ProveVolumes,
    RaiseSlot,
    SettleNode,
    SnapshotVolumes,
    SpareNode,
    StartNode,
    Step,
    StopNode,
    StopOld,
    UntaintInstance,
    UpgradePlan,
)
from immtf.plan.checks import named
from immtf.plan.image import called
from immtf.plan.quorum import majority
from immtf.plan.together import TOGETHER, allowed_away, at_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.block import Block, Cluster
    from immtf.model.cloud import ImageChoice
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeChange

ACTIONS = {
    ChangeKind.REPLACE: "replace",
    ChangeKind.CREATE: "create",
    ChangeKind.REBUILD: "rebuild",
    ChangeKind.ATTACH: "attach",
    ChangeKind.UPDATE: "update",
    ChangeKind.SWAP: "swap",
}


_BEFORE: tuple[type[Step], ...] = (SpareNode, MarkVolumes, HandOver)
_PROVE: tuple[type[Step], ...] = (ProveVolumes, SettleNode)
STEPS: Mapping[str, tuple[type[Step], ...]] = {
    "replace": (*_BEFORE, StopNode, SnapshotVolumes, DetachVolumes, ApplyNode, *_PROVE),
    "swap": (RaiseSlot, AwaitSlot, *_BEFORE, StopOld, SnapshotVolumes, MoveToSlot, *_PROVE, ApplyNode),
    "rebuild": (*_BEFORE, StopNode, SnapshotVolumes, DetachVolumes, ApplyNode, *_PROVE),
    "attach": (*_BEFORE, ApplyNode, StartNode, *_PROVE),
    "update": (*_BEFORE, ApplyNode, StartNode, *_PROVE),
    "adopt": (SpareNode, AdoptInstance, ApplyNode, StartNode, *_PROVE),
    "untaint": (SpareNode, UntaintInstance, ApplyNode, StartNode, *_PROVE),
    "create": (ApplyNode, MarkVolumes, *_PROVE),
    "start": (SpareNode, StartNode, *_PROVE),
    "skip": _PROVE,
}


def make_plan(
    block: Block,
    snapshot: Snapshot,
    image: ImageChoice | None,
    versions: Mapping[str, str],
    *,
    only: Collection[NodeId] = (),
) -> UpgradePlan:
    """Return the ordered plan for the world as observed.

    `versions` maps image ids to their versions, for display; `only` limits the nodes that are changed. Raises `PersonNeeded` where
    more nodes of a cluster are away than may be.
    """
    works: list[NodeWork] = []
    for cluster in block.clusters.values():
        nodes = {node: now for node, now in snapshot.nodes.items() if node.cluster == cluster.name}
        _refuse_too_few(block, cluster, nodes, snapshot, only)
        order = sorted(nodes, key=lambda item: _rank(item, snapshot))
        works += [_work(block, node, snapshot, versions, chosen=not only or node in only) for node in order]
    return UpgradePlan(tuple(works), snapshot.shared, image, snapshot.outputs, snapshot.moves)


def is_away(now: NodeNow, change: NodeChange) -> bool:
    """Return whether a node that should serve has no running instance with all its volumes. A node still to be made isn't away."""
    if change.kind is ChangeKind.CREATE:
        return False
    return not now.running or not _has_volumes(now)


def _has_volumes(now: NodeNow) -> bool:
    if now.instance is None:
        return False
    owner = now.instance.instance_id
    volumes = [now.volumes.get(place.name) for place in now.place.volumes]
    return all(volume is not None and any(tie.instance_id == owner for tie in volume.attachments) for volume in volumes)


def is_sick(node: NodeId, snapshot: Snapshot) -> bool:
    """Return whether a node does not answer, or a service that could be asked says that it isn't healthy.

    This decides the order only. A health that is not known yet (a leader just elected) is a matter for the gates.
    """
    view = snapshot.services.get(node.cluster)
    if view is None:
        return False
    peer, answer = view.peer(node), view.answers.get(node)
    if answer is None or answer.problem:
        return True
    return not view.problem and (peer is None or peer.healthy is False)


def action_of(now: NodeNow, change: NodeChange) -> str:
    """Return the word for what is done to a node.

    What an interrupted apply left is taken up, not made again: an instance that is there and not in the state is adopted, one
    that is only marked as unfinished is untainted; both only where they are of the wanted image.
    """
    if change.kind is ChangeKind.REBUILD and [stray.image_id for stray in now.strays] == [change.image_id]:
        return "adopt"
    if change.kind is ChangeKind.REPLACE and now.place.tainted and now.running and _image_of(now) == change.image_id:
        return "untaint"
    if change.kind is ChangeKind.REPLACE and now.place.tainted and now.place.slots:
        return "swap"  # it doesn't run: it is started and taken up in its slot
    if change.kind is not ChangeKind.NONE:
        return ACTIONS.get(change.kind, change.kind.value)
    return "start" if now.alive and not now.running else "skip"


def _image_of(now: NodeNow) -> str:
    return now.instance.image_id if now.instance else ""


def steps_of(node: NodeId, action: str, *, snapshots: bool = False) -> tuple[Step, ...]:
    """Return the steps of an action, in their order; with a step for `snapshots` where the cluster asks for them.

    Each decides for itself, when its time comes, whether it has anything to do.
    """
    return tuple(kind(node) for kind in STEPS[action] if snapshots or kind is not SnapshotVolumes)


def _refuse_too_few(block: Block, cluster: Cluster, nodes: Mapping[NodeId, NodeNow], snapshot: Snapshot, only: Collection[NodeId]) -> None:
    away = sorted(node for node, now in nodes.items() if is_away(now, snapshot.change(node)))
    members = sum(snapshot.change(node).kind is not ChangeKind.CREATE for node in nodes)
    allowed = allowed_away(cluster, members)
    touched = [node for node, now in nodes.items() if action_of(now, snapshot.change(node)) != "skip"]
    mendable = min(allowed, at_once(block, cluster, members))  # nodes that are away are mended together, and the others have to be whole
    if len(away) > mendable:
        raise PersonNeeded(
            f"{named('quorum')}{len(away)} of {members} nodes are away ({', '.join(map(str, away))}); at most {mendable} may be",
            where=f"cluster {cluster.name}",
            next="bring nodes back by hand until at most that many are away, then run `immtf upgrade` again",
        )
    if len(away) > 1 and only and not set(away) <= set(only):
        raise PersonNeeded(
            f"{named('quorum')}{', '.join(map(str, away))} are away: they are mended together, and not all of them are chosen",
            where=f"cluster {cluster.name}",
            next="run `immtf upgrade` without choosing nodes",
        )
    if touched and not allowed and any(snapshot.change(node).kind is not ChangeKind.CREATE for node in touched):
        raise PersonNeeded(
            f"{named('quorum')}a cluster of {members} can spare no node",
            where=f"cluster {cluster.name}",
            next="add nodes first (three can spare one), or replace the node by hand in a maintenance window",
        )


def _rank(node: NodeId, snapshot: Snapshot) -> tuple[int, int, str, str, str]:
    """Order: away, sick, at the target, the rest by zone; the leader after all others, new nodes at the very end."""
    now, change = snapshot.nodes[node], snapshot.change(node)
    view = snapshot.services.get(node.cluster)
    leads = view is not None and view.leader() == node
    if change.kind is ChangeKind.CREATE:
        group = 4
    elif is_away(now, change):
        group = 0
    elif is_sick(node, snapshot):
        group = 1
    elif action_of(now, change) == "skip":
        group = 2
    else:
        group = 3
    zone = now.instance.zone if now.instance else ""
    return (group, int(leads), zone, node.cluster, node.key)


def _work(block: Block, node: NodeId, snapshot: Snapshot, versions: Mapping[str, str], *, chosen: bool) -> NodeWork:
    now, change, cluster = snapshot.nodes[node], snapshot.change(node), block.clusters[node.cluster]
    action = action_of(now, change) if chosen else "skip"
    row = PlanRow(
        node=str(node),
        now=called(now.instance.image_id if now.instance else "", versions) or "none",
        target=called(change.image_id or (now.instance.image_id if now.instance else ""), versions),
        action=action,
        why=_why(node, snapshot) if chosen else "not chosen (--only)",
        volumes=tuple(f"{place.name} {place.volume_id or 'new'}" for place in now.place.volumes),
        gates=tuple(gate.id for gate in cluster.gates),
        quorum_left=_quorum_left(block, cluster, snapshot, action),
    )
    steps = steps_of(node, action, snapshots=cluster.takes_snapshots) if chosen else ()
    return NodeWork(
        node=node,
        action=change.kind,
        why=row.why,
        steps=steps,
        row=row,
        image_id=change.image_id,
        slot=change.slot,
        broken=is_away(now, change) or is_sick(node, snapshot),
        zone=now.instance.zone if now.instance else "",
    )


def _why(node: NodeId, snapshot: Snapshot) -> str:
    now, change = snapshot.nodes[node], snapshot.change(node)
    reasons = f" ({', '.join(change.reasons)})" if change.reasons else ""
    match _rank(node, snapshot)[:2]:
        case (0, _):
            state = now.instance.state if now.instance else "without an instance"
            return f"first: away, {state}{reasons}"
        case (1, _):
            return f"first: not healthy{reasons}"
        case (2, _):
            return "at its target: checked only"
        case (4, _):
            return "new node, after the others"
        case (_, 1):
            return f"last: leads the cluster{reasons}"
        case _:
            return f"zone {now.instance.zone if now.instance else '?'}{reasons}"


def _quorum_left(block: Block, cluster: Cluster, snapshot: Snapshot, action: str) -> str:
    members = sum(1 for item in snapshot.nodes if item.cluster == cluster.name and snapshot.change(item).kind is not ChangeKind.CREATE)
    if action in {"skip", "create"}:
        return f"{members} of {members}"
    quorum = f" (quorum {majority(members)})" if any(isinstance(gate, ServiceGate) for gate in cluster.gates) else ""
    away = at_once(block, cluster, members) if action in TOGETHER else 1
    return f"{members - away} of {members}{quorum}"
