"""Repairs: each finding is mended alone, on judged paths, and the environment is looked at again afterwards.

A node is mended by the very steps that an upgrade would take, on a world in which the image that it has now is the wanted one: so
nothing is replaced, and the same gates and proofs hold. Where Terraform wants more of the node than the repair, nothing is done. Moves that
the configuration wants (`moved`) are recorded first, as in an upgrade: Terraform makes no plan with targets before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.errors import PersonNeeded
from immtf.model.events import Noted, StepFinished, StepStarted
from immtf.model.verdict import Verdict
from immtf.plan.diagnose import Finding, Kind, Seen, diagnose
from immtf.plan.layout import INSTANCE
from immtf.plan.quorum import judge_removal
from immtf.plan.repair import ACTIONS, judge_deposed
from immtf.run.apply import Scope, apply_judged
from immtf.run.custody import mark_before
from immtf.run.gates import Question, check_cancel, wait_for
from immtf.run.moving import record_moves
from immtf.run.upgrade import prepare, stage
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.cloud import ImageChoice
    from immtf.model.service import Peer, ServiceView
    from immtf.model.snapshot import Move
    from immtf.run.executor import Executor
    from immtf.run.gates import Patience
    from immtf.run.world import World

PEER_LIMIT_S = 60.0


def mend(executor: Executor, finding: Finding, image: ImageChoice | None, versions: Mapping[str, str], moves: Sequence[Move] = ()) -> None:
    """Mend one finding and see that it is gone. `moves` are those that were shown, and no others are recorded.

    Raises what stopped it; `PersonNeeded` where it is no machine's to mend, or stays.
    """
    world, patience = executor.world, executor.patience
    if not finding.repairable:
        raise PersonNeeded(f"{finding.id} is not mended by a machine: {finding.evidence}", where=finding.subject, next=finding.fix)
    check_cancel(patience, finding.subject)
    with stage(patience, "repair", finding.id):
        match finding.kind:
            case Kind.DEPOSED:
                _remove_deposed(world, patience, finding, moves)
            case Kind.STALE_PEER:
                _remove_peer(world, patience, finding)
            case Kind.SNAPSHOT:
                _delete_snapshot(world, patience, finding)
            case _:
                _mend_node(executor, finding, image, versions, moves)
    world.survey()
    if any(left.id == finding.id for left in diagnose(look(world))):
        raise PersonNeeded(f"{finding.id} was mended and is there still", where=finding.subject, next="look at it: `immtf doctor`")


def look(world: World, *, plan_problem: str = "", plan_next: str = "", lock: str = "") -> Seen:
    """Look at everything once; the world has been surveyed. What Terraform can't plan, and why, is the caller's to find out."""
    snapshot, loose, tags = world.sight()
    state = world.terraform.state()
    deposed = [str(item.values.get("id") or "") for item in state.resources if item.deposed and item.type == INSTANCE]
    ids = [identity for identity in deposed if identity]
    nodes = {
        node: replace(now, strays=tuple(stray for stray in now.strays if stray.instance_id not in ids))
        for node, now in snapshot.nodes.items()
    }
    return Seen(
        snapshot=replace(snapshot, nodes=nodes),  # a left-over instance carries its node's tags too, and is in the state
        state=state,
        loose=tuple(item for item in loose if item.instance_id not in ids),
        instances=world.cloud.instances(ids) if ids else {},
        snapshots=tuple(world.cloud.snapshots(tags)) if tags else (),
        plan_problem=plan_problem,
        plan_next=plan_next,
        lock=lock,
    )


def _mend_node(executor: Executor, finding: Finding, image: ImageChoice | None, versions: Mapping[str, str], moves: Sequence[Move]) -> None:
    world, patience, node = executor.world, executor.patience, finding.node
    if node is None:
        raise PersonNeeded(f"{finding.id} is no node's", where=finding.subject, next=finding.fix)
    plan = prepare(world, patience, image, versions, only=[node])
    work = next(work for work in plan.works if work.node == node)
    if work.row.action == "skip":
        patience.emit(Noted("info", f"{finding.id} is mended already"))
        return
    if work.row.action not in ACTIONS[finding.kind]:
        what = f"Terraform wants more of this node than the repair: {work.row.action} ({work.why})"
        raise PersonNeeded(what, where=str(node), next="`immtf plan` shows it, `immtf upgrade` does it")
    if moves:
        record_moves(world, patience, moves)
    mark_before(world, plan.works, patience)
    executor.perform([work], index=1, total=1)
    executor.ledger.replaced.discard(str(node))  # taken up, not made


def _remove_deposed(world: World, patience: Patience, finding: Finding, moves: Sequence[Move]) -> None:
    if moves:
        record_moves(world, patience, moves)
    key = next((item.deposed for item in world.terraform.state().resources if item.deposed and item.address == finding.subject), "")
    applied = apply_judged(
        world,
        patience,
        judge=lambda plan: judge_deposed(plan, finding.subject, key),
        where=finding.subject,
        step="RemoveDeposed",
        scope=Scope([finding.subject]),
    )
    patience.emit(StepFinished(finding.subject, "RemoveDeposed", 0.0, f"applied: {applied} changes"))


def _remove_peer(world: World, patience: Patience, finding: Finding) -> None:
    """Strike a dead peer from the configuration, when it was judged twice in a row that quorum stays."""
    cluster, _, address = finding.subject.partition("/")
    gate = service_gate(world.block.clusters[cluster])
    if gate is None:
        raise PersonNeeded("no service that could be asked", where=cluster, next="look at it: `immtf doctor`")

    seen: list[ServiceView] = []

    def judge() -> Verdict:
        seen[:] = [world.service.view(gate, world.addresses(cluster))]
        peer = _peer(seen[0], address)
        return judge_removal(seen[0], peer) if peer else Verdict(held=False, reason=f"{address} is no peer any more", final=True)

    wait_for([Question("quorum", "", judge, passes=2, deadline_s=PEER_LIMIT_S)], patience, where=f"cluster {cluster}")
    leader, peer = seen[0].leader(), _peer(seen[0], address)
    assert leader is not None  # noqa: S101 - it was judged to be there: for the type checker
    assert peer is not None  # noqa: S101 - as above
    patience.emit(StepStarted("", "RemovePeer", f"remove {peer.identity} at {peer.address} from the configuration"))
    told = world.service.remove_peer(gate, seen[0].addresses[leader], peer)
    patience.emit(StepFinished("", "RemovePeer", 0.0, told))


def _peer(view: ServiceView, address: str) -> Peer | None:
    return next((peer for peer in view.peers if peer.address == address), None)


def _delete_snapshot(world: World, patience: Patience, finding: Finding) -> None:
    patience.emit(StepStarted("", "DeleteSnapshot", f"delete {finding.subject}: {finding.evidence}"))
    world.cloud.delete_snapshot(finding.subject)
    patience.emit(StepFinished("", "DeleteSnapshot", 0.0, f"{finding.subject} is deleted"))
