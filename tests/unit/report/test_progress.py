from __future__ import annotations

from datetime import timedelta

import pytest

from immtf.model.event_record import event_name
from immtf.model.events import Noted, RunHalted, StageFinished, StepSkipped, StepStarted, StepWaited
from immtf.report.progress import Progress
from tests.unit.report.examples import EXAMPLES, HALT, INSTANCE, NODE, START, make_gate, make_run, make_told


def folded(count: int) -> Progress:
    progress = Progress()
    for event, at in make_run()[:count]:
        progress.take(event, at)
    return progress


def test_after_the_plan_every_node_waits_with_its_reason() -> None:
    nodes = folded(2).nodes
    assert [(node.node, node.state, node.about) for node in nodes.values()] == [
        ("server/a", "waiting", "replace: follower, zone a"),
        ("server/b", "waiting", "replace: leader, goes last"),
    ]


def test_terraform_waits_begin_where_it_says_and_end() -> None:
    assert folded(7).nodes[NODE].resources == {INSTANCE: ("create", START + timedelta(seconds=6 - 10))}
    assert folded(9).nodes[NODE].resources == {}


def test_a_step_is_forgotten_when_it_ends() -> None:
    node = folded(14).nodes[NODE]
    assert (node.step, list(node.gates), node.busy) == ("gates after", ["consul"], True)
    node = folded(15).nodes[NODE]
    assert (node.step, node.gates, node.busy, node.state) == ("", {}, False, "working")


def test_the_end_of_each_node_is_kept() -> None:
    progress = folded(19)
    assert progress.nodes[NODE].state == "done"
    assert progress.nodes[NODE].about == "now i-0a2, away for 47 s"
    assert progress.nodes["server/b"].state == "skipped"


def test_a_wait_says_how_long_it_may_last_and_counts_from_its_step() -> None:
    progress = Progress()
    progress.take(StepStarted(NODE, "stop_node", "stop"), START)
    progress.take(StepWaited(NODE, "stop_node", "stopping", 2.0, 300.0), START + timedelta(seconds=2))
    assert progress.nodes[NODE].reason == "stopping, at most 5 m"
    assert progress.nodes[NODE].since == START
    progress.take(StepSkipped(NODE, "stop_node", "x"), START)
    assert not progress.nodes[NODE].busy


def test_a_halt_marks_its_node_and_knows_other_places() -> None:
    progress = folded(5)
    progress.take(HALT, START)
    assert progress.nodes[NODE].state == "halted"
    progress.take(RunHalted("x", "immtf.yaml:3", "y", "z", 1), START)
    assert "immtf.yaml:3" not in progress.nodes


def test_what_the_block_did_ends_with_its_stage() -> None:
    progress = Progress()
    progress.take(make_gate(node=""), START)
    assert progress.nodes[""].busy
    progress.take(StageFinished("verify", 1.0), START)
    assert not progress.nodes[""].busy


@pytest.mark.parametrize("event", EXAMPLES, ids=event_name)
def test_every_event_can_come_first(event: object) -> None:
    progress = Progress()
    progress.take(event, START)  # type: ignore[arg-type]  # each is an event
    progress.take(Noted("info", "x"), START + timedelta(seconds=9))
    assert progress.began == START


def test_other_lines_of_terraform_change_nothing() -> None:
    progress = Progress()
    progress.take(make_told("version"), START)
    assert not progress.nodes[NODE].busy
