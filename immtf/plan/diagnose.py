"""What is wrong with an environment, read from one look at it: each finding with its evidence, and exactly what would mend it.

A finding is for `repair` where an upgrade's own judged steps mend it with the image that the node has now, and where nothing is lost
by it. Everything else is for a person, with the command. What is on its way (pending, stopping) is no finding yet, and what can't
be known is not taken for healthy. Data volumes are never touched; a snapshot goes only when it is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from immtf.model.cloud import GONE
from immtf.model.rows import FindingRow
from immtf.plan.decide import interface_astray
from immtf.plan.judge import doomed_disks
from immtf.plan.layout import INSTANCE
from immtf.plan.others import seen_down
from immtf.plan.quorum import judge_removal, stale_peers
from immtf.plan.slots import beside
from immtf.plan.snapshots import RUN_TAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.cloud import Instance, VolumeSnapshot
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow, Snapshot
    from immtf.model.terraform import Resource, StateData


class Kind(StrEnum):
    """Kinds of findings, in the order in which they are repaired: what stops every plan or gate first, then nodes that are away."""

    LOCK = "terraform-lock"
    PLAN = "plan-fails"
    DEPOSED = "deposed"
    LOST_VOLUME = "lost-volume"
    ELSEWHERE = "volume-elsewhere"
    STALE_PEER = "stale-peer"
    ORPHAN = "orphan-instance"
    NO_INSTANCE = "no-instance"
    DETACHED = "detached-volume"
    STOPPED = "stopped-node"
    SICK = "sick-node"
    SWAP = "unfinished-swap"
    TAINTED = "tainted"
    SNAPSHOT = "orphan-snapshot"


_AWAY = "the node is away: no other one can be spared"
_HARM = {
    Kind.LOCK: "no plan and no apply can be made",
    Kind.PLAN: "no plan and no apply can be made",
    Kind.DEPOSED: "every upgrade refuses until it is gone",
    Kind.LOST_VOLUME: "the node's data can't be found",
    Kind.ELSEWHERE: "someone else may be writing to the node's data",
    Kind.ORPHAN: "a second instance of one node would share its identity",
    Kind.NO_INSTANCE: _AWAY,
    Kind.TAINTED: "the next apply would replace an instance that may be good",
    Kind.DETACHED: _AWAY,
    Kind.STOPPED: _AWAY,
    Kind.SICK: _AWAY,
    Kind.SWAP: "the node may be away, and an instance too many costs money",
    Kind.STALE_PEER: "it counts for the quorum and never votes",
    Kind.SNAPSHOT: "it costs money, and may be the last copy of the data",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `loose` are instances tagged as the block's and no node's; `instances` those that deposed objects name, by id.

    `plan_problem` is why Terraform can't plan ("" if it can), `plan_next` what to do about it where that is known, `lock` what to do
    about a lock of the state ("" where none is held).
    """

    snapshot: Snapshot
    state: StateData
    loose: tuple[Instance, ...] = ()
    instances: Mapping[str, Instance] = field(default_factory=dict)
    snapshots: tuple[VolumeSnapshot, ...] = ()
    plan_problem: str = ""
    plan_next: str = ""
    lock: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: its kind and subject make its id; `fix` is exactly what would be done, by `repair` or by a person."""

    kind: Kind
    subject: str
    evidence: str
    fix: str
    repairable: bool = False
    node: NodeId | None = None

    @property
    def id(self) -> str:
        """Return the name by which it is asked for."""
        return f"{self.kind}:{self.subject}"

    @property
    def row(self) -> FindingRow:
        """Return it as it is told."""
        return FindingRow(self.id, self.evidence, _HARM[self.kind], self.fix, "repair" if self.repairable else "person")


def diagnose(seen: Seen) -> tuple[Finding, ...]:
    """Return everything that is wrong, in the order in which it is mended."""
    nodes = [finding for node in sorted(seen.snapshot.nodes) for finding in _of_node(seen.snapshot.nodes[node], seen.snapshot)]
    found = [*_of_terraform(seen), *nodes, *_loose(seen), *_stale_peers(seen), *_snapshots(seen)]
    order = list(Kind)
    return tuple(sorted(found, key=lambda finding: (order.index(finding.kind), finding.subject)))


def _of_terraform(seen: Seen) -> list[Finding]:
    found = [_deposed(item, seen) for item in seen.state.resources if item.deposed and not _is_gone(item, seen)]
    if seen.plan_problem and seen.lock:
        found.append(Finding(Kind.LOCK, "state", seen.plan_problem, seen.lock))
    elif seen.plan_problem:
        found.append(
            Finding(Kind.PLAN, "root", seen.plan_problem, seen.plan_next or "a person mends what Terraform names, then asks again")
        )
    return found


def _is_gone(item: Resource, seen: Seen) -> bool:
    """Return whether a left-over instance has come to its end: it stops no plan, and leaves the state with the next apply."""
    instance = seen.instances.get(str(item.values.get("id") or ""))
    return item.type == INSTANCE and (instance is None or instance.state in GONE)


def _deposed(item: Resource, seen: Seen) -> Finding:
    """Return the finding of a left-over object; only an instance that is stopped and holds no volume is taken away by a machine."""
    identity = str(item.values.get("id") or "")
    instance = seen.instances.get(identity)
    ties = [
        tie.instance_id for now in seen.snapshot.nodes.values() for volume in now.volumes.values() if volume for tie in volume.attachments
    ]
    own_disks = bool(doomed_disks(item.values))
    safe = instance is not None and identity not in ties and instance.state == "stopped" and not own_disks
    evidence = f"{identity or 'an object'} ({instance.state if instance else item.type}) is deposed in the state, key {item.deposed}"
    fix = "apply a plan for this address alone that deletes this object and nothing else"
    if not safe:
        fix = f"a person looks whose it is, ends it by hand, then: terraform apply -target='{item.address}' after reading its plan"
    return Finding(Kind.DEPOSED, item.address, evidence, fix, safe, _owner(item.address, seen))


def _owner(address: str, seen: Seen) -> NodeId | None:
    return next((node for node, now in seen.snapshot.nodes.items() if address in now.place.addresses), None)


def _of_node(now: NodeNow, snapshot: Snapshot) -> list[Finding]:
    """Return what is wrong with a node; where its volumes are in doubt, nothing is mended by a machine."""
    doubtful = _doubtful(now)
    if doubtful:
        return doubtful
    if beside(now):
        return [_unfinished_swap(now)]
    if not now.alive:
        return [_without_instance(now)]
    own = [*_strays(now), *_stopped(now), *_tainted(now), *_detached(now), *_addressless(now)]
    return own or _sick(now, snapshot)


def _doubtful(now: NodeNow) -> list[Finding]:
    found = []
    for place in now.place.volumes:
        volume, subject = now.volumes.get(place.name), f"{now.node}/{place.name}"
        owners = {tie.instance_id for tie in volume.attachments} - {now.place.instance_id} if volume else set()
        owners -= {stray.instance_id for stray in now.strays} if not now.alive else set()
        owners -= {item.instance_id for item in now.slots.values() if item}
        if volume is None and place.volume_id:
            fix = "a person finds it (another region? deleted?) before anything is touched"
            found.append(Finding(Kind.LOST_VOLUME, subject, f"{place.volume_id} is in the state and not in the cloud", fix, node=now.node))
        elif owners:
            evidence = f"{place.volume_id} is attached to {', '.join(sorted(owners))}, not to {now.place.instance_id or 'the node'}"
            fix = "a person looks at that instance, and detaches the volume by hand if it doesn't belong there"
            found.append(Finding(Kind.ELSEWHERE, subject, evidence, fix, node=now.node))
    return found


def _unfinished_swap(now: NodeNow) -> Finding:
    names = ", ".join(f"{item.instance_id} ({item.state})" for item in beside(now))
    evidence = f"{names} beside the node's {now.place.instance_id or 'volumes'}"
    return Finding(Kind.SWAP, str(now.node), evidence, "`immtf upgrade` finishes it, whichever image is wanted", node=now.node)


def _without_instance(now: NodeNow) -> Finding:
    if len(now.strays) == 1:
        stray = now.strays[0]
        evidence = f"{stray.instance_id} ({stray.state}) is tagged as {now.node}, which has no instance in the state"
        fix = f"take {stray.instance_id} into the state as {now.place.instance or 'the node'}, prove its volumes, wait for the gates"
        return Finding(Kind.ORPHAN, stray.instance_id, evidence, fix, repairable=True, node=now.node)
    if now.strays:
        names = ", ".join(stray.instance_id for stray in now.strays)
        fix = "a person terminates all but the one that serves, then asks again"
        return Finding(Kind.ORPHAN, names, f"several instances are tagged as {now.node}, and none is in the state", fix, node=now.node)
    state = f"{now.instance.instance_id} is {now.instance.state}" if now.instance else "the state has no instance"
    return Finding(Kind.NO_INSTANCE, str(now.node), state, "`immtf upgrade` makes it anew, on its volumes", node=now.node)


def _strays(now: NodeNow) -> list[Finding]:
    fix = "a person makes sure that it is not the one that serves, and terminates it: an import would need another address"
    if now.slots:
        fix = "`immtf upgrade` takes it up if it is what is wanted; else a person makes sure that it has nothing, and terminates it"
    return [
        Finding(
            Kind.ORPHAN,
            stray.instance_id,
            f"{stray.instance_id} ({stray.state}) is tagged as {now.node}, which has {now.place.instance_id}",
            fix,
            node=now.node,
        )
        for stray in now.strays
    ]


def _stopped(now: NodeNow) -> list[Finding]:
    if now.instance is None or now.instance.state != "stopped":
        return []
    name = now.instance.instance_id
    fix = f"start {name} when all others are well, prove its volumes, wait for the gates"
    return [Finding(Kind.STOPPED, str(now.node), f"{name} is stopped", fix, repairable=not now.place.tainted, node=now.node)]


def _tainted(now: NodeNow) -> list[Finding]:
    if not now.place.tainted or now.instance is None:
        return []
    name = now.instance.instance_id
    if not now.running:
        fix = "`immtf upgrade` makes it anew: whether it is any good can't be seen while it doesn't run"
        return [
            Finding(Kind.TAINTED, str(now.node), f"{name} is {now.instance.state} and its creation was interrupted", fix, node=now.node)
        ]
    fix = f"take the mark off {name}, prove its volumes, wait for the gates"
    return [Finding(Kind.TAINTED, str(now.node), f"{name} runs, and its creation was interrupted", fix, repairable=True, node=now.node)]


def _detached(now: NodeNow) -> list[Finding]:
    found = []
    for place in now.place.volumes:
        volume = now.volumes.get(place.name)
        if now.instance and volume and volume.state == "available" and not volume.attachments:
            name = now.instance.instance_id
            fix = f"attach {volume.volume_id} to {name} by a judged plan of this node, start it if it is stopped, prove, wait for the gates"
            evidence = f"{volume.volume_id} is attached to nothing"
            found.append(Finding(Kind.DETACHED, f"{now.node}/{place.name}", evidence, fix, not now.place.tainted, now.node))
    return found


def _addressless(now: NodeNow) -> list[Finding]:
    astray, loose = interface_astray(now), now.interface is not None and not now.interface.instance_id
    evidence = astray.reason if astray else f"{now.place.interface.interface_id} is attached to nothing" if now.place.interface else ""
    fix = f"a person: {astray.next}" if astray else "`immtf upgrade` attaches it to the node's instance"
    return [Finding(Kind.DETACHED, f"{now.node}/address", evidence, fix, node=now.node)] if astray or loose else []


def _sick(now: NodeNow, snapshot: Snapshot) -> list[Finding]:
    view = snapshot.services.get(now.node.cluster)
    why = seen_down(now, view) if now.running else ""
    fix = "a person looks at its service's log; `immtf upgrade` or `immtf rollback` make the node anew"
    return [Finding(Kind.SICK, str(now.node), why, fix, node=now.node)] if why else []


def _loose(seen: Seen) -> list[Finding]:
    fix = "a person looks whose it is, and terminates it: the block has no such node"
    return [
        Finding(Kind.ORPHAN, item.instance_id, f"{item.state}, tagged as {item.tags.get('immtf:node', 'no node')} of this block", fix)
        for item in seen.loose
    ]


def _stale_peers(seen: Seen) -> list[Finding]:
    """Return peers that no node is; the seat of a node without an instance is none: it comes back to it."""
    found = []
    for cluster, view in sorted(seen.snapshot.services.items()):
        homeless = not all(view.addresses.values())
        for peer in () if view.problem or homeless else stale_peers(view):
            verdict = judge_removal(view, peer)
            fix = f"remove the peer {peer.identity} at {peer.address} ({verdict.reason})"
            if not verdict.held:
                fix = f"a person finds out whose server it is; it may not be removed now: {verdict.reason}"
            evidence = f"{peer.address} is in the configuration and is no node's address"
            found.append(Finding(Kind.STALE_PEER, f"{cluster}/{peer.address}", evidence, fix, verdict.held))
    return found


def _snapshots(seen: Seen) -> list[Finding]:
    """Return snapshots that immtf took of volumes that no node has any more."""
    kept = {place.volume_id for now in seen.snapshot.nodes.values() for place in now.place.volumes}
    fix = "delete it, only when it is named: `immtf repair` does it never unasked"
    return [
        Finding(Kind.SNAPSHOT, item.snapshot_id, f"of {item.volume_id}, taken by run {item.tags[RUN_TAG]}; no node has it", fix, True)
        for item in seen.snapshots
        if item.tags.get(RUN_TAG) and item.volume_id not in kept
    ]
