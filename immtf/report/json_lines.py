"""The reader for programs: one event a line, in the published format, exactly as the journal has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from immtf.model.event_record import to_record
from immtf.report.record import encode, stamp
from immtf.report.sturdy import SturdyStream

if TYPE_CHECKING:
    from datetime import datetime

    from immtf.model.events import Event


class JsonReader:
    """Writes JSON lines to `stream`; `run` is the run's id, and `seq` is counted here."""

    def __init__(self, stream: TextIO, *, run: str = "") -> None:
        self._stream = SturdyStream(stream)
        self._run = run
        self._seq = 0

    def __call__(self, event: Event, at: datetime) -> None:
        """Tell one event; `at` is when it happened."""
        self._seq += 1
        self._stream.write(encode(to_record(event, run=self._run, seq=self._seq, at=stamp(at))) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is held back; here for the port's sake."""
