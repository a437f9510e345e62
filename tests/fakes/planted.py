"""Altered parts to be handed in: an executor, a port or a rule that is wrong in one way, so that tests can see it caught."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.model.service import Answer, ServiceView
from immtf.model.steps import DetachVolumes
from immtf.plan.checks import Overrides
from immtf.plan.decide import decide_detach
from immtf.run.executor import Executor
from immtf.run.ledger import Ledger
from immtf.run.moves import Moves
from immtf.run.ports import nobody
from tests.fakes.clock import FakeCancel
from tests.fakes.cloud import FakeCloud
from tests.fakes.service import FakeService
from tests.fakes.simulation import VOLUME, Row
from tests.fakes.terraform import FakeTerraform

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.block import ServiceGate
    from immtf.model.cloud import Instance, Volume
    from immtf.model.names import NodeId
    from immtf.model.steps import NodeWork, Step, UpgradePlan
    from immtf.run.ports import Watching
    from tests.fakes.terraform import FakePlan
    from tests.fakes.world import Scene


def carry_out(scene: Scene, works: Sequence[NodeWork], executor: Executor | None = None) -> None:
    """Carry works out, one after the other, with an executor that may be altered."""
    executor = executor or Executor(scene.world(), scene.patience(), Ledger(0.0))
    executor.world.survey(scene.terraform.plan().data)
    for index, work in enumerate(works, start=1):
        executor.perform([work], index=index, total=len(works))


def without(plan: UpgradePlan, *kinds: type[Step]) -> list[NodeWork]:
    """Return a plan's works with some kinds of steps left out."""
    return [dataclasses.replace(work, steps=tuple(step for step in work.steps if not isinstance(step, kinds))) for work in plan.works]


class BlindService(FakeService):
    """Says that all is well, whatever is."""

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        seen = super().view(gate, addresses)
        leader = self.sim.raft.leader or next(iter(addresses.values()))
        peers = tuple(dataclasses.replace(peer, healthy=True, voter=True, lag=0) for peer in seen.peers)
        return ServiceView(addresses, dict.fromkeys(addresses, Answer(leader)), peers)


class CountingService(FakeService):
    """Leaves a server that is away out of what it says, and so counts only those that are there."""

    def view(self, gate: ServiceGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        seen = super().view(gate, addresses)
        there = {node: answer for node, answer in seen.answers.items() if not answer.problem}
        peers = tuple(peer for peer in seen.peers if peer.address in {addresses[node] for node in there})
        return ServiceView({node: addresses[node] for node in there}, there, peers, seen.problem)


class UnjudgedTerraform(FakeTerraform):
    """Shows one plan and applies another, as a wrapper does that plans a second time."""

    def apply(self, saved: FakePlan, watch: Watching = nobody) -> None:
        assert saved.data.changes, "the plan that was shown and judged"
        super().apply(self._plan(()), watch)


class ForgetfulTerraform(FakeTerraform):
    """Hands a copy of the plan over to be applied, which nobody has judged."""

    def apply(self, saved: FakePlan, watch: Watching = nobody) -> None:
        super().apply(dataclasses.replace(saved), watch)


class HastyCloud(FakeCloud):
    """Believes a detach as soon as it is asked for, and shows the volume as free."""

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        return {
            key: dataclasses.replace(volume, state="available", attachments=()) if _detaching(volume) else volume
            for key, volume in super().volumes(ids).items()
        }


def _detaching(volume: Volume) -> bool:
    return any(tie.state == "detaching" for tie in volume.attachments)


@dataclass
class LosingTerraform(FakeTerraform):
    """Loses the volumes out of the state, so that blank ones would be made in their place."""

    def lose(self, key: str) -> Row:
        return self.sim.state.pop(self.planner.address(VOLUME, key))


class HastyExecutor(Executor):
    """Takes one look at a volume that is available for good."""

    def _carry_out(self, step: Step, work: NodeWork) -> tuple[str, bool]:
        if not isinstance(step, DetachVolumes):
            return super()._carry_out(step, work)
        moves = Moves(self.world, self.patience, self.ledger, self.limits)
        return moves.converge(step.node, "DetachVolumes", decide_detach, moves._detach)


@dataclass
class WaveringCloud(FakeCloud):
    """Shows a volume as available while it is detaching, at every other look: an API that takes back what it said."""

    looks: int = 0

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        seen = super().volumes(ids)
        self.looks += any(_detaching(volume) for volume in seen.values())
        return {
            key: dataclasses.replace(volume, state="available", attachments=()) if _detaching(volume) and self.looks % 2 else volume
            for key, volume in seen.items()
        }


class EagerCloud(FakeCloud):
    """Shows an instance as stopped as soon as it was asked to stop."""

    def instances(self, ids: Collection[str]) -> Mapping[str, Instance]:
        seen = super().instances(ids)
        return {key: dataclasses.replace(item, state="stopped") if item.state == "stopping" else item for key, item in seen.items()}


class Permissive(Overrides):
    """Lets every check pass, the hard rules too."""

    def reason(self, check: str) -> str | None:
        return f"{check} doesn't matter"


@dataclass
class DeafCancel(FakeCancel):
    """Hears no wish to end."""

    heard: list[bool] = field(default_factory=list)

    def is_set(self) -> bool:
        self.heard.append(self.asked)
        return False
