"""The reader for CI logs: one line an event with its time and its node, in order, without colours or redrawn frames.

What repeats itself is thinned. A plan, a status and a halt have one line for each of their parts, each naming its node again,
so that any line found by a search tells where it belongs. Of a run over many blocks each line of a block begins with the block's name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO, cast

from immtf.model.block_events import BlockEnded, BlocksEnded, BlocksPlanned, BlockStarted, BlockTold
from immtf.model.events import PlanMade, RunFinished, RunHalted, RunStarted, StatusTaken
from immtf.report.entries import Entry, entry, mark
from immtf.report.lists import block_lines, end_lines, plan_lines, status_lines, summary_lines
from immtf.report.sturdy import SturdyStream
from immtf.report.thinning import Thinning
from immtf.report.wording import duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.events import Event


_NODE: Final = re.compile(r"[\w-]+/[^\s/]+")  # a node by its name, `server/a`: no path and no sentence is one


class LinesReader:
    """Writes timestamped lines to `stream`. `owner` is the block whose lines they are, in a run over many."""

    def __init__(self, stream: TextIO, *, owner: str = "") -> None:
        self._stream = SturdyStream(stream)
        self._thinning = Thinning()
        self._block = owner or "run"
        self._owner = owner
        self._of: dict[str, LinesReader] = {}

    def __call__(self, event: Event, at: datetime) -> None:
        """Tell one event; `at` is when it happened."""
        if isinstance(event, BlockTold):
            self._reader_of(event.block)(event.told, at)
            return
        if isinstance(event, BlockStarted | BlockEnded) and event.block != self._owner:
            self._reader_of(event.block)(event, at)
            return
        if isinstance(event, RunStarted):
            self._block = plain(event.block) or "run"
        event = _placed(event, self._block)
        if not self._thinning.tells(event, at):
            return
        moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parts = () if self._owner and isinstance(event, RunFinished) else _parts(event, self._block)  # the figures of all come at the end
        told = [self._head(entry(event)), *(f"{mark('info')} {plain(line)}" for line in parts)]
        begins = f"{moment} {self._owner}: " if self._owner else f"{moment} "
        self._stream.write("".join(f"{begins}{line}\n" for line in told))
        self._stream.flush()

    def close(self) -> None:
        """Nothing is held back; here for the port's sake."""

    def _reader_of(self, block: str) -> LinesReader:
        block = plain(block)
        return self._of.setdefault(block, LinesReader(cast("TextIO", self._stream), owner=block))

    def _head(self, told: Entry) -> str:
        took = "" if told.seconds is None else f" ({duration(told.seconds)})"
        words = f": {told.words}" if told.words else ""
        node = told.node or self._block
        whose = "" if node == self._owner else f"{node} "  # the line begins with it
        return f"{mark(told.sort)} {whose}{told.subject}{took}{words}"


def _placed(event: Event, block: str) -> Event:
    """Say of a halt that was elsewhere than at a node where it was after whose it is: a line begins with a node or with its own block."""
    if not isinstance(event, RunHalted) or not event.where or _NODE.fullmatch(event.where):
        return event
    where = "" if event.where == f"block {block}" else f"{event.where}: "
    return replace(event, where="", what=f"{where}{event.what}")


def _parts(event: Event, block: str) -> Iterator[str]:
    """Yield the lines that an event has below its first one."""
    match event:
        case PlanMade():
            yield from plan_lines(event.rows, event.shared, event.image, event.outputs)
        case StatusTaken():
            yield from status_lines(event.rows, event.unfinished)
        case BlocksPlanned():
            yield from block_lines(event.rows)
        case BlocksEnded():
            yield from end_lines(event.rows)
        case RunHalted():
            where = event.where or block
            yield f"{where} is safe: {event.safe}"
            yield f"{where} next command: {event.next}"
        case RunFinished():
            yield from (f"{block} {line}" for line in summary_lines(event))
        case _:
            return
