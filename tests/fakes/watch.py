"""The watch over a simulated world: what must hold after every single call, whatever was killed or went wrong before it.

It stands beside the rules that `tests.fakes.simulation` holds at each change, and sees what no single change shows:

- Of the nodes that immtf took away, no more than are allowed are away at any moment; those that died by themselves count apart.
- Every volume is there with its filesystem, none was pulled out of an instance that runs or is still stopping, and no instance is
  destroyed with a volume on it.
- A node has one live instance at the most.
- What is applied was judged, row by row, as the last thing that was told; and it touches one node at the most,
  but for a new instance beside one that serves.
- After the lease was lost nothing is changed any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import LeaseLost
from immtf.model.events import PlanJudged
from immtf.plan.judge import acting
from tests.fakes.simulation import INSTANCE, Violation

if TYPE_CHECKING:
    from tests.fakes.terraform import FakePlan
    from tests.fakes.world import Scene

LATEST = 3
CHANGES = re.compile(
    r"cloud\.(stop|start|detach|attach|attach_interface|detach_interface|snapshot|delete_snapshot)|terraform\.(apply|adopt|forget|untaint)|guest\.(mark|first_boot)|service\.hand_over"
)


@dataclass
class Watch:
    """Watches one scene from now on; `away` are the nodes that immtf took and that don't serve again yet.

    `lost` is at which call the run lost its lease, None where it holds it.
    """

    scene: Scene
    away: set[str] = field(default_factory=set)
    counted: int = 0
    lost: int | None = None

    def __post_init__(self) -> None:
        self.counted = len(self.scene.sim.taken)
        self.scene.sim.calls.watch = self.look
        self.scene.terraform.witness = self.see_judged

    def look(self) -> None:
        """Hold the rules of any moment."""
        sim = self.scene.sim
        sim.check()
        self.away = {key for key in {*self.away, *sim.taken[self.counted :]} if not sim.healthy(key)}
        self.counted = len(sim.taken)
        if len(self.away) > sim.at_once:
            raise Violation(f"{', '.join(sorted(self.away))} are away at once")
        for volume, filesystem in self.scene.first.values():
            if volume not in sim.volumes:
                raise Violation(f"{volume} is gone")
            if sim.volumes[volume].filesystem not in {filesystem, ""}:
                raise Violation(f"{volume} was formatted")
        if sim.pulled:
            raise Violation(f"{', '.join(sim.pulled)} was to come out of a running instance")
        late = [name for name in sim.calls.log[self.lost :] if CHANGES.fullmatch(name)] if self.lost is not None else []
        if late:
            raise Violation(f"{late[0]} after the lease was lost")

    def lose_lease(self) -> None:
        """Let another run have the lease; a call that is under way isn't ended by that."""
        self.lost = len(self.scene.sim.calls.log)

    def guard(self) -> None:
        """Be asked for the lease before a change."""
        if self.lost is not None:
            raise LeaseLost("another run holds the lease")

    def see_judged(self, saved: FakePlan) -> None:
        """Hold that this very plan was judged just now, and that it is one node's or nobody's."""
        rows = tuple(f"{row.address}: {'/'.join(row.actions)}" for row in acting(saved.data))
        judged = [event.allowed for event in self.scene.events[-LATEST:] if isinstance(event, PlanJudged)]
        if rows not in judged:
            raise Violation(f"a plan is applied that was not judged: {rows}")
        touched = [row for row in acting(saved.data) if not (row.type == INSTANCE and row.is_create and row.module and row.index)]
        nodes = {row.address.partition('["')[2].partition('"]')[0] for row in touched} - {""}
        if len(nodes) > self.scene.sim.at_once:
            raise Violation(f"one apply of {', '.join(sorted(nodes))}")
        ends = {str(row.before.get("id")) for row in acting(saved.data) if row.type == INSTANCE and row.destroys}
        torn = [volume.volume_id for volume in self.scene.sim.volumes.values() if volume.owner in ends]
        if torn:
            raise Violation(f"an instance is destroyed with {', '.join(torn)} on it")
