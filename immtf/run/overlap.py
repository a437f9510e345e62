"""The end of one node's swap and the beginning of the next one's, in one apply: Terraform's waits for the two are side by side.

The next node's new instance is made while the present node's old one goes; nothing else of the next node is in that plan, and it is
judged as if it were alone. Where anything speaks against it, each comes in an apply of its own, as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from immtf.errors import PlanRefused, TerraformFailed, TerraformStuck
from immtf.model.events import Noted
from immtf.plan.judge_slots import judge_raised
from immtf.run.apply import Scope, apply_judged, judge_of, refuse_halt
from immtf.run.world import zones_of

if TYPE_CHECKING:
    from immtf.model.layout import Held
    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.gates import Patience
    from immtf.run.swap import Swap
    from immtf.run.world import World


@dataclass(frozen=True)
class Overlap:
    """The apply that ends the swap of a `node` and makes the instance of the `following` one."""

    world: World
    patience: Patience
    node: NodeId
    following: Swap

    def apply(self) -> tuple[str, bool] | None:
        """Apply both; return the evidence, or None where it has to be done one by one."""
        ready = self.following.wanting()
        if ready is None:
            return None
        try:
            applied = self._apply(*ready)
        except TerraformStuck:
            raise
        except (PlanRefused, TerraformFailed) as error:
            self.patience.emit(Noted("info", f"{self.node} and {self.following.node} come one by one: {error.what}"))
            self.world.survey()
            return None
        made = self.world.layout.nodes[self.following.node].slot(self.following.slot)
        beside = f"; {made.instance_id} is made for {self.following.node}" if made and made.instance_id else ""
        return f"applied: {applied} changes{beside}", True

    def _apply(self, following: NodeNow, kept: Held) -> int:
        now = self.world.node(self.node, strays=True)
        refuse_halt(now)
        place = following.place.slot(self.following.slot)
        address = place.address if place else ""

        def judge(plan: PlanData) -> list[Refusal]:
            theirs, ours = _part(plan, address, theirs=True), _part(plan, address, theirs=False)
            return [*judge_of(self.world, now, ours), *judge_raised(theirs, following, self.following.slot, zones_of(following))]

        scope = Scope([*now.place.targets, address], {self.following.node.key: kept})
        return apply_judged(self.world, self.patience, judge=judge, scope=scope, where=str(self.node), step="ApplyNode")


def _part(plan: PlanData, address: str, *, theirs: bool) -> PlanData:
    """Return the plan with the row of this address alone, or without it."""
    return replace(plan, changes=tuple(row for row in plan.changes if (row.address == address) == theirs))
