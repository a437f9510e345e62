"""A run on one page of Markdown, as GitHub shows it under a job: how it ended, its figures, its nodes, what failed and what to do next.

What stands in it is foreign text and may not become markup: cells are escaped, the next command stands in a fence that is
longer than any in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.entries import spoken
from immtf.report.lists import end_cells, summary_cells
from immtf.report.owned import owned
from immtf.report.wording import duration, plain

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from immtf.errors import ImmtfError
    from immtf.model.events import Event

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~$&@])")
_TICKS: Final = re.compile(r"`+")
MOST_WARNINGS: Final = 20


@dataclass(slots=True)
class Summary:
    """A run's page, folded from its events; `title` is what is known before the first one."""

    title: str
    about: str = ""
    image: str = ""
    nodes: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    blocks: dict[str, str] = field(default_factory=dict)
    halt: e.RunHalted | None = None
    end: e.RunFinished | None = None

    def take(self, event: Event, _at: datetime) -> None:
        """Fold one event in."""
        match event:
            case e.RunStarted():
                self.title = f"immtf {event.command} {event.block} {event.version}"
                self.about = f"environment {event.environment}, cloud {event.cloud}"
            case e.PlanMade():
                self.image = event.image
                self.nodes |= {row.node: "nothing to do" if row.action in {"none", "skip"} else "not reached" for row in event.rows}
            case e.RunHalted():
                self.halt = event
            case e.RunFinished():
                self.end = event
            case b.BlocksPlanned() | b.BlockStarted() | b.BlockEnded():
                self._take_block(event)
            case b.BlockTold(told=e.Noted(level="warning") as noted):
                self.warnings.append(f"{event.block}: {noted.message}")
            case _:
                self._take_part(owned(event))

    def _take_block(self, event: b.BlocksPlanned | b.BlockStarted | b.BlockEnded) -> None:
        """Fold in how a block went."""
        match event:
            case b.BlocksPlanned():
                self.blocks = {row.block: "not reached" for row in event.rows}
            case b.BlockStarted():
                self.blocks[event.block] = "at work"
            case b.BlockEnded():
                ((_, ending, took, why),) = end_cells([event])
                self.blocks[event.block] = f"{ending}, {took}{': ' if why else ''}{why}"
            case _:
                assert_never(event)

    def _take_part(self, event: Event) -> None:
        """Fold in how a node went, or what a person should look at."""
        match event:
            case e.NodeStarted():
                self.nodes[event.node] = "at work"
            case e.NodeFinished():
                self.nodes[event.node] = f"done in {duration(event.seconds)}, away for {duration(event.away_s)}"
            case e.NodeSkipped():
                self.nodes[event.node] = f"skipped: {event.reason}"
            case e.CheckOverridden():
                self.warnings.append(f"{event.check} let pass: {event.what} ({event.reason})")
            case e.Noted(level="warning"):
                self.warnings.append(event.message)
            case _:
                return

    def refuse(self, error: ImmtfError) -> None:
        """Take what kept the run from its first event, or stopped it past its last one."""
        self.halt = self.halt or e.RunHalted(error.what, error.where, "", error.next, int(error.exit_code))

    def markdown(self) -> str:
        """Return the page; it begins and ends with an empty line, since others write into the same file."""
        good = self.halt is None and self.end is not None and self.end.exit_code == 0
        outcome = spoken(self.end.outcome) if self.end else "not begun" if self.halt else "unfinished"
        parts = [f"\n### {'✅' if good else '❌'} {escaped(self.title)}: {escaped(outcome)}"]
        parts += [escaped(", ".join(text for text in (self.about, f"image {self.image}" if self.image else "") if text))]
        parts += [_halted(self.halt)] if self.halt else []
        parts += [_table(("", ""), summary_cells(self.end))] if self.end else []
        parts += [_table(("block", "how it went"), self.blocks.items())] if self.blocks else []
        parts += [_table(("node", "how it went"), self.nodes.items())] if self.nodes else []
        parts += [_listed(self.warnings)] if self.warnings else []
        return "\n\n".join(part for part in parts if part) + "\n\n"


def escaped(text: str) -> str:
    """Return foreign text as one line of Markdown that shows just that text."""
    return _MARKUP.sub(r"\\\1", plain(text))


def fenced(text: str) -> str:
    """Return foreign text as a block of code, one line."""
    line = plain(text)
    fence = "`" * max(3, 1 + max((len(run) for run in _TICKS.findall(line)), default=0))
    return f"{fence}text\n{line}\n{fence}"


def _halted(halt: e.RunHalted) -> str:
    at = f" at {escaped(halt.where)}" if halt.where else ""
    parts = [f"**Halted{at} (exit {halt.exit_code}):** {escaped(halt.what)}"]
    parts += [f"**Safe:** {escaped(halt.safe)}"] if halt.safe else []
    parts += [f"**Next:**\n\n{fenced(halt.next)}"] if halt.next else []
    return "\n\n".join(parts)


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {escaped(name)} | {escaped(value)} |" for name, value in rows)])


def _listed(warnings: list[str]) -> str:
    told = [f"- {escaped(text)}" for text in warnings[:MOST_WARNINGS]]
    more = [f"- and {len(warnings) - MOST_WARNINGS} more: see the journal"] if len(warnings) > MOST_WARNINGS else []
    return "\n".join(["Warnings:", "", *told, *more])
