"""Runs for pages: journals of real ones, large ones, and the texts of somebody who would like to be markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from immtf.model import events as e
from immtf.report.journals import read_journal
from immtf.report.page.fold import account_of
from tests.unit.report.examples import START

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from immtf.model.events import Event
    from immtf.report.page.account import Account

DATA: Final = Path(__file__).parents[3] / "data/runs"
REAL: Final = ("upgraded", "killed", "blocks")
VOID: Final = frozenset({"meta", "link", "br", "img", "hr", "input"})
HOSTILE: Final = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</style></svg><!-- ]]> -->",
    "\u202egnp.exe\u2066\u200b",
    "\x00\x1b[31m\x07\ud800\ufffe\U0001fffe",
    "'\"`{{ 7 * 7 }}{% raw %}&amp;&lt;",
    "javascript:alert(1)//\u2028",
    "\U0001f4a9" * 40,
)
STEPS: Final = ("SpareNode", "StopNode", "DetachVolumes", "ApplyNode", "ProveVolumes", "SettleNode")


def real(name: str) -> Account:
    return account_of(read_journal(DATA / f"{name}.jsonl"), name)


def timed(events: Sequence[Event], *, every_s: float = 1.0) -> list[tuple[Event, datetime]]:
    return [(event, START + timedelta(seconds=every_s * number)) for number, event in enumerate(events)]


def large(nodes: int, *, gates: int, text: str = "3 of 3 voters healthy") -> list[tuple[Event, datetime]]:
    """Return a run of many nodes, each with six steps and `gates` questions, and a report of writes a node."""
    events: list[Event] = [e.RunStarted("upgrade", "consul", "1.1.0", "prod", "aws", "ann@build"), e.StageStarted("nodes", text)]
    for number in range(nodes):
        node = f"server/{number:03}"
        events += [e.NodeStarted(node, number, nodes, "replace", text)]
        for step in STEPS:
            events += [e.StepFinished(node, step, 0.5, text)]
        events += [e.StepSkipped(node, "HandOver", f"{text} {number}")]
        for asked in range(gates):
            held = asked % 7 > 3
            events += [e.GateAsked(node, f"gate-{asked % 3}", held, f"{text} {asked}", int(held), 3, float(asked), 600.0)]
        events += [e.ProbeReported(number * 30, 0, 0.1 * number, 0.0), e.NodeFinished(node, 9.0, 4.0, f"i-{number}")]
    events += [e.StageFinished("nodes", 100.0)]
    away = {f"server/{number:03}": 4.0 for number in range(nodes)}
    end = e.RunFinished("done", nodes, nodes, 9, 0, 0.1, away, 7, 8, 100.0, 50.0, 30.0, 20.0, 0)
    return timed([*events, end], every_s=0.1)


class Page(HTMLParser):
    """A page as it was parsed: well nested, with its tags, attributes, words and scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[str] = []
        self.scripts: list[str] = []
        self.source = page
        self.feed(page)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts.append(data)
            return
        self.words.append(data)
        if self.open[-1:] and {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def pictures(self) -> list[ET.Element]:
        """Return the pictures, each parsed as XML of its own."""
        return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", self.source, re.DOTALL)]  # noqa: S314 - made by ourselves

    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}
