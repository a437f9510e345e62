"""Many blocks in one run, as every reader tells them: each line, row and annotation says whose it is."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from immtf.model.block_events import BlockEnded, BlocksEnded, BlocksPlanned, BlockStarted, BlockTold
from immtf.model.event_record import event_name
from immtf.model.events import (
    Event,
    NodeFinished,
    NodeStarted,
    Noted,
    PlanMade,
    RunHalted,
    RunStarted,
    StageFinished,
    StageStarted,
    StatusTaken,
    StepFinished,
    StepStarted,
)
from immtf.model.rows import BlockRow
from immtf.report.entries import entry
from immtf.report.github import annotated
from immtf.report.owned import owned
from immtf.report.progress import Progress
from immtf.report.summary import Summary
from immtf.report.text import make_text_reader
from tests.unit.report.examples import EXAMPLES, FAILED, NODE, START, make_finished, make_gate, make_node_row, make_plan_row

ROWS = (BlockRow("base", "1.1.0", "1.0.0", ()), BlockRow("etcd", "2.0.0", "", ("base",)), BlockRow("web", "", "", ("etcd",)))
RUN: list[Event] = [
    RunStarted("upgrade", "infra", "", "e", "lab", "w"),
    BlocksPlanned(ROWS, 2),
    BlockStarted("base", "1.1.0", 1, 3),
    BlockTold("base", PlanMade((make_plan_row(),), (), "ami-1")),
    BlockTold("base", StageStarted("nodes", "one at a time")),
    BlockTold("base", NodeStarted(NODE, 1, 1, "replace", "zone a")),
    BlockTold("base", make_gate()),
    BlockTold("base", NodeFinished(NODE, 9.0, 3.0, "i-1")),
    BlockTold("base", StageFinished("nodes", 10.0)),
    BlockTold("base", StatusTaken((make_node_row(),), ())),
    BlockTold("base", Noted("warning", "slow")),
    BlockTold("base", make_finished()),
    BlockEnded("base", "done", 0, "", "", 12.0),
    BlockStarted("etcd", "2.0.0", 2, 3),
    FAILED,
    BlockEnded("web", "skipped", 0, "it waits for etcd, which failed", "", 0.0),
    BlocksEnded((BlockEnded("base", "done", 0, "", "", 12.0), FAILED)),
    RunHalted("1 of 3 blocks did not end well", "", "", "immtf upgrade infra", 20),
    make_finished("halted", 20),
]


def progress_at(number: int) -> Progress:
    found = Progress()
    for second, event in enumerate(RUN[:number]):
        found.take(owned(event), START + timedelta(seconds=second))
    return found


@pytest.mark.parametrize("event", [event for event in EXAMPLES if not event_name(event).startswith("block")], ids=event_name)
def test_what_a_block_tells_is_said_in_its_own_words_with_its_name(event: Event) -> None:
    alone, within = entry(event), entry(BlockTold("etcd", event))
    assert within.node == f"etcd {alone.node}".strip()
    assert (within.sort, within.subject, within.words) == (alone.sort, alone.subject, alone.words)
    mine = owned(BlockTold("etcd", event))
    assert getattr(mine, "node", within.node) in {within.node, "etcd"}
    assert owned(event) is event


def test_stages_of_a_block_are_its_steps() -> None:
    assert owned(BlockTold("b", StageStarted("nodes", "x"))) == StepStarted("b", "stage nodes", "x")
    assert owned(BlockTold("b", StageFinished("nodes", 2.0))) == StepFinished("b", "stage nodes", 2.0, "")


def test_what_is_going_on_is_known_by_block_and_node() -> None:
    begun = progress_at(7)
    assert begun.position == "node 1 of 1"
    assert [(node.node, node.state) for node in begun.nodes.values()] == [
        ("base", "working"),
        ("etcd", "waiting"),
        ("web", "waiting"),
        (f"base {NODE}", "working"),
    ]
    assert begun.busy
    ended = progress_at(16)
    assert {name: node.state for name, node in ended.nodes.items()} == {"base": "done", "etcd": "halted", "web": "skipped"}
    assert ended.position == "block 2 of 3"


@pytest.mark.parametrize("terminal", [False, True], ids=["log", "terminal"])
def test_a_person_sees_whose_each_line_is_and_every_error_at_the_end(terminal: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]  # a stream of this test's own
    reader = make_text_reader(stream, environ={"TERM": "xterm", "COLUMNS": "140", "NO_COLOR": "1"})
    for second, event in enumerate(RUN):
        reader(event, START + timedelta(seconds=second))
    reader.close()
    told = stream.getvalue()
    assert f"base {NODE}" in told
    end = told[told.index("how it ended") :]
    assert "✗ failed (20)" in end
    assert "next: immtf upgrade blocks/etcd --yes" in " ".join(end.split())
    assert "immtf upgrade infra" in end[end.index("halted, exit 20") :]


def test_the_page_has_a_row_for_each_block_and_nodes_with_their_block() -> None:
    page = Summary("immtf upgrade")
    for event in RUN[:14]:
        page.take(event, START)
    assert page.blocks == {"base": "✓ done, 12 s", "etcd": "at work", "web": "not reached"}
    for event in RUN[14:]:
        page.take(event, START)
    assert page.blocks["web"] == "↷ skipped, 0.0 s: it waits for etcd, which failed"
    assert page.nodes == {f"base {NODE}": "done in 9.0 s, away for 3.0 s"}
    assert page.warnings == ["base: slow"]
    assert "| block | how it went |" in page.markdown()


def test_an_annotation_names_the_block() -> None:
    (line,) = annotated(BlockTold("base", Noted("warning", "slow")), "immtf upgrade infra")
    assert "title=immtf upgrade infra%3A base" in line
