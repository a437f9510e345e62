"""The live region: what goes on now, drawn from `Progress`; never wider than the terminal, never higher than a few lines a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from immtf.report.wording import clock, duration, plain, within_module

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rich.console import RenderableType

    from immtf.model.events import GateAsked, ProbeReported
    from immtf.report.progress import NodeProgress, Progress, State

_SHOWN: Final = 9
_SILENT_S: Final = 2.0
_MARKS: Final[dict[State, tuple[str, str]]] = {
    "waiting": ("·", "dim"),
    "working": ("▸", "bold"),
    "done": ("✓", "green"),
    "skipped": ("↷", "dim"),
    "halted": ("✗", "bold red"),
}


class Frame:
    """Draws the region; one object a run, because its spinner turns on from frame to frame."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots", style="cyan")

    def draw(self, progress: Progress, now: datetime) -> RenderableType:
        """Return the region as it looks at `now`, a moment on the events' own clock."""
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(width=2)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, min_width=16)
        grid.add_column(no_wrap=True, min_width=8, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        nodes = [node for node in progress.nodes.values() if node.planned or node.busy]
        shown = _window(nodes)
        if progress.since and progress.stage and not any(node.busy or node.state == "working" for node in nodes):
            took = duration((now - progress.since).total_seconds())
            grid.add_row(
                self._spinner, Text(progress.block, style="bold"), Text(progress.stage, style="cyan"), took, Text(progress.purpose)
            )
        for node in shown:
            self._add(grid, node, progress, now)
        parts: list[RenderableType] = [Text(), _title(progress, now), grid]
        if len(shown) < len(nodes):
            parts.append(Text(f"   … {len(nodes) - len(shown)} more nodes", style="dim"))
        if progress.probe is not None:
            parts.append(_probe(progress.probe))
        return Group(*parts)

    def _add(self, grid: Table, node: NodeProgress, progress: Progress, now: datetime) -> None:
        sign, style = _MARKS[node.state]
        spins = node.busy or node.state == "working"
        took = duration((now - node.since).total_seconds()) if node.since else "" if node.seconds is None else duration(node.seconds)
        detail = node.reason or node.about
        grid.add_row(
            self._spinner if spins and node.state != "halted" else Text(sign, style=style),
            Text(node.node or progress.block, style="bold" if spins else style),
            Text(node.step, style="cyan"),
            Text(took),
            Text(detail, style="" if spins else "dim"),
        )
        for name, below in _below(node, now):
            grid.add_row("", "", name, "", below)


def _below(node: NodeProgress, now: datetime) -> Iterator[tuple[Text, Text]]:
    """Yield the lines under a node: its gates, and what Terraform waits for."""
    for gate in node.gates.values():
        yield _gate(gate)
    for address, (action, since) in node.resources.items():
        waits = f"{plain(within_module(address))} {plain(action)} "
        yield Text("  terraform", style="dim"), Text(waits).append(duration((now - since).total_seconds()), style="cyan")


def _gate(gate: GateAsked) -> tuple[Text, Text]:
    enough = gate.held and gate.passes >= gate.needed
    dots = Text("●" * min(gate.passes, gate.needed), style="green").append("○" * (gate.needed - gate.passes), style="dim")
    reason = Text(" " + plain(gate.reason), style="green" if enough else "" if gate.held else "yellow")
    return Text(f"  {plain(gate.gate)}", style="dim"), dots.append_text(reason)


def _title(progress: Progress, now: datetime) -> Text:
    elapsed = clock((now - progress.began).total_seconds()) if progress.began else ""
    stage = f"stage {progress.stage}" if progress.stage else ""
    parts = [part for part in (progress.title, stage, progress.position, elapsed) if part]
    return Text("── " + " · ".join(parts) + " ──", style="dim", no_wrap=True, overflow="ellipsis")


def _probe(probe: ProbeReported) -> Text:
    silent = probe.since_ack_s >= _SILENT_S
    text = Text("   probe ", style="bold", no_wrap=True, overflow="ellipsis")
    text.append(f"{probe.acknowledged:,} writes acknowledged", style="not bold green")
    text.append(f" · {probe.failed:,} failed", style="not bold red" if probe.failed else "not bold dim")
    text.append(f" · gap now {duration(probe.since_ack_s)}", style="bold red" if silent else "not bold")
    return text.append(f", longest {duration(probe.gap_s)}", style="not bold")


def _window(nodes: list[NodeProgress]) -> list[NodeProgress]:
    """Return the nodes that fit, around the one at work."""
    at_work = next((index for index, node in enumerate(nodes) if node.busy or node.state in {"working", "halted"}), 0)
    first = max(0, min(at_work - _SHOWN // 2, len(nodes) - _SHOWN))
    return nodes[first : first + _SHOWN]
