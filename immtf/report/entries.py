"""What each event says in words: one entry an event, from which every reader for people makes its line.

The words are decided here once, so that the terminal, a CI log and a picture never tell the same run differently.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, assert_never

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.wording import counted, duration, plain, within_module

if TYPE_CHECKING:
    from immtf.model.events import Event

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
Sort: TypeAlias = Literal["start", "done", "skip", "wait", "info", "warning", "fail"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in words: whose it is, what it is about, how long it took (seconds) and the words."""

    sort: Sort
    node: str
    subject: str
    words: str = ""
    seconds: float | None = None


def entry(event: Event) -> Entry:
    """Return what an event says."""
    found = _entry(event)
    return Entry(found.sort, plain(found.node), plain(found.subject), plain(found.words), found.seconds)


@singledispatch
def _entry(event: object) -> Entry:
    raise TypeError(f"{type(event).__name__} is no event")


@_entry.register(e.RunStarted)
def _(event: e.RunStarted) -> Entry:
    words = f"block {event.block} {event.version}, environment {event.environment}, cloud {event.cloud}, by {event.who}"
    return Entry("start", "", event.command, words)


@_entry.register(e.PlanMade)
def _(event: e.PlanMade) -> Entry:
    shared = f", {counted(len(event.shared), 'shared change')}" if event.shared else ""
    outputs = f", {counted(len(event.outputs), 'output')}" if event.outputs else ""
    image = f", image {event.image}" if event.image else ""
    return Entry("info", "", "plan", f"{counted(len(event.rows), 'node')}{shared}{outputs}{image}")


@_entry.register(e.StageStarted)
def _(event: e.StageStarted) -> Entry:
    return Entry("start", "", f"stage {event.stage}", event.what)


@_entry.register(e.StageFinished)
def _(event: e.StageFinished) -> Entry:
    return Entry("done", "", f"stage {event.stage}", "", event.seconds)


@_entry.register(e.NodeStarted)
def _(event: e.NodeStarted) -> Entry:
    return Entry("start", event.node, event.action, f"node {event.index} of {event.total}: {event.why}")


@_entry.register(e.NodeFinished)
def _(event: e.NodeFinished) -> Entry:
    words = f"now {event.instance}, away for {duration(event.away_s)}" if event.instance else f"away for {duration(event.away_s)}"
    return Entry("done", event.node, "at its target", words, event.seconds)


@_entry.register(e.NodeSkipped)
def _(event: e.NodeSkipped) -> Entry:
    return Entry("skip", event.node, "nothing to do", event.reason)


@_entry.register(e.StepStarted)
def _(event: e.StepStarted) -> Entry:
    return Entry("start", event.node, spoken(event.step), event.what)


@_entry.register(e.StepFinished)
def _(event: e.StepFinished) -> Entry:
    return Entry("done", event.node, spoken(event.step), event.evidence, event.seconds)


@_entry.register(e.StepSkipped)
def _(event: e.StepSkipped) -> Entry:
    return Entry("skip", event.node, spoken(event.step), event.reason)


@_entry.register(e.StepWaited)
def _(event: e.StepWaited) -> Entry:
    return Entry("wait", event.node, spoken(event.step), f"{event.reason} ({_limit(event.elapsed_s, event.limit_s)})")


@_entry.register(e.GateAsked)
def _(event: e.GateAsked) -> Entry:
    if event.held and event.passes >= event.needed:
        return Entry("done", event.node, f"gate {event.gate}", f"held {event.passes} of {event.needed}: {event.reason}", event.elapsed_s)
    state = f"held {event.passes} of {event.needed}" if event.held else "does not hold"
    return Entry("wait", event.node, f"gate {event.gate}", f"{state}: {event.reason} ({_limit(event.elapsed_s, event.limit_s)})")


@_entry.register(e.TerraformTold)
def _(event: e.TerraformTold) -> Entry:
    short = within_module(event.address)
    words = event.message.replace(event.address, short) if event.address else event.message
    words = words or f"{short} {event.action} {duration(event.elapsed_s)}"
    sorts: dict[str, Sort] = {"diagnostic": "warning", "apply_errored": "warning", "log": "info"}
    return Entry(sorts.get(event.kind, "wait"), event.node, "terraform", words)


@_entry.register(e.CheckOverridden)
def _(event: e.CheckOverridden) -> Entry:
    return Entry("warning", event.node, f"{event.check} overridden", f"{event.what}; let pass by --allow: {event.reason}")


@_entry.register(e.PlanJudged)
def _(event: e.PlanJudged) -> Entry:
    changes = ", ".join(within_module(change) for change in event.allowed)
    return Entry("done", event.node, "plan judged", f"{counted(len(event.allowed), 'change')}: {changes}" if changes else "no change")


@_entry.register(e.ProbeReported)
def _(event: e.ProbeReported) -> Entry:
    words = f"{counted(event.acknowledged, 'write')} acknowledged, {event.failed:,} failed, longest gap {duration(event.gap_s)}"
    return Entry("wait", "", "probe", f"{words}, last one {duration(event.since_ack_s)} ago")


@_entry.register(e.Noted)
def _(event: e.Noted) -> Entry:
    return Entry("warning" if event.level == "warning" else "info", "", "note", event.message)


@_entry.register(e.Diagnosed)
def _(event: e.Diagnosed) -> Entry:
    found = ", ".join(row.id for row in event.findings)
    return Entry("warning" if found else "done", "", "diagnosis", found or "nothing is wrong")


@_entry.register(e.ImagesListed)
def _(event: e.ImagesListed) -> Entry:
    doomed = sum(row.fate == "remove" for row in event.rows)
    return Entry("info", "", "images", f"{counted(len(event.rows), 'image')}{f', {doomed} to remove' if doomed else ''}")


@_entry.register(e.StatusTaken)
def _(event: e.StatusTaken) -> Entry:
    left = f", {counted(len(event.unfinished), 'unfinished thing')}" if event.unfinished else ""
    return Entry("info", "", "status", f"{counted(len(event.rows), 'node')}{left}")


@_entry.register(e.RunHalted)
def _(event: e.RunHalted) -> Entry:
    return Entry("fail", event.where, "halted", event.what)


@_entry.register(e.RunFinished)
def _(event: e.RunFinished) -> Entry:
    sort: Sort = "done" if event.exit_code == 0 else "fail"
    return Entry(sort, "", "run", f"{spoken(event.outcome)}, exit {event.exit_code}", event.duration_s)


@_entry.register(b.BlocksPlanned)
def _(event: b.BlocksPlanned) -> Entry:
    at_once = f", {event.parallel} at once" if event.parallel > 1 else ""
    return Entry("info", "", "order", f"{counted(len(event.rows), 'block')}{at_once}: {', '.join(row.block for row in event.rows)}")


@_entry.register(b.BlockStarted)
def _(event: b.BlockStarted) -> Entry:
    return Entry("start", event.block, "block", f"{event.index} of {event.total}: version {event.version or 'not known'}")


@_entry.register(b.BlockTold)
def _(event: b.BlockTold) -> Entry:
    told = _entry(event.told)
    return replace(told, node=f"{event.block} {told.node}".strip())


@_entry.register(b.BlockEnded)
def _(event: b.BlockEnded) -> Entry:
    code = f", exit {event.exit_code}" if event.exit_code else ""
    words = f"{spoken(event.ending)}{code}{': ' if event.problem else ''}{event.problem}"
    return Entry(block_sort(event), event.block, "block", words, event.seconds or None)


@_entry.register(b.BlocksEnded)
def _(event: b.BlocksEnded) -> Entry:
    sorts = {block_sort(row) for row in event.rows}
    ended = Counter(row.ending for row in event.rows)
    words = ", ".join(f"{number} {spoken(ending)}" for ending, number in ended.items())
    return Entry("fail" if "fail" in sorts else "done", "", "blocks", words)


def block_sort(event: b.BlockEnded) -> Sort:
    """Return the sort of a block's end."""
    sorts: dict[str, Sort] = {"done": "done", "nothing_to_do": "done", "pending": "done", "skipped": "skip"}
    return sorts.get(event.ending, "fail")


def spoken(name: str) -> str:
    """Write the name of a step or an outcome in words: `hand over` for `HandOver` and `hand_over`."""
    return _HUMP.sub(" ", name).replace("_", " ").lower()


def mark(sort: Sort) -> str:
    """Return the one sign that stands for a sort of entry."""
    match sort:
        case "done":
            return "✓"
        case "fail":
            return "✗"
        case "skip":
            return "↷"
        case "warning":
            return "!"
        case "start":
            return "▸"
        case "wait" | "info":
            return "·"
        case _:
            assert_never(sort)


def _limit(elapsed_s: float, limit_s: float) -> str:
    return f"{duration(elapsed_s)} of at most {duration(limit_s)}"
