"""The sweep of a test environment: what carries its tags and is in no state is taken away.

Twice around the destroy. Before it, stray instances: one that holds a volume, an address or a place in the network would make
Terraform wait for long, and fail. After it, all that is left: instances, then volumes, then the snapshots that the test's upgrade took of
them. What may be swept is decided in `plan.sweep`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, PersonNeeded
from immtf.model.events import Noted, StepWaited
from immtf.plan.faults import Fault, fault_of, passes
from immtf.plan.sweep import sweepable, sweepable_snapshots
from immtf.run.gates import check_cancel
from immtf.run.moves import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from immtf.model.cloud import Stray
    from immtf.run.fence import Guard
    from immtf.run.gates import Patience
    from immtf.run.ports import Sweeper

LIMIT_S = 600.0
GOING = frozenset({"shutting-down", "deleting", "deleted"})
GONE = frozenset({"InvalidInstanceID.NotFound", "InvalidVolume.NotFound", "InvalidSnapshot.NotFound"})
LATER = frozenset({Fault.IN_BETWEEN, Fault.VOLUME_IN_USE})


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
        self._until_gone("instance", lambda: sweepable(self.sweeper.instances(self.tags), self.tags, keep), self.sweeper.terminate)

    def everything(self) -> None:
        """Terminate every instance, then delete every volume and every snapshot; raises as `instances`."""
        self.instances()
        self._until_gone("volume", lambda: sweepable(self.sweeper.volumes(self.tags), self.tags), self.sweeper.delete)
        self._until_gone(
            "snapshot", lambda: sweepable_snapshots(self.sweeper.snapshots(self.tags), self.tags), self.sweeper.delete_snapshot
        )

    def _until_gone(self, kind: str, look: Callable[[], tuple[Stray, ...]], remove: Callable[[str], None]) -> None:
        """Look, ask for each once to go, and look again until none is there."""
        clock, asked = self.patience.clock, set[str]()
        start, pauses = clock.monotonic(), Limits().polls()
        while found := look():
            for item in found:
                if item.state not in GOING and item.identity not in asked and self._taken(item.identity, remove):
                    asked.add(item.identity)
                    self.patience.emit(self._told(kind, item.identity))
            elapsed = clock.monotonic() - start
            reason = ", ".join(f"{item.identity} is {item.state}" for item in found)
            if elapsed > LIMIT_S:
                where = ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))
                what = f"what bears the test's tags does not go: {reason}"
                raise PersonNeeded(what, where=where, next="find out why, then delete it by hand")
            self.patience.emit(StepWaited("", "Sweep", reason, round(elapsed, 3), LIMIT_S))
            check_cancel(self.patience, "clean-up")
            clock.sleep(next(pauses))

    def _told(self, kind: str, identity: str) -> Noted:
        if self.trial:
            return Noted("info", f"the trial's {kind} {identity} is taken away")
        return Noted("warning", f"swept: {kind} {identity} bears this environment's tags and is in no state")

    def _taken(self, identity: str, remove: Callable[[str], None]) -> bool:
        """Ask for one thing to go; return whether that was taken. What hangs on something that goes too is asked for again."""
        self.guard()
        try:
            remove(identity)
        except CloudFailed as error:
            if not (error.code in GONE or fault_of(error.code) in LATER or passes(error.code)):
                raise
            return False
        return True
