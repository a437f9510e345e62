"""While Terraform still waits for its provider the node comes back: its volumes are attached as soon as its new instance runs.

Then its gates are asked. When the apply is over the node serves already, and its gates have to hold only once more.

Whatever goes wrong here is left to Terraform, which does the same later.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, LeaseLost
from immtf.model.events import StepStarted
from immtf.plan.early import are_attached, attachable, expected, new_instance
from immtf.run.gates import ask_round, new_streak, settle_questions

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.names import NodeId
    from immtf.model.terraform import PlanData
    from immtf.plan.early import Expected
    from immtf.plan.streak import Streak
    from immtf.run.gates import Patience
    from immtf.run.world import World

LOOK_S = 1.0
HELD_LOOK_S = 3.0


@dataclass
class Meanwhile:
    """The watch over one node's apply. `streak` is how its gates held so far, None where that says nothing of the time after it.

    `made` are the new instances that have their volumes, by node. Watches over nodes in one apply share it, and ask gates when all have.
    """

    world: World
    node: NodeId
    patience: Patience
    wanted: Expected | None = None
    streak: Streak | None = None
    next_look: float = 0.0
    made: dict[NodeId, str] = field(default_factory=dict)

    def expect(self, plan: PlanData) -> None:
        """Take in what the plan that is about to be applied will make of the node."""
        self.wanted, self.streak = expected(plan, self.world.layout.nodes[self.node]), None
        self.made.clear()

    def look(self, begun: Collection[tuple[str, str]]) -> None:
        """Look, if it is time to, and do what can be done. What failed is tried again, or Terraform does it; a lost lease is raised."""
        clock = self.patience.clock
        if self.wanted is None or clock.monotonic() < self.next_look or self.patience.cancel.is_urgent():
            return
        pace_s = LOOK_S
        try:
            if self.node not in self.made:
                self._bring_back(self.wanted, begun)
            elif self.made.keys() >= set(self.world.at_work(self.node)) and self._holds(self._laid_out()):
                pace_s = HELD_LOOK_S
        except LeaseLost:
            raise
        except ImmtfError:
            pass  # a look may fail: nothing is decided by that
        self.next_look = clock.monotonic() + pace_s

    def _bring_back(self, wanted: Expected, begun: Collection[tuple[str, str]]) -> None:
        """Attach what is free to the new instance, if that runs, until Terraform begins with it; note when all is attached."""
        if not wanted.makes(begun) or not any(stray.state == "running" for stray in self.world.strays(self.node)):
            return
        now = self.world.node(self.node, strays=True)
        instance = new_instance(now, wanted)
        if instance is None:
            return
        if are_attached(now, wanted, instance):
            self.made[self.node] = instance.instance_id
        elif not wanted.attaches(begun):
            for volume_id, device in attachable(now, wanted, instance).items():
                what = f"attach {volume_id} to {instance.instance_id}, which runs; Terraform waits for it still"
                self.patience.emit(StepStarted(str(self.node), "ApplyNode", what))
                self.world.cloud.attach(volume_id, instance.instance_id, device)

    def _laid_out(self) -> World:
        """Return the world as it is laid out when the apply is over: this run's own layout is read from the state, and not before."""
        layout = self.world.layout
        places = {node: replace(layout.nodes[node], instance_id=made, tainted=False) for node, made in self.made.items()}
        return replace(self.world, layout=replace(layout, nodes={**layout.nodes, **places}))

    def _holds(self, after: World) -> bool:
        """Ask the node's gates once; return whether they hold. What a person lets pass is no pass here; heavy tests wait for the end."""
        questions, clock = settle_questions(after, self.node), self.patience.clock
        if not questions or any(question.heavy for question in questions):
            return False
        self.streak = self.streak or new_streak(questions, clock)
        asked = clock.monotonic()
        answers = ask_round(questions, self.patience, self.streak, asked)
        verdict = replace(answers.verdict, held=answers.verdict.held and not answers.passed_over)
        self.streak.count(verdict, asked, clock.monotonic())
        self.streak.passes = min(self.streak.passes, self.streak.needed - 1)  # the last time is when the apply is over
        return verdict.held
