"""The sweep of a test environment: what carries its tags and is in no state is taken away.

Twice around the destroy. Before it, stray instances: one that holds a volume, an address or a place in the network would make
Terraform wait for long, and fail. After it, all that is left: instances, then volumes, then the snapshots that the test's upgrade took of
them, then what makes the network, what hangs on another thing before it. What may be swept is decided in `plan.sweep`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import Noted, StepWaited
from immtf.model.reaping import DISKS, KINDS
from immtf.plan.faults import Fault, fault_of, passes
from immtf.plan.sweep import sweepable, sweepable_snapshots
from immtf.run.gates import check_cancel
from immtf.run.moves import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from immtf.model.cloud import Stray
    from immtf.model.reaping import Kind
    from immtf.run.fence import Guard
    from immtf.run.gates import Patience
    from immtf.run.ports import Sweeper

LIMIT_S = 600.0
GOING = frozenset({"shutting-down", "deleting", "deleted"})
GONE = re.compile(r"Invalid\w+\.NotFound(Exception)?")
LATER = frozenset({Fault.IN_BETWEEN, Fault.VOLUME_IN_USE})
HELD = frozenset({"DependencyViolation", "InvalidNetworkInterface.InUse", "InvalidGroup.InUse"})
"""AWS's words for what something hangs on still, which may be on its way out itself."""


@dataclass(frozen=True)
class Removal:
    """How things of a kind go: looked for, asked once each to go, and looked for again until none is there, or the limit is over."""

    kind: Kind
    look: Callable[[], tuple[Stray, ...]]
    remove: Callable[[str], None]
    patience: Patience
    guard: Guard
    told: Callable[[str], Noted]
    limit_s: float = LIMIT_S

    def left(self) -> str:
        """Carry it out; return what doesn't go, and why, or "" when all is gone."""
        clock, asked, why = self.patience.clock, set[str](), dict[str, str]()
        start, pauses = clock.monotonic(), Limits().polls()
        while found := self.look():
            for item in found:
                if item.state not in GOING and item.identity not in asked and self._taken(item.identity, why):
                    asked.add(item.identity)
                    self.patience.emit(self.told(item.identity))
            elapsed = clock.monotonic() - start
            reason = ", ".join(f"{item.identity} is {why.get(item.identity) or item.state}" for item in found)
            if elapsed > self.limit_s:
                return reason
            self.patience.emit(StepWaited("", "Sweep", reason, round(elapsed, 3), self.limit_s))
            check_cancel(self.patience, "clean-up")
            clock.sleep(next(pauses))
        return ""

    def _taken(self, identity: str, why: dict[str, str]) -> bool:
        """Ask for one thing to go; return whether that was taken. What hangs on something that goes too is asked for again."""
        self.guard()
        why.pop(identity, None)
        try:
            self.remove(identity)
        except CloudFailed as error:
            if not (GONE.fullmatch(error.code) or error.code in HELD or fault_of(error.code) in LATER or passes(error.code)):
                raise
            if error.code in HELD:
                why[identity] = f"held: {error.what}"
            return False
        return True


@dataclass(frozen=True)
class Sweep:
    """A sweep of what carries these tags; `guard` is asked before each change."""

    sweeper: Sweeper
    tags: Mapping[str, str]
    patience: Patience
    guard: Guard
    trial: bool = False  # of an image: what is swept was made to be thrown away, and is told as that

    def instances(self, keep: Collection[str] = ()) -> None:
        """Terminate every instance but those to keep, and wait until they are gone. Raises `PersonNeeded` after ten minutes."""
        self._until_gone("instance", lambda: sweepable(self.sweeper.found("instance", self.tags), self.tags, keep))

    def everything(self) -> None:
        """Take every instance away, then every volume, every snapshot and, but for a trial's, the rest; raises as `instances`."""
        for kind in DISKS if self.trial else (*DISKS, *(kind for kind in KINDS if kind not in DISKS)):
            self._until_gone(kind, partial(self._look, kind))

    def _look(self, kind: Kind) -> tuple[Stray, ...]:
        choose = sweepable_snapshots if kind == "snapshot" else sweepable
        return choose(self.sweeper.found(kind, self.tags), self.tags)

    def _until_gone(self, kind: Kind, look: Callable[[], tuple[Stray, ...]]) -> None:
        removal = Removal(kind, look, partial(self.sweeper.remove, kind), self.patience, self.guard, partial(self._told, kind))
        if reason := removal.left():
            where = ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))
            raise PersonNeeded(
                f"what bears the test's tags does not go: {reason}", where=where, next="find out why, then delete it by hand"
            )

    def _told(self, kind: Kind, identity: str) -> Noted:
        named = kind.replace("-", " ")
        if self.trial:
            return Noted("info", f"the trial's {named} {identity} is taken away")
        return Noted("warning", f"swept: {named} {identity} bears this environment's tags and is in no state")
