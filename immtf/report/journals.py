"""The journal read back: for reports, pictures and the list of runs, never to decide what is done.

A run that was killed leaves a torn last line; that line is passed over, as its event can't have been acted upon by a reader.
A line that can't be read anywhere else means that the file was damaged, and is said with its number.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from immtf.errors import ImmtfError
from immtf.report.record import RecordRefused, to_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from immtf.model.events import Event


def read_journal(path: Path) -> list[tuple[Event, datetime]]:
    """Return the events of a journal in order, each with its moment.

    Raises `ImmtfError` where the file can't be read, was damaged in its middle, or was written in a newer format.
    """
    told = []
    for number, record in read_records(path):
        try:
            event = to_event(record)
        except RecordRefused as error:
            raise RecordRefused(error.what, where=f"{path}:{number}", next=error.next) from error
        if event is not None:
            told.append(event)
    return told


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of a journal as they stand, each with the number of its line (from 1)."""
    try:
        # Split at line feeds only: a value may hold other characters that Python takes for the end of a line.
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ImmtfError(f"the journal can't be read: {error.strerror}", where=str(path)) from error
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, 1):
        record = _parsed(line)
        if record is not None:
            yield number, record
        elif line.strip() and number != last:
            raise RecordRefused("this line was damaged and can't be read", where=f"{path}:{number}")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
