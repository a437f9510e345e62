"""Steps that move an instance or its volumes: observe, decide, act, until the step is seen done.

A move asks the cloud and looks again; it never takes an answered call for a thing that has happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import StepStarted, StepWaited
from immtf.plan.decide import Act, Done, Halt, Wait, decide_detach, decide_start, decide_stop
from immtf.run.gates import ask, check_cancel, spare_questions, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.plan.decide import Decision
    from immtf.run.gates import Patience
    from immtf.run.ledger import Ledger
    from immtf.run.world import World

IN_BETWEEN = frozenset({"IncorrectInstanceState", "IncorrectState"})


@dataclass(frozen=True, slots=True)
class Limits:
    """A move's time limit and pace in seconds, and how often it may act before a person is asked.

    The first look comes soon, each further one later: a small instance stops in a second, a large one takes minutes.
    """

    move_s: float = 900.0
    first_poll_s: float = 0.2
    longest_poll_s: float = 3.0
    acts: int = 20

    def polls(self) -> Iterator[float]:
        """Return the pauses between looks, without end."""
        pause = self.first_poll_s
        while True:
            yield pause
            pause = min(pause * 1.4, self.longest_poll_s)


@dataclass(frozen=True)
class Moves:
    """The moves of one world; each returns the evidence and whether anything had to be done."""

    world: World
    patience: Patience
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)

    def stop(self, node: NodeId) -> tuple[str, bool]:
        """Stop the node's instance and wait until it is stopped."""
        return self._converge(node, "StopNode", decide_stop, self._stop)

    def start(self, node: NodeId) -> tuple[str, bool]:
        """Start the node's stopped instance and wait until it runs."""
        return self._converge(node, "StartNode", decide_start, self._start)

    def detach(self, node: NodeId) -> tuple[str, bool]:
        """Detach the node's volumes and wait until they are available, seen twice: an API was seen to take it back."""
        return self._converge(node, "DetachVolumes", decide_detach, self._detach, confirmations=2)

    def _converge(
        self,
        node: NodeId,
        step: str,
        decide: Callable[[NodeNow], Decision],
        act: Callable[[NodeNow], None],
        *,
        confirmations: int = 1,
    ) -> tuple[str, bool]:
        clock = self.patience.clock
        start, acts, seen = clock.monotonic(), 0, 0
        pauses = self.limits.polls()
        while True:
            now = self.world.node(node)
            decision = decide(now)
            seen = seen + 1 if isinstance(decision, Done) else 0
            match decision:
                case Done(evidence):
                    if seen >= confirmations:
                        self.ledger.servers_s += clock.monotonic() - start if acts else 0.0
                        return evidence, acts > 0
                case Act(what):
                    acts += 1
                    self._act(node, step, what, acts)
                    act(now)
                case Wait(reason):
                    self._waited(node, step, reason, clock.monotonic() - start)
                case Halt(reason, what_next):
                    raise PersonNeeded(reason, where=str(node), next=what_next)
                case _:
                    assert_never(decision)
            clock.sleep(next(pauses))

    def _act(self, node: NodeId, step: str, what: str, acts: int) -> None:
        if acts > self.limits.acts:
            message = f"asked {self.limits.acts} times to {what}, and it does not come about"
            raise PersonNeeded(message, where=str(node), next="look at the instance and its volumes in the cloud's console")
        self.patience.emit(StepStarted(str(node), step, what))

    def _waited(self, node: NodeId, step: str, reason: str, elapsed: float) -> None:
        self.patience.emit(StepWaited(str(node), step, reason, round(elapsed, 3), self.limits.move_s))
        check_cancel(self.patience, str(node), settling=True)
        if elapsed > self.limits.move_s:
            what_next = "find out why; never detach by force; then run `immtf upgrade` again"
            raise PersonNeeded(f"{reason}, for {elapsed:.0f} s now", where=str(node), next=what_next)

    def _stop(self, now: NodeNow) -> None:
        """Stop the instance, after one more look at the quorum: time has passed since the gate.

        Where it does not hold, the gate is asked anew: a leader that was just elected knows nobody's health for a moment.
        """
        check_cancel(self.patience, str(now.node))
        questions = spare_questions(self.world, now.node)
        if not all(ask(question).held for question in questions):
            wait_for(questions, self.patience, where=str(now.node))
        self.ledger.gone(str(now.node), self.patience.clock.monotonic())
        if now.instance:
            _ask_cloud(self.world.cloud.stop, now.instance.instance_id)

    def _start(self, now: NodeNow) -> None:
        if now.instance:
            _ask_cloud(self.world.cloud.start, now.instance.instance_id)

    def _detach(self, now: NodeNow) -> None:
        """Detach what is attached to this node's own stopped instance, naming the instance; never by force."""
        for volume in now.volumes.values():
            for tie in volume.attachments if volume else ():
                if volume and now.instance and tie.instance_id == now.instance.instance_id and tie.state == "attached":
                    _ask_cloud(self.world.cloud.detach, volume.volume_id, tie.instance_id)


def _ask_cloud(call: Callable[..., None], *ids: str) -> None:
    """Make a call whose refusal for being between two states only means: look again."""
    try:
        call(*ids)
    except CloudFailed as error:
        if error.code not in IN_BETWEEN:
            raise
