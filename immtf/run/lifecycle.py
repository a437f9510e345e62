"""`create`, `destroy` and `status` of a block: the flows beside the upgrade, on the same world and with the same care."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, ImmtfError, PersonNeeded
from immtf.model.cloud import GONE
from immtf.model.events import Noted, StepWaited
from immtf.model.rows import NodeRow
from immtf.model.snapshot import ChangeKind, NodeChange
from immtf.plan.custody import judge_custody
from immtf.plan.faults import Fault, fault_of, passes
from immtf.plan.image import called
from immtf.plan.judge import acting, judge_create, judge_destroy, refuse
from immtf.plan.room import no_room_for_all
from immtf.plan.slots import beside
from immtf.plan.upgrade import is_away
from immtf.run.apply import apply_stage
from immtf.run.capacity import Tries
from immtf.run.contracts import refuse_contracts
from immtf.run.custody import mark_all
from immtf.run.firstboot import await_mounts
from immtf.run.gates import check_cancel, cluster_questions, wait_for
from immtf.run.images import refuse_images_of
from immtf.run.moves import Limits
from immtf.run.restore import take_over
from immtf.run.tested import refuse_untestable
from immtf.run.upgrade import stage

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.gates import Patience
    from immtf.run.ledger import Ledger
    from immtf.run.ports import SavedPlan
    from immtf.run.world import World

STOP_LIMIT_S = 600.0


def create(world: World, patience: Patience, ledger: Ledger, *, snapshot: str = "") -> None:
    """Make what isn't there, wait until every cluster's gates hold, and mark the volumes; with `snapshot` they hold its data.

    Where the cloud has no room for it (`run.capacity`) the apply is made again; then `NoRoom` is raised.
    """
    refuse_untestable(world, patience)
    world.survey()
    there = {node for cluster in world.block.clusters for node in world.members(cluster)}
    with stage(patience, "create", "Terraform makes what is not there"):

        def judge(plan: PlanData) -> Sequence[Refusal]:
            world.survey(plan)
            refuse_contracts(world.block, plan, patience, world.known)
            return [*judge_create(plan, world.layout), *refuse_images_of(world, plan)]

        applied = Tries(world, patience, world.block.name, "Create").until_there(
            lambda: apply_stage(world, patience, judge=judge, where=world.block.name, step="Create"),
            lambda error, tries, seconds: no_room_for_all(world.block.name, error, tries=tries, seconds=seconds),
        )
        if not applied:
            patience.emit(Noted("info", "everything is there already"))
    with stage(patience, "settle", "every node's volumes, then every gate"):
        made = [node for node in world.layout.nodes if node not in there]
        if snapshot and made:
            take_over(world, snapshot, patience, made=made)
        settle(world, patience, ledger, made=made)


def settle(world: World, patience: Patience, ledger: Ledger, *, made: Collection[NodeId]) -> None:
    """Wait until every node's volumes are mounted and marked, and every cluster's gates hold; `made` are the nodes of this run."""
    start = patience.clock.monotonic()
    await_mounts(world, sorted(world.layout.nodes), patience, made=made)
    mark_all(world, sorted(world.layout.nodes), patience, made=made)
    began = patience.clock.monotonic()
    for cluster in world.block.clusters:
        began = wait_for(cluster_questions(world, cluster), patience, where=f"cluster {cluster}", settling=True)
    ledger.servers_s += max(0.0, began - start)
    ledger.kept.update(place.volume_id for now in world.nodes().values() for place in now.place.volumes)


def plan_destroy(world: World) -> SavedPlan:
    """Return the judged plan of a destroy; nothing is touched."""
    world.survey()
    saved = world.terraform.plan(destroy=True)
    refuse(judge_destroy(saved.data), f"block {world.block.name}")
    return saved


def destroy(world: World, patience: Patience) -> None:
    """Stop every node, then destroy everything that the state has, volumes with it.

    Stopped first, because a volume can't be detached from under a running instance.
    """
    world.survey()
    with stage(patience, "stop", "every instance, so that volumes can be detached"):
        _stop_all(world, patience)
    with stage(patience, "destroy", "everything that Terraform's state has"):
        saved = world.terraform.plan(destroy=True)
        refuse(judge_destroy(saved.data), f"block {world.block.name}")
        if acting(saved.data) or saved.changed:
            check_cancel(patience, "destroy")
            world.terraform.apply(saved)
    world.full_plan = None  # what was still to be made is no longer wanted
    left = [item.address for item in world.terraform.state().resources if item.mode == "managed"]
    if left:
        raise PersonNeeded(
            f"left after the destroy: {', '.join(left)}", where=f"block {world.block.name}", next="run `immtf destroy` again"
        )


def _stop_all(world: World, patience: Patience) -> None:
    check_cancel(patience, "destroy")
    start = patience.clock.monotonic()
    asked: set[str] = set()
    pauses = Limits().polls()
    while True:
        every = [item for now in world.nodes().values() for item in (now.slots.values() if now.slots else [now.instance]) if item]
        alive = [item for item in every if item.state not in {"stopped", *GONE}]
        for instance in alive:
            if instance.state == "running" and instance.instance_id not in asked and _stop(world, instance.instance_id):
                asked.add(instance.instance_id)
        if not alive:
            return
        elapsed = patience.clock.monotonic() - start
        reason = ", ".join(f"{instance.instance_id} is {instance.state}" for instance in alive)
        if elapsed > STOP_LIMIT_S:
            raise PersonNeeded(reason, where=f"block {world.block.name}", next="find out why they don't stop, then destroy again")
        patience.emit(StepWaited("", "StopAll", reason, round(elapsed, 3), STOP_LIMIT_S))
        check_cancel(patience, "destroy")
        patience.clock.sleep(next(pauses))


def _stop(world: World, instance_id: str) -> bool:
    """Ask an instance to stop; return whether that was taken. Refused for being between two states, it is asked again."""
    try:
        world.cloud.stop(instance_id)
    except CloudFailed as error:
        if not (fault_of(error.code) is Fault.IN_BETWEEN or passes(error.code)):
            raise
        return False
    return True


def take_status(world: World, versions: Mapping[str, str]) -> tuple[tuple[NodeRow, ...], tuple[str, ...]]:
    """Return one row a node, as observed now, and what an unfinished run left."""
    nodes = world.nodes()
    views = {name: _view(world, name) for name in world.block.clusters}
    rows, unfinished = [], []
    for node in sorted(nodes):
        now = nodes[node]
        view = views[node.cluster]
        rows.append(_row(world, now, view, versions))
        unfinished += _unfinished(now)
    return tuple(rows), tuple(unfinished)


def _view(world: World, cluster: str) -> ServiceView | None:
    try:
        return world.view(cluster)
    except ImmtfError:
        return None


def _row(world: World, now: NodeNow, view: ServiceView | None, versions: Mapping[str, str]) -> NodeRow:
    instance = now.instance
    verdict = judge_custody(world.block.name, world.node(now.node, facts=True))
    volumes = tuple(
        f"{place.name} {place.volume_id} {volume.state if (volume := now.volumes.get(place.name)) else 'not found'}"
        for place in now.place.volumes
    )
    image = instance.image_id if instance else "?"
    return NodeRow(
        node=str(now.node),
        instance=instance.instance_id if instance else "none",
        state=instance.state if instance else "none",
        image=called(image, versions),
        zone=instance.zone if instance else "?",
        volumes=volumes,
        mounted=f"no: {verdict.reason}" if not verdict.held else "yes" if volumes else "-",
        role=_role(now.node, view),
        health=_health(now.node, view),
    )


def _role(node: NodeId, view: ServiceView | None) -> str:
    if view is None or view.problem:
        return "?"
    peer = view.peer(node)
    if view.leader() == node:
        return "leader"
    return "not a peer" if peer is None else "voter" if peer.voter else "non-voter"


def _health(node: NodeId, view: ServiceView | None) -> str:
    if view is None:
        return "?"
    answer, peer = view.answers.get(node), view.peer(node)
    if answer is not None and answer.problem:
        return f"unhealthy: {answer.problem}"
    if view.problem or peer is None or peer.healthy is None:
        return f"unknown: {view.problem or 'not told'}"
    return "healthy" if peer.healthy else "unhealthy"


def _unfinished(now: NodeNow) -> list[str]:
    left = []
    if is_away(now, NodeChange(ChangeKind.NONE)):
        state = now.instance.state if now.instance else "without an instance"
        left.append(f"{now.node} is away ({state}): `immtf upgrade` goes on with it first")
    if others := beside(now):
        names = ", ".join(f"{item.instance_id} ({item.state})" for item in others)
        left.append(f"{now.node} has {names} beside its instance: a swap is not finished, `immtf upgrade` goes on with it")
    if now.place.tainted:
        left.append(f"{now.place.instance} is tainted: its creation was interrupted")
    if now.place.deposed:
        left.append(f"{now.node} has a deposed object in the state")
    return left
