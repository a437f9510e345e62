"""Plan, status, summary and halt as rich renderables. Every text is a `Text`: addresses hold brackets that markup would eat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Group
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from immtf.report.entries import block_sort
from immtf.report.lists import (
    ENDS_HEAD,
    NOTHING,
    PLAN_HEAD,
    STATUS_HEAD,
    block_cells,
    blocks_head,
    end_cells,
    image_cells,
    plan_cells,
    status_cells,
    summary_cells,
)
from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import RenderableType

    from immtf.model.block_events import BlockEnded
    from immtf.model.events import RunFinished, RunHalted
    from immtf.model.rows import BlockRow, ImageRow, NodeRow, PlanRow

_GOOD: Final = frozenset({"done", "nothing to do", "running", "passing", "healthy", "yes", "0"})
_BAR: Final = 24


def plan_table(rows: Sequence[PlanRow], shared: Sequence[str], image: str, outputs: Sequence[str] = ()) -> RenderableType:
    """Return the whole change as a table of nodes, with the shared changes, the outputs that change, and the image below."""
    table = _table(PLAN_HEAD, whole={"node", "now", "target", "action"})
    for cells in plan_cells(rows):
        table.add_row(*(Text(cell, style=_plan_style(name, cell)) for name, cell in zip(PLAN_HEAD, cells, strict=True)))
    below = [("image", image)] if image else []
    below += [*(("shared", address) for address in shared), *(("output", name) for name in outputs)]
    none = "no node has to change" if shared or outputs else NOTHING
    return Group(table, *_pairs(below)) if rows else Group(*_pairs([*below, ("plan", none)]))


def status_table(rows: Sequence[NodeRow], unfinished: Sequence[str]) -> RenderableType:
    """Return the cluster as observed as a table of nodes, with what an earlier run left below."""
    table = _table(STATUS_HEAD, whole={"node", "instance", "state", "image"})
    for cells in status_cells(rows):
        table.add_row(*(Text(cell, style=_status_style(name, cell)) for name, cell in zip(STATUS_HEAD, cells, strict=True)))
    return Group(table, *(Text(f"  unfinished: {plain(what)}", style="yellow") for what in unfinished))


def image_table(rows: Sequence[ImageRow]) -> RenderableType:
    """Return images as a table, with what becomes of each where that is told."""
    head, cells = image_cells(rows)
    table = _table(head, whole={"family", "version", "image", "fate"})
    for item in cells:
        table.add_row(*(Text(cell, style="red" if cell == "remove" else "") for cell in item))
    return table if cells else Text("  no image")


def blocks_table(rows: Sequence[BlockRow]) -> RenderableType:
    """Return the order of blocks as a table."""
    table = _table(blocks_head(rows), whole={"block", "now", "version"})
    for block, *cells in block_cells(rows):
        table.add_row(Text(block, style="bold"), *map(Text, cells))
    return table


def ends_table(rows: Sequence[BlockEnded]) -> RenderableType:
    """Return how each block ended as a table; every error stands here once more, with its block."""
    table = _table(ENDS_HEAD, whole={"block", "how it ended", "time"})
    for row, (block, ending, took, why) in zip(rows, end_cells(rows), strict=True):
        style = {"done": "green", "skip": "dim"}.get(block_sort(row), "bold red")
        table.add_row(Text(block, style="bold"), Text(ending, style=style), Text(took), Text(why))
    return table


def checks_table(rows: Iterable[tuple[str, str, str, str]]) -> RenderableType:
    """Return the checks as a table: id, whether it may be let pass, what it guards, and why."""
    table = _table(("check", "rule", "guards", "why"), whole={"check", "rule"})
    for name, word, guards, why in rows:
        table.add_row(Text(name, style="bold"), Text(word, style="" if word == "hard" else "yellow"), Text(guards), Text(why))
    return table


def summary_table(end: RunFinished) -> RenderableType:
    """Return what a finished run amounts to."""
    good = end.exit_code == 0
    table = Table(box=box.HORIZONTALS, show_header=False, border_style="green" if good else "red", padding=(0, 1))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in summary_cells(end):
        table.add_row(Text(name), _summary_value(name, value, end))
    return table


def halt_panel(halt: RunHalted) -> tuple[RenderableType, Text, RenderableType]:
    """Return a panel in three parts: what, where and what is safe; the next command; the lower border.

    The command is to be printed with `soft_wrap`, and there are no side borders, so that it is copied in one piece.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in (("  what", halt.what), ("  where", halt.where), ("  safe", halt.safe)):
        if value:
            grid.add_row(name, Text(plain(value)))
    title = Rule(Text(f"halted, exit {halt.exit_code}", style="bold red"), style="red", align="left")
    command = Text.assemble(("  next   ", "bold"), (plain(halt.next), "bold cyan"))
    return Group(title, grid), command, Rule(style="red")


def _table(names: Iterable[str], *, whole: set[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=True)
    for name in names:
        table.add_column(name, no_wrap=name in whole, overflow="fold")
    return table


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[Text]:
    return [Text.assemble("  ", (name, "bold"), "  ", plain(value)) for name, value in pairs]


def _plan_style(name: str, cell: str) -> str:
    if name == "node":
        return "bold"
    if name == "action":
        return "dim" if cell in {"none", "skip", "keep"} else "yellow"
    return "cyan" if name == "target" else ""


def _status_style(name: str, cell: str) -> str:
    if cell == "?":
        return "bold yellow"
    if name == "node":
        return "bold"
    if name in {"state", "health", "mounted"}:
        return "green" if cell in _GOOD else "red"
    return "magenta" if cell == "leader" else ""


def _summary_value(name: str, value: str, end: RunFinished) -> Text:
    text = Text(value)
    if name == "outcome":
        text.stylize("bold green" if end.exit_code == 0 else "bold red")
    if name == "writes lost":
        text.stylize("green" if value == "0" else "bold red")
    if name.startswith("  ") and end.duration_s > 0:
        part = {"terraform": end.terraform_s, "servers": end.servers_s}.get(name.strip(), end.own_s)
        text = Text(f"{value:<16} ").append("█" * round(_BAR * min(1.0, part / end.duration_s)), style="cyan")
    return text
