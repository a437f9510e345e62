"""Runs of the past in a home: one that ended, one that never did, and one with nothing to do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from immtf.adapters.journal import Journal
from immtf.app.telling import now
from immtf.model.events import RunFinished, RunStarted
from tests.unit.report.examples import START, make_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from immtf.model.events import Event

STARTED = RunStarted("plan", "consul", "1.1.0", "default", "aws", "eve@ci")
NOTHING = RunFinished("nothing_to_do", 0, 0, None, None, None)


def write_journal(home: Path, run_id: str, events: Sequence[tuple[Event, datetime]]) -> None:
    journal = Journal(home / "runs", run_id, now)
    for event, at in events:
        journal(event, at)
    journal.close()


def write_runs(folder: Path) -> None:
    """Write the three under `folder`/.immtf."""
    write_journal(folder / ".immtf", "20260102-030405-9f3a", make_run())
    for day, run_id, rest in ((1, "20260103-030405-aaaa", []), (2, "20260104-030405-aabb", [NOTHING])):
        at = START + timedelta(days=day)
        write_journal(folder / ".immtf", run_id, [(STARTED, at), *((event, at) for event in rest)])
