"""The reader for people at a terminal: what is finished stands above in order, what goes on is redrawn below it.

Where the stream is no terminal nothing is ever redrawn, whatever the environment asks for (`FORCE_COLOR` makes rich take a CI
log for a terminal and write every frame into it): then waits are told as thinned lines.
The live region is there only while a stage, a node or a step is in progress: between them a question can be asked, and data can
be printed to stdout on the same terminal.
A halt is shown after the summary: the next command is what should be seen last.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, TextIO, assert_never, cast

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.entries import Entry, Sort, entry, mark
from immtf.report.live import Frame
from immtf.report.owned import owned
from immtf.report.progress import Progress
from immtf.report.sturdy import SturdyStream
from immtf.report.tables import blocks_table, ends_table, halt_panel, plan_table, status_table, summary_table
from immtf.report.thinning import Thinning
from immtf.report.wording import clock, duration, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import RenderableType

    from immtf.model.events import Event

_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_WIDTH_OF_A_LOG: Final = 120
_ROOMY: Final = 100
_FRAMES_A_SECOND: Final = 6
_STYLES: Final[dict[Sort, str]] = {
    "start": "cyan",
    "done": "green",
    "skip": "dim",
    "wait": "dim",
    "info": "",
    "warning": "yellow",
    "fail": "bold red",
}


def make_text_reader(stream: TextIO, *, environ: Mapping[str, str] | None = None) -> TextReader:
    """Make a reader on `stream`, live where that is a terminal that can move its cursor."""
    known = os.environ if environ is None else environ
    sturdy = SturdyStream(stream)
    live = sturdy.isatty() and known.get("TERM", "") not in {"", "dumb", "unknown"}
    console = Console(
        file=cast("TextIO", sturdy),
        width=None if live else _WIDTH_OF_A_LOG,
        force_interactive=live,
        highlight=False,
        markup=False,
        emoji=False,
        _environ=known,
    )
    return TextReader(console, live=live, waits=not live)


class TextReader:
    """Tells a run on a rich console. `waits`: tell what is in progress as lines too. `clock`: monotonic seconds."""

    def __init__(self, console: Console, *, live: bool, waits: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._wants_live = live
        self._waits = waits
        self._clock = clock
        self._lock = Lock()  # held for a moment only: the refreshing thread reads what __call__ folds
        self._progress = Progress()
        self._heard = _NEVER, 0.0
        self._frame = Frame()
        self._live: Live | None = None
        self._thinning = Thinning()
        self._halt: e.RunHalted | None = None
        self._node_width = 8

    def __call__(self, event: Event, at: datetime) -> None:
        """Tell one event; `at` is when it happened."""
        mine = owned(event)
        with self._lock:
            within_step = self._within_step(mine)
            self._progress.take(mine, at)
            self._heard = (at, self._clock())
        match event:
            case e.RunStarted():
                self._console.print(_header(event))
            case e.PlanMade() | e.StatusTaken() | b.BlocksPlanned() | b.BlocksEnded():
                self._node_width = _width(event) or self._node_width
                self._table(event)
            case b.BlockTold(told=e.PlanMade() | e.StatusTaken() as told):
                self._console.print(self._line(entry(event), at))
                self._table(told)
            case e.RunHalted():
                self._halt = event
            case e.RunFinished():
                self._rest()
                self._console.print("", summary_table(event), sep="\n")
                self.close()
            case _ if self._stays(mine, event, at, within_step=within_step):
                self._console.print(self._line(entry(event), at))
            case _:
                pass
        self._follow()

    def close(self) -> None:
        """Take the live region away, give the cursor back, and show a halt that was not shown yet."""
        self._rest()
        if self._halt is not None:
            above, command, below = halt_panel(self._halt)
            self._console.print(above)
            self._console.print(command, soft_wrap=True)
            self._console.print(below)
            self._halt = None

    def _within_step(self, event: Event) -> bool:
        """Whether a gate is asked inside a step, whose own last line will tell the evidence."""
        return isinstance(event, e.GateAsked) and bool(self._progress.node(event.node).step)

    def _table(self, event: e.PlanMade | e.StatusTaken | b.BlocksPlanned | b.BlocksEnded) -> None:
        match event:
            case e.PlanMade():
                table = plan_table(event.rows, event.shared, event.image, event.outputs)
            case e.StatusTaken():
                table = status_table(event.rows, event.unfinished)
            case b.BlocksPlanned():
                table = blocks_table(event.rows)
            case b.BlocksEnded():
                self._rest()
                table = ends_table(event.rows)
            case _:
                assert_never(event)
        self._console.print(table, "", sep="\n")

    def _stays(self, mine: Event, event: Event, at: datetime, *, within_step: bool) -> bool:
        """Whether an event has a line of its own above the live region; `mine` is what it is with its block's name."""
        told = entry(event)
        if told.sort in {"wait", "start"} or within_step:
            return isinstance(mine, e.NodeStarted | b.BlockStarted) or (self._waits and self._thinning.tells(mine, at))
        return True

    def _line(self, told: Entry, at: datetime) -> RenderableType:
        began = self._progress.began or at
        style = _STYLES[told.sort]
        line = Table.grid(padding=(0, 1))
        line.add_column(width=5, justify="right", style="dim", no_wrap=True)
        line.add_column(width=1)
        line.add_column(width=self._node_width, overflow="fold")
        line.add_column(width=20 if self._console.width >= _ROOMY else 17, overflow="fold")
        line.add_column(width=8, justify="right", no_wrap=True)
        line.add_column(overflow="fold")
        ends = told.subject == "at its target"
        line.add_row(
            clock((at - began).total_seconds()),
            Text(mark(told.sort), style=style),
            Text(told.node or self._progress.block, style="bold" if told.sort == "start" or ends else ""),
            Text(told.subject, style="bold green" if ends else style if told.sort in {"skip", "warning", "fail"} else ""),
            "" if told.seconds is None else duration(told.seconds),
            Text(told.words, style="dim" if told.sort in {"skip", "wait"} else ""),
        )
        return line

    def _follow(self) -> None:
        """Show the region while something is in progress, and take it away when nothing is."""
        if not self._progress.busy:
            self._rest()
        elif self._wants_live and self._live is None:
            self._live = Live(
                _Region(self._drawn),
                console=self._console,
                refresh_per_second=_FRAMES_A_SECOND,
                transient=True,
                redirect_stdout=False,  # data on stdout stays there
                redirect_stderr=False,
            )
            self._live.start()

    def _rest(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self) -> RenderableType:
        with self._lock:
            at, heard = self._heard
            return self._frame.draw(self._progress, at + timedelta(seconds=self._clock() - heard))


class _Region:
    """Draws itself anew whenever rich writes it, so that a line above never stands over a region that doesn't know of it yet."""

    def __init__(self, draw: Callable[[], RenderableType]) -> None:
        self._draw = draw

    def __rich__(self) -> RenderableType:
        return self._draw()


def _width(event: Event) -> int:
    """Return how wide the nodes' names are that an event makes known, with their block's name where there are several; 0 for none."""
    match event:
        case e.PlanMade():
            return min(24, max((len(row.node) for row in event.rows), default=8))
        case b.BlocksPlanned():
            return min(24, max((len(row.block) + 9 for row in event.rows), default=8))
        case _:
            return 0


def _header(event: e.RunStarted) -> RenderableType:
    parts = [("environment", event.environment), ("cloud", event.cloud), ("by", event.who)]
    told = "".join(f"   {name} {plain(value)}" for name, value in parts if value)
    return Text.assemble((plain(f"{event.command} {event.block} {event.version}"), "bold"), (told, "dim"))
