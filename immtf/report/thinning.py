"""Which of many repeated entries are worth a line: the first, any whose words changed, and else one every ten seconds.

Numbers are left out when words are compared: "17 entries behind" and "9 entries behind" are the same reason, and a count that
moves at every look would else fill the log. A streak that begins, ends or breaks is always told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from immtf.model.events import GateAsked, ProbeReported, StepWaited, TerraformTold

if TYPE_CHECKING:
    from collections.abc import Hashable

    from immtf.model.events import Event

EVERY: Final = timedelta(seconds=10)
_NUMBERS: Final = re.compile(r"\d[\d.,:]*")
_SILENT_S: Final = 2.0


@dataclass(slots=True)
class Thinning:
    """Remembers what was told last of each thing that repeats itself."""

    every: timedelta = EVERY
    _told: dict[Hashable, tuple[Hashable, datetime]] = field(default_factory=dict)

    def tells(self, event: Event, at: datetime) -> bool:
        """Whether the event is worth a line now; `at` is the event's own moment."""
        found = _thing_and_state(event)
        if found is None:
            return True
        thing, state = found
        before = self._told.get(thing)
        if before is not None and before[0] == state and at - before[1] < self.every:
            return False
        self._told[thing] = (state, at)
        return True


def _thing_and_state(event: Event) -> tuple[Hashable, Hashable] | None:
    """Return what repeats itself and the state in which it would be no news; None for an event that stands for itself."""
    match event:
        case GateAsked():
            found: tuple[Hashable, Hashable] | None = (
                ("gate", event.node, event.gate),
                (event.held, event.held and event.passes >= event.needed, _words(event.reason)),
            )
        case StepWaited():
            found = ("wait", event.node, event.step), _words(event.reason)
        case ProbeReported():
            found = ("probe",), event.since_ack_s >= _SILENT_S
        case TerraformTold():
            found = _terraform(event)
        case _:
            found = None
    return found


def _terraform(event: TerraformTold) -> tuple[Hashable, Hashable] | None:
    """Return the same for Terraform's lines: errors and ends are always told, the start is the first of the progress."""
    match event.kind:
        case "diagnostic" | "apply_errored":
            return None
        case "apply_start" | "apply_progress" | "apply_complete":
            return ("terraform", event.node, event.address), (event.action, event.kind == "apply_complete")
        case _:
            return ("terraform", event.node, event.kind), event.kind in {"log", "waiting"} and _words(event.message)


def _words(reason: str) -> str:
    return _NUMBERS.sub("#", reason)
