"""The whole upgrade of one block: preflight, shared changes, node by node, the rest, and a last look.

Observing and planning come first and can be shown; carrying out takes the very plan that was shown. At the end a full plan
must be empty: that is the proof that nothing was forgotten and nothing came along.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import PersonNeeded, PlanRefused, UsageError
from immtf.model.block import ConsulGate
from immtf.model.events import Noted, StageFinished, StageStarted
from immtf.plan.checks import named
from immtf.plan.judge import acting, judge_shared
from immtf.plan.layout import INTERFACE, lint_layout
from immtf.plan.together import at_once, next_work, next_works
from immtf.plan.upgrade import make_plan
from immtf.run.apply import apply_stage
from immtf.run.contracts import refuse_contracts
from immtf.run.custody import mark_before
from immtf.run.images import refuse_images
from immtf.run.moving import record_moves
from immtf.run.tested import refuse_untestable
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from immtf.model.block import Block
    from immtf.model.cloud import ImageChoice
    from immtf.model.layout import Layout
    from immtf.model.names import NodeId
    from immtf.model.snapshot import Snapshot
    from immtf.model.steps import NodeWork, UpgradePlan
    from immtf.model.terraform import PlanData
    from immtf.run.executor import Executor
    from immtf.run.gates import Patience
    from immtf.run.world import World


@contextmanager
def stage(patience: Patience, name: str, what: str) -> Iterator[None]:
    """Tell the beginning and, where it went well, the end of a stage."""
    start = patience.clock.monotonic()
    patience.emit(StageStarted(name, what))
    yield
    patience.emit(StageFinished(name, round(patience.clock.monotonic() - start, 3)))


def prepare(
    world: World, patience: Patience, image: ImageChoice | None, versions: Mapping[str, str], *, only: Collection[NodeId] = ()
) -> UpgradePlan:
    """Observe everything and return the plan.

    Raises `PlanRefused` for what nobody may do, `VersionsUnresolved` where a block that is required doesn't fit, `PersonNeeded` where
    too few are left.
    """
    refuse_untestable(world, patience)
    with stage(patience, "observe", "Terraform's full plan, the cloud and the service"):
        saved = world.terraform.plan()
        refuse_contracts(world.block, saved.data, patience, world.known, world.later)
        snapshot, parts = world.snapshot(saved.data)
        _refuse_lost_volumes(snapshot)  # first: it is why the plan would make them anew
        if world.block.clusters and not snapshot.nodes:
            names = ", ".join(cluster.nodes for cluster in world.block.clusters.values())
            raise PersonNeeded(
                f"Terraform knows no node at {names}",
                where=f"block {world.block.name}",
                next="check `nodes:` in immtf.yaml, or make the environment first with `immtf create`",
            )
        tell_layout(world.layout, patience)
        refuse_addressless(world.block, world.layout)
        refuse_unmovable(world.block, world.layout)
        patience.refuse([*parts.refusals, *refuse_images(world, snapshot, only)], f"block {world.block.name}")
        _refuse_unmade(world)
        return make_plan(world.block, snapshot, image, versions, only=only)


def tell_layout(layout: Layout, patience: Patience) -> None:
    """Warn of nodes that are laid out in a way that works until one of them is taken out."""
    for warning in lint_layout(layout):
        patience.emit(Noted("warning", warning))


def refuse_addressless(block: Block, layout: Layout) -> None:
    """Refuse to swap servers whose address can't move with them, where they can't leave before: each would come back as somebody else."""
    for node, place in sorted(layout.nodes.items()):
        gate = service_gate(block.clusters[node.cluster])
        if not place.slots or place.interface is not None or gate is None:
            continue
        several = [address for address in place.addresses if f"{INTERFACE}." in address]
        if several or not isinstance(gate, ConsulGate):
            which = f"several network interfaces ({', '.join(sorted(several))})" if several else "no network interface of its own"
            what = f"strategy swap: {node} has {which}, so its address can't move with it"
            mend = "give each node one aws_network_interface, as modules/slotted-node does, or use strategy: replace"
            raise UsageError(what, where=str(block.file), next=mend)


def refuse_unmovable(block: Block, layout: Layout) -> None:
    """Refuse to swap what nothing can be moved of, or not wholly: found out after the stop it would leave a node away."""
    for node, place in sorted(layout.nodes.items()):
        loose = [volume.address for volume in place.volumes if volume.volume_id and not volume.device]
        if place.slots and loose:
            what = f"strategy swap: {', '.join(loose)} has no aws_volume_attachment, so nobody knows as which device it is to be attached"
            raise UsageError(what, where=str(node), next="give the volume an aws_volume_attachment, or take it out of the node's module")
        if place.slots and not place.volumes and not place.interface:
            what = f"strategy swap: {node} has no volume and no network interface: which of its instances serves could not be told"
            raise UsageError(what, where=str(block.file), next="use strategy: replace")


def _refuse_unmade(world: World) -> None:
    """Refuse to begin where no node was ever made: servers that wait for each other can't be made one at a time."""
    clusters = world.block.clusters
    if clusters and not any(world.members(name) for name in clusters):
        names = ", ".join(cluster.nodes for cluster in clusters.values())
        what, where = f"Terraform's state has no node at {names}", f"block {world.block.name}"
        raise PersonNeeded(what, where=where, next="make the environment with `immtf create`")


def _refuse_lost_volumes(snapshot: Snapshot) -> None:
    """Refuse to begin while a volume that the state names can't be found in the cloud."""
    lost = [
        f"{place.name} of {node} ({place.volume_id})"
        for node, now in sorted(snapshot.nodes.items())
        for place in now.place.volumes
        if place.volume_id and now.volumes.get(place.name) is None
    ]
    if lost:
        what = f"{named('volume-lost')}volumes that can't be found: {', '.join(lost)}"
        raise PersonNeeded(what, where="the cloud", next="look for them (another region? deleted?) before anything is touched")


@dataclass(frozen=True)
class Upgrade:
    """Carries out a plan."""

    executor: Executor

    def perform(self, plan: UpgradePlan) -> None:
        """Do everything that the plan says, in its order. Raises what stopped it."""
        world, patience = self.executor.world, self.executor.patience
        if plan.moves:
            with stage(patience, "moves", f"{len(plan.moves)} objects under a new address; nothing of them changes"):
                record_moves(world, patience, plan.moves)
        if plan.shared:
            with stage(patience, "shared", f"{len(plan.shared)} changes outside the nodes"):
                self._shared([change.address for change in plan.shared])
        mark_before(world, plan.works, patience)
        with stage(patience, "nodes", f"{len(plan.works)} nodes, {self._pace()}"):
            self._nodes(plan.works)
        chosen = all(work.steps for work in plan.works)
        with stage(patience, "rest", "what is left, and that nothing is"):
            self._rest(plan, whole=chosen)

    def _nodes(self, works: Sequence[NodeWork]) -> None:
        """Do one node after the other, or as many together as may be away; which are next is decided again each time."""
        left = list(works)
        while left:
            leaders = self._leaders(left)
            chosen = next_works(left, leaders, self.executor.world.block, self._members())
            if chosen[0] is not left[0]:
                self.executor.patience.emit(Noted("info", f"{left[0].node} leads the cluster now: it goes last"))
            index = len(works) - len(left) + 1
            left = [work for work in left if work not in chosen]
            following = next_work(left, leaders) if left and len(chosen) == 1 else None
            self.executor.perform(chosen, index=index, total=len(works), following=following)

    def _members(self) -> dict[str, int]:
        world = self.executor.world
        return {name: len(world.members(name)) for name in world.block.clusters}

    def _pace(self) -> str:
        block, members = self.executor.world.block, self._members()
        most = max((at_once(block, cluster, members[name]) for name, cluster in block.clusters.items()), default=1)
        return "one at a time" if most == 1 else f"at most {most} at a time"

    def _leaders(self, works: Sequence[NodeWork]) -> set[NodeId]:
        """Return who leads in the clusters that have work left."""
        views = [self.executor.world.view(cluster) for cluster in sorted({work.node.cluster for work in works})]
        return {leader for view in views if view is not None and (leader := view.leader()) is not None}

    def _shared(self, addresses: Sequence[str]) -> None:
        """Apply shared changes by name; one that would pull a node along waits for the end, when the nodes are done."""
        try:
            self._apply_shared(addresses)
        except PlanRefused:
            for address in addresses:
                self._apply_or_defer(address)

    def _apply_shared(self, addresses: Sequence[str]) -> None:
        world, patience = self.executor.world, self.executor.patience
        layout = world.layout
        apply_stage(world, patience, judge=lambda plan: judge_shared(plan, layout), where="shared", step="ApplyShared", targets=addresses)

    def _apply_or_defer(self, address: str) -> None:
        try:
            self._apply_shared([address])
        except PlanRefused as refused:
            self.executor.patience.emit(Noted("info", f"{address} waits until the nodes are done: {refused.what}"))

    def _rest(self, plan: UpgradePlan, *, whole: bool) -> None:
        """Apply what hung on the nodes (outputs, deferred shared changes), then show that a full plan is empty."""
        world, patience = self.executor.world, self.executor.patience
        saved = world.terraform.plan()
        if saved.changed and not self._nodes_left(saved.data):
            layout = world.layout
            self._tell_unshown(saved.data, plan)
            apply_stage(world, patience, judge=lambda plan: judge_shared(plan, layout), where="rest", step="ApplyRest")
            saved = world.terraform.plan()
        if not saved.changed:
            patience.emit(Noted("info", "a full plan is empty: everything is as Terraform wants it"))
            return
        left = [f"{row.address}: {'/'.join(row.actions)}" for row in acting(saved.data)]
        if not whole:
            patience.emit(Noted("info", f"left as chosen (--only): {', '.join(left)}"))
            return
        raise PersonNeeded(
            f"a full plan is not empty after the upgrade: {', '.join(left) or 'outputs change'}",
            where=f"block {world.block.name}",
            next="look at `immtf plan`; a value that changes with each plan (a timestamp?) can never settle",
        )

    def _tell_unshown(self, plan: PlanData, shown: UpgradePlan) -> None:
        """Tell what is about to change and was not in the plan that was shown: it came of the nodes' own changes."""
        known = {change.address for change in shown.shared}
        fresh = [f"{row.address}: {'/'.join(row.actions)}" for row in acting(plan) if row.address not in known]
        if fresh:
            self.executor.patience.emit(Noted("warning", f"changes that were not in the plan at first: {', '.join(fresh)}"))

    def _nodes_left(self, plan: PlanData) -> bool:
        layout = self.executor.world.layout
        return any(layout.owner(row.address) is not None for row in acting(plan))
