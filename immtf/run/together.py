"""Several nodes' changes in one apply: Terraform makes their instances side by side.

Each node's rows are judged as if they were alone, and what is no one's is refused with the first one's. Where anything speaks against it,
each node's change comes in an apply of its own, as ever, and its own fault is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from immtf.errors import PlanRefused, TerraformFailed, TerraformStuck
from immtf.model.events import Noted
from immtf.run.apply import Scope, apply_judged, judge_of, refuse_halt, spare_again
from immtf.run.meanwhile import Meanwhile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.names import NodeId
    from immtf.model.terraform import Change, PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.gates import Patience
    from immtf.run.ports import Watching
    from immtf.run.world import World


@dataclass(frozen=True)
class Together:
    """The one apply of several nodes' changes."""

    world: World
    patience: Patience
    nodes: Sequence[NodeId]

    def apply(self) -> Mapping[NodeId, Meanwhile] | None:
        """Apply all; return the watch over each node, or None where it has to be done one by one."""
        try:
            return self._apply()
        except TerraformStuck:
            raise
        except (PlanRefused, TerraformFailed) as error:
            self.patience.emit(Noted("info", f"{self._names()} come one by one: {error.what}"))
            self.world.survey()
            return None

    def _apply(self) -> Mapping[NodeId, Meanwhile]:
        seen = {node: self.world.node(node, strays=True) for node in self.nodes}
        for now in seen.values():
            refuse_halt(now)
        made: dict[NodeId, str] = {}
        watches = {node: Meanwhile(self.world, node, self.patience, made=made) for node in self.nodes}

        def judge(plan: PlanData) -> list[Refusal]:
            return [refusal for node in self.nodes for refusal in judge_of(self.world, seen[node], self._part(plan, node))]

        def ready(plan: PlanData) -> Watching:
            for node, now in seen.items():
                spare_again(self.world, now, plan, self.patience)
                watches[node].expect(plan)
            return lambda begun: _look(watches.values(), begun)

        targets = [target for now in seen.values() for target in now.place.targets]
        apply_judged(self.world, self.patience, judge=judge, ready=ready, scope=Scope(targets), where=self._names(), step="ApplyNode")
        return watches

    def _part(self, plan: PlanData, node: NodeId) -> PlanData:
        """Return the plan with the rows of this node; the first one's part has what is none of theirs too."""

        def belongs(row: Change) -> bool:
            owner = self.world.layout.owner(row.address)
            return owner == node or (node == self.nodes[0] and owner not in self.nodes)

        return replace(plan, changes=tuple(row for row in plan.changes if belongs(row)))

    def _names(self) -> str:
        return ", ".join(map(str, self.nodes))


def _look(watches: Collection[Meanwhile], begun: Collection[tuple[str, str]]) -> None:
    for watch in watches:
        watch.look(begun)
