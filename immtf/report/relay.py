"""What another immtf says, in a container of its own: its events become events of this run, marked as the container's.

The line is JSON as `--output json` writes it, or any text. What is about nodes, steps and Terraform is passed on as it is: they are
nodes of this run's environment too. What begins and ends the other run is told as a note, since this run has a beginning and an end of
its own. An event that this version doesn't know, or a format that is newer, is told as a note as well: another version may say more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.model import events as e
from immtf.report.record import RecordRefused, to_event
from immtf.report.wording import plain

if TYPE_CHECKING:
    from immtf.model.events import Event

MARK = "in the container: "
LONGEST = 2000
MOST_TEXTS = 500


def read_line(line: str) -> Event | str:
    """Return the event of a line of another immtf's `--output json`, or in words what the line says; "" where it says nothing."""
    record = _record(line)
    if record is None:
        return plain(line)
    try:
        read = to_event(record)
    except RecordRefused as error:
        return f"{record.get('event')}, {error.what}"
    if read is None:
        return f"{plain(str(record['event']))} (this version of immtf doesn't know that event)"
    return read[0]


@dataclass(slots=True)
class Texts:
    """Cuts texts where they are long; after so many of them there are no more, as a program that goes mad would fill the journal."""

    count: int = 0

    def __call__(self, words: str) -> str:
        """Return what is to be told of a text; "" is nothing."""
        if not words or self.count > MOST_TEXTS:
            return ""
        self.count += 1
        if self.ended:
            return f"more than {MOST_TEXTS} lines of text: the rest is not told"
        return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"

    @property
    def ended(self) -> bool:
        """Return whether there were too many."""
        return self.count > MOST_TEXTS


@dataclass(slots=True)
class Relay:
    """Turns lines into events. `halted` and `finished` are what the other run said of its own end, None as long as it has not."""

    texts: Texts = field(default_factory=Texts)
    halted: e.RunHalted | None = field(default=None)
    finished: e.RunFinished | None = field(default=None)

    def __call__(self, line: str) -> Event | None:
        """Return the event of one line, or None where there is nothing to tell."""
        found = read_line(line)
        if not isinstance(found, str):
            return self._own(found)
        words = self.texts(found)
        return _note("warning" if self.texts.ended else "info", words) if words else None

    def _own(self, event: Event) -> Event | None:
        match event:
            case e.RunStarted():
                return _note("info", f"{event.command} of block {event.block} {event.version}, by {event.who}")
            case e.RunFinished() | e.RunHalted():
                return self._ending(event)
            case e.StageStarted():
                return replace(event, what=MARK + event.what)
            case e.Noted():
                return replace(event, message=MARK + event.message)
            case e.PlanMade() | e.Diagnosed():
                return None  # of a whole run, which this one is not
            case _:
                return event

    def _ending(self, event: e.RunFinished | e.RunHalted) -> Event:
        """Keep what the other run says of its own end, and tell it."""
        if isinstance(event, e.RunHalted):
            self.halted = event
            where = f"{event.where}: " if event.where else ""
            return _note("warning", f"{where}{event.what}; {event.safe}")
        self.finished = event
        return _note("info", f"{event.outcome} with exit code {event.exit_code} after {event.duration_s:.0f} s")


def _note(level: str, words: str) -> Event:
    return e.Noted(level, MARK + words)


def _record(line: str) -> dict[str, object] | None:
    """Return the record that a line is, or None for any other text."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "v" in found and "event" in found else None
