"""How the nodes of many blocks are: each block's own `immtf status`, as a process, and what it told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.clock import WallClock
from immtf.app.blocks import run_many
from immtf.errors import Interrupted
from immtf.model.block_events import BlockTold
from immtf.model.events import StatusTaken
from immtf.run.gates import Patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.adapters.clock import Signals
    from immtf.app.blocks import Job
    from immtf.model.events import Event
    from immtf.model.rows import NodeRow
    from immtf.model.running import RunEnd


def take_health(job: Job, environment: Mapping[str, str], signals: Signals) -> dict[str, tuple[Sequence[NodeRow], str]]:
    """Return for each block of the job the rows of its status, and why there are none where there are none.

    Raises `Interrupted` where the command was asked to end meanwhile.
    """
    rows: dict[str, Sequence[NodeRow]] = {}

    def listen(event: Event) -> None:
        if isinstance(event, BlockTold) and isinstance(event.told, StatusTaken):
            rows[event.block] = event.told.rows

    patience = Patience(WallClock(signals), signals, listen)
    with tempfile.TemporaryDirectory(prefix="immtf-") as directory:
        tally = run_many(job, directory=Path(directory), environment=environment, patience=patience, pause=signals.is_pause)
    if signals.is_set():
        raise Interrupted("asked to end while the blocks were looked at", next="nothing was changed; run it again")
    return {end.block: (rows.get(end.block, ()), _problem(end, told=end.block in rows)) for end in tally.ends}


def _problem(end: RunEnd, *, told: bool) -> str:
    return "" if told else f"its nodes could not be looked at: {end.problem or 'its status told nothing'}"
