"""While a node is waited for, the others are looked at: one that dies meanwhile has to be mended first.

The wait itself would go on to its limit, ten minutes perhaps, with two nodes away. One blip is no death: a node has to be seen down
at every look for a minute. A look that fails says nothing. Looks are further apart than a gate's, as each asks every server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, OthersFailed
from immtf.plan.others import seen_down

if TYPE_CHECKING:
    from immtf.model.names import NodeId
    from immtf.run.ports import Clock
    from immtf.run.world import World

DOWN_S = 60.0
LOOK_S = 5.0


@dataclass
class Others:
    """The members of a node's cluster without it; `down` tells since when each is seen down, in the clock's seconds."""

    world: World
    node: NodeId
    clock: Clock
    down: dict[NodeId, float] = field(default_factory=dict)
    next_look: float = 0.0

    def look(self, waited_for: str) -> None:
        """Look, if it is time to. Raises `OthersFailed` for a node that is down for too long, with what was `waited_for` meanwhile."""
        now = self.clock.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + LOOK_S
        try:
            found = self._seen_down()
        except ImmtfError:
            return
        self.down = {node: self.down.get(node, now) for node in found}
        dead = sorted(node for node, since in self.down.items() if now - since >= DOWN_S)
        if dead:
            raise self._failed(dead, found, waited_for)

    def _seen_down(self) -> dict[NodeId, str]:
        nodes, view = self.world.nodes(), self.world.view(self.node.cluster)
        others = [node for node in self.world.members(self.node.cluster) if node not in self.world.at_work(self.node)]
        return {node: why for node in others if (why := seen_down(nodes[node], view))}

    def _failed(self, dead: list[NodeId], found: dict[NodeId, str], waited_for: str) -> OthersFailed:
        named = ", ".join(map(str, dead))
        reasons = "; ".join(f"{node} is down: {found[node]}" for node in dead)
        return OthersFailed(
            f"{reasons}, for {DOWN_S:.0f} s and more, while this node was waited for ({waited_for})",
            where=str(self.node),
            next=f"mend {named} first; `immtf upgrade` begins with a node that is away or sick",
        )
