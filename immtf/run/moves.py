"""Steps that move an instance or its volumes: observe, decide, act, until the step is seen done.

A move asks the cloud and looks again; it never takes an answered call for a thing that has happened, nor a call without an answer for
one that hasn't. A fault of the cloud that passes (throttling, its own errors, a lost connection) is waited out within the move's
limit: the node is away, and a read that was not answered decides nothing. What would halt the move is looked at again first, as an
API may answer with what was true before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import StepStarted, StepWaited
from immtf.plan.checks import named
from immtf.plan.decide import Act, Done, Halt, Wait, decide_detach, decide_start, decide_stop
from immtf.plan.faults import Fault, fault_of, passes
from immtf.run.capacity import PAUSES_S
from immtf.run.gates import check_cancel, confirm_spare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow
    from immtf.plan.decide import Decision
    from immtf.run.gates import Patience
    from immtf.run.ledger import Ledger
    from immtf.run.world import World


_LOOK_AGAIN = frozenset({Fault.IN_BETWEEN, Fault.VOLUME_IN_USE, Fault.ADDRESS_IN_USE})


@dataclass(frozen=True, slots=True)
class Limits:
    """A move's time limit and pace in seconds, and how often it may act before a person is asked.

    The first look comes soon, each further one later: a small instance stops in a second, a large one takes minutes. A halt is believed
    when it was all that was seen for `halt_s`. `apply_pauses_s` are the pauses between applies that found no room (`run.capacity`).
    """

    move_s: float = 900.0
    first_poll_s: float = 0.2
    longest_poll_s: float = 3.0
    acts: int = 20
    halt_s: float = 5.0
    apply_pauses_s: tuple[float, ...] = PAUSES_S

    @classmethod
    def of(cls, move_s: float) -> Limits:
        """Return the limits where a move may take so many seconds; no pause is longer than that."""
        return cls(move_s=move_s, apply_pauses_s=tuple(min(pause, move_s) for pause in PAUSES_S))

    def polls(self) -> Iterator[float]:
        """Return the pauses between looks, without end."""
        pause = self.first_poll_s
        while True:
            yield pause
            pause = min(pause * 1.4, self.longest_poll_s)


@dataclass(slots=True)
class _Looks:
    """How often in a row, and since when, the world was seen to want the same kind of decision."""

    kind: type[Decision] | None = None
    seen: int = 0
    since: float = 0.0

    def count(self, decision: Decision, at: float) -> None:
        """Take in what was seen at a moment, in the clock's monotonic seconds."""
        same = type(decision) is self.kind
        self.kind, self.seen, self.since = type(decision), self.seen + 1 if same else 1, self.since if same else at


@dataclass(frozen=True)
class Moves:
    """The moves of one world; each returns the evidence and whether anything had to be done."""

    world: World
    patience: Patience
    ledger: Ledger
    limits: Limits = field(default_factory=Limits)

    def begin_stop(self, node: NodeId) -> bool:
        """Ask a running instance to stop, and wait for nothing; return whether it was asked. `stop` sees it through."""
        now, decision = self._look(node, decide_stop)
        if not isinstance(decision, Act):
            return False
        self._act(node, "StopNode", decision.what, 1)
        return not _ask_cloud(self._stop, now)

    def stop(self, node: NodeId, *, asked: bool = False) -> tuple[str, bool]:
        """Stop the node's instance and wait until it is stopped; `asked`: it was begun already."""
        return self.converge(node, "StopNode", decide_stop, self._stop, acts=int(asked))

    def start(self, node: NodeId) -> tuple[str, bool]:
        """Start the node's stopped instance and wait until it runs."""
        return self.converge(node, "StartNode", decide_start, self._start)

    def detach(self, node: NodeId) -> tuple[str, bool]:
        """Detach the node's volumes and wait until they are available, seen twice: an API was seen to take it back."""
        return self.converge(node, "DetachVolumes", decide_detach, self._detach, confirmations=2)

    def converge(
        self,
        node: NodeId,
        step: str,
        decide: Callable[[NodeNow], Decision],
        act: Callable[[NodeNow], None],
        *,
        confirmations: int = 1,
        acts: int = 0,
    ) -> tuple[str, bool]:
        """Look, decide and act until it is seen done, so many times in a row; return the evidence and whether anything was asked for.

        `acts` is how often it was asked for before.
        """
        clock = self.patience.clock
        start = clock.monotonic()
        looks = _Looks()
        pauses = self.limits.polls()
        while True:
            now, decision = self._look(node, decide)
            looks.count(decision, clock.monotonic())
            match decision:
                case Done(evidence):
                    if looks.seen >= confirmations:
                        self.ledger.servers_s += clock.monotonic() - start if acts else 0.0
                        return evidence, acts > 0
                case Act(what):
                    acts += 1
                    self._act(node, step, what, acts)
                    self._refused(node, step, _ask_cloud(act, now), clock.monotonic() - start)
                case Wait(reason):
                    self._waited(node, step, reason, clock.monotonic() - start)
                case Halt(reason, what_next, check):
                    if clock.monotonic() - looks.since >= self.limits.halt_s:
                        raise PersonNeeded(f"{named(check)}{reason}", where=str(node), next=what_next)
                case _:
                    assert_never(decision)
            clock.sleep(next(pauses))

    def _look(self, node: NodeId, decide: Callable[[NodeNow], Decision]) -> tuple[NodeNow | None, Decision]:
        """Observe and decide; a cloud that can't be asked just now is waited for, and nothing is decided on what was seen before."""
        try:
            now = self.world.node(node)
        except CloudFailed as error:
            if not passes(error.code):
                raise
            return None, Wait(f"the cloud does not tell: {error.what}")
        return now, decide(now)

    def _act(self, node: NodeId, step: str, what: str, acts: int) -> None:
        if acts > self.limits.acts:
            message = f"asked {self.limits.acts} times to {what}, and it does not come about"
            raise PersonNeeded(message, where=str(node), next="look at the instance and its volumes in the cloud's console")
        self.patience.emit(StepStarted(str(node), step, what))

    def _refused(self, node: NodeId, step: str, reason: str, elapsed: float) -> None:
        if reason:
            self._waited(node, step, reason, elapsed)

    def _waited(self, node: NodeId, step: str, reason: str, elapsed: float) -> None:
        self.patience.emit(StepWaited(str(node), step, reason, round(elapsed, 3), self.limits.move_s))
        check_cancel(self.patience, str(node), settling=True)
        if elapsed > self.limits.move_s:
            what_next = "find out why; never detach by force; then run `immtf upgrade` again"
            raise PersonNeeded(f"{reason}, for {elapsed:.0f} s now", where=str(node), next=what_next)

    def _stop(self, now: NodeNow) -> None:
        """Stop the instance, after one more look at the quorum."""
        mates = [mate for mate in self.world.at_work(now.node) if str(mate) in self.ledger.gone_since]
        check_cancel(self.patience, str(now.node), settling=bool(mates))
        confirm_spare(self.world, now.node, self.patience)
        self.ledger.gone(str(now.node), self.patience.clock.monotonic())
        if now.instance:
            self.world.cloud.stop(now.instance.instance_id)

    def _start(self, now: NodeNow) -> None:
        if now.instance:
            self.world.cloud.start(now.instance.instance_id)

    def _detach(self, now: NodeNow) -> None:
        """Detach what is attached to this node's own stopped instance, naming the instance; never by force."""
        for volume in now.volumes.values():
            for tie in volume.attachments if volume else ():
                if volume and now.instance and tie.instance_id == now.instance.instance_id and tie.state == "attached":
                    self.world.cloud.detach(volume.volume_id, tie.instance_id)


def _ask_cloud(act: Callable[[NodeNow], None], now: NodeNow | None) -> str:
    """Make a move's call; return why it was refused where that only means: look again.

    That is so between two states, and where the cloud is throttling or broken: whether the call was carried out is then seen, not known.
    """
    try:
        if now is not None:
            act(now)
    except CloudFailed as error:
        if not passes(error.code) and fault_of(error.code) not in _LOOK_AGAIN:
            raise
        return error.what
    return ""
