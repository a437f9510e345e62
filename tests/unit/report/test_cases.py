"""A run's JUnit file: what is a case, which of them fail, and what each says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from immtf.errors import LeaseHeld
from immtf.model.block_events import BlockEnded, BlocksEnded, BlocksPlanned, BlockTold
from immtf.model.events import (
    CheckOverridden,
    GateAsked,
    NodeFinished,
    NodeSkipped,
    NodeStarted,
    Noted,
    RunHalted,
    RunStarted,
    StageFinished,
    StageStarted,
    StepSkipped,
)
from immtf.model.rows import BlockRow
from immtf.report.cases import Cases
from immtf.report.junit import Case
from tests.unit.report.examples import EXAMPLES, NODE, START, make_finished, make_gate, make_run
from tests.unit.report.junit_reader import properties, read_junit, read_suites, results, told

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

    from immtf.model.events import Event

GATE_HALT = RunHalted("no leader (not within 600 s)", NODE, "2 of 3 nodes are up", "`immtf upgrade b` again", 20)
ROLL: list[Event] = [EXAMPLES[0], EXAMPLES[1], StageStarted("nodes", "one at a time"), NodeStarted(NODE, 1, 2, "replace", "zone a")]


def suite_of(*events: Event, seconds: float = 1.0) -> ET.Element:
    """Fold events, so many seconds apart, and read the file back."""
    cases = Cases("r1", "upgrade", "", "9.9")
    for number, event in enumerate(events):
        cases.take(event, START + timedelta(seconds=number * seconds))
    return read_suites(cases.document())[0]


def halted(*events: Event, halt: RunHalted = GATE_HALT) -> ET.Element:
    return suite_of(*ROLL, *events, halt, make_finished("halted", halt.exit_code))


def test_a_run_that_ends_well() -> None:
    suite = suite_of(*(event for event, _ in make_run()))
    assert results(suite) == {
        "consul.run upgrade": "passed",
        "consul.stages nodes": "passed",
        "consul.nodes server/a": "passed",
        "consul.nodes server/b": "skipped",
        f"consul.gates consul at {NODE}": "passed",
    }
    known = properties(suite)
    wanted = {"run": "r1", "command": "upgrade", "block": "consul", "version": "1.1.0", "image": "ami-1 (1.1.0)", "environment": "test-1"}
    assert wanted.items() <= known.items()
    assert known["image before"] == "1.0.0"
    assert (known["immtf"], known["writes lost"], known["outcome"]) == ("9.9", "0", "done")
    assert (suite.get("time"), suite.get("name")) == ("200.000", "immtf upgrade consul")
    assert told(suite, "consul.nodes server/b")[0] == "runs 1.1.0 and is healthy"
    (node,) = (case for case in suite.findall("testcase") if case.get("name") == NODE)
    assert node.get("time") == "71.200"
    assert node.findtext("system-out") == (
        "apply node (12 s): now i-0a2\ngates after (3.0 s): consul held 3 times\naway for 47 s, now i-0a2"
    )


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_any_event_may_come_first(number: int) -> None:
    suite_of(EXAMPLES[number])
    suite_of(*EXAMPLES[number:])


def test_a_gate_that_does_not_hold_fails_with_its_reason_and_the_next_command() -> None:
    suite = halted(make_gate(), make_gate(reason="no leader"))
    assert results(suite) == {
        "consul.run upgrade": "failure",
        "consul.stages nodes": "skipped",
        f"consul.nodes {NODE}": "failure",
        "consul.nodes server/b": "skipped",
        f"consul.gates consul at {NODE}": "failure",
    }
    message, text = told(suite, f"consul.gates consul at {NODE}")
    assert message == "no leader; next: `immtf upgrade b` again"
    assert text == f"no leader\nwhere: {NODE}\nsafe: 2 of 3 nodes are up\nnext: `immtf upgrade b` again"
    assert told(suite, "consul.run upgrade")[0] == "no leader (not within 600 s); next: `immtf upgrade b` again"
    assert told(suite, "consul.nodes server/b")[0] == "not reached (replace: 1.0.0 to 1.1.0)"
    assert told(suite, "consul.stages nodes")[0] == "not finished: no leader (not within 600 s)"


def test_a_gate_that_was_not_decided_is_neither_good_nor_bad() -> None:
    suite = halted(make_gate(held=True, reason="3 voters", passes=1))
    assert told(suite, f"consul.gates consul at {NODE}")[0] == "held 1 of 3 times, when it was asked last"
    suite = halted(make_gate(), halt=replace(GATE_HALT, exit_code=24))
    assert told(suite, f"consul.gates consul at {NODE}")[0] == "did not hold: 2 voters of 3, when it was asked last"


def test_a_gate_that_was_passed_over_is_told_with_the_check() -> None:
    over = CheckOverridden("", "http:80", "answered 404", "new page")
    asked = GateAsked("", "http:80", held=False, reason="answered 404", passes=0, needed=3, elapsed_s=1.0, limit_s=9.0)
    suite = suite_of(*ROLL[:1], asked, over, EXAMPLES[14], make_finished())
    assert results(suite)["consul.gates http:80"] == "skipped"
    assert told(suite, "consul.checks http:80")[0] == "let pass by --allow: new page"
    assert f"consul.checks http:8080 at {NODE}" in results(suite)


def test_a_gate_s_waits_are_added_up() -> None:
    asked = [replace(make_gate(held=True, passes=3), elapsed_s=seconds) for seconds in (1.0, 9.0, 0.5, 2.0)]
    suite = suite_of(*asked, make_finished())
    (gate,) = (case for case in suite.findall("testcase") if case.get("classname") == "immtf.gates")
    assert gate.get("time") == "11.000"


def test_a_stage_fails_where_no_node_was_at_work_and_only_the_innermost() -> None:
    events = [EXAMPLES[0], StageStarted("clean-up", "x"), StageStarted("destroy", "y"), StageFinished("observe", 1.0), GATE_HALT]
    suite = suite_of(*events, make_finished("halted", 20))
    wanted = {"consul.stages observe": "passed", "consul.stages clean-up": "skipped", "consul.stages destroy": "failure"}
    assert wanted.items() <= results(suite).items()


def test_a_stage_in_a_stage_ends_the_innermost_of_its_name() -> None:
    stages = [StageStarted("destroy", "x"), StageStarted("stop", "y"), StageFinished("destroy", 1.0)]
    assert results(suite_of(*stages, make_finished()))["immtf.stages stop"] == "passed"


@pytest.mark.parametrize(
    ("code", "result"), [(1, "error"), (2, "error"), (20, "failure"), (21, "error"), (24, "failure"), (130, "error"), (99, "failure")]
)
def test_a_fault_or_a_wish_to_end_is_an_error(code: int, result: str) -> None:
    suite = suite_of(EXAMPLES[0], RunHalted("x", "", "", "", code), make_finished("halted", code))
    assert results(suite) == {"consul.run upgrade": result}
    assert told(suite, "consul.run upgrade") == ("x", "x")


def test_lost_writes_fail_although_nothing_halted() -> None:
    suite = suite_of(EXAMPLES[0], replace(make_finished("halted", 20), writes_lost=3))
    assert told(suite, "consul.run upgrade")[0] == "ended with 20 (halted), 3 acknowledged writes were lost"
    suite = suite_of(EXAMPLES[0], make_finished("failed", 1))
    assert told(suite, "consul.run upgrade")[0] == "ended with 1 (failed)"


def test_a_run_that_was_killed_is_an_error_however_far_it_came() -> None:
    assert results(suite_of()) == {"immtf.run upgrade": "error"}
    suite = suite_of(*ROLL, NodeFinished(NODE, 1.0, 1.0, ""), NodeStarted("server/b", 2, 2, "replace", "x"), seconds=10)
    assert results(suite)["consul.nodes server/b"] == "error"
    assert results(suite)[f"consul.nodes {NODE}"] == "passed"
    assert suite.get("time") == "50.000"


def test_what_kept_a_run_from_beginning_is_told_and_the_first_word_stays() -> None:
    cases = Cases("r1", "upgrade", "")
    cases.refuse(LeaseHeld("another run works", where="/lease", next="wait"))
    cases.refuse(LeaseHeld("and then the lab could not be ended"))
    suite = read_junit(cases.document())
    assert told(suite, "immtf.run upgrade") == (
        "another run works; next: wait",
        "another run works\nwhere: /lease\nsafe: nothing was touched\nnext: wait",
    )


def test_notes_stand_in_the_run_s_output_and_more_cases_beside_it() -> None:
    cases = Cases("r1", "verify", "image")
    for event in (
        Noted("warning", "the volume\nis slow"),
        NodeSkipped(NODE, "at its target"),
        StepSkipped(NODE, "StopNode", "is stopped"),
        make_finished(),
    ):
        cases.take(event, START)
    cases.more.append(Case("image.tests", "test_unit", 1.0))
    suite = read_junit(cases.document())
    assert results(suite)["image.tests test_unit"] == "passed"
    assert (suite.findtext("testcase/system-out") or "").startswith("warning: the volume is slow\noutcome: done")


def test_a_step_that_was_not_needed_is_told_so() -> None:
    suite = suite_of(*ROLL, StepSkipped(NODE, "StopNode", "is stopped"), NodeFinished(NODE, 1.0, 0.0, ""), make_finished())
    (node,) = (case for case in suite.findall("testcase") if case.get("name") == NODE)
    assert node.findtext("system-out") == "stop node: not needed, is stopped\naway for 0.0 s, now no instance"


def test_of_many_blocks_each_has_a_suite_of_its_own() -> None:
    cases = Cases("r1", "upgrade", "", "9.9")
    rows = tuple(BlockRow(name, "1", "", ()) for name in ("base", "etcd", "web", "late"))
    for event in (
        RunStarted("upgrade", "infra", "", "e", "lab", "w"),
        BlocksPlanned(rows, 2),
        BlockTold("base", RunStarted("upgrade", "base", "1", "e", "lab", "w")),
        BlockTold("base", NodeFinished(NODE, 1.0, 0.5, "i-1")),
        BlockTold("base", make_finished()),
        BlockEnded("base", "done", 0, "", "", 1.0),
        BlockEnded("etcd", "failed", 1, "it was killed by SIGKILL", "immtf again", 3.0),
        BlockEnded("web", "skipped", 0, "it waits for etcd, which failed", "", 0.0),
        BlocksEnded(()),
        RunHalted("2 of 3", "", "", "again", 1),
        make_finished("halted", 1),
    ):
        cases.take(event, START)
    whole, base, etcd, web, late = read_suites(cases.document())
    assert results(whole) == {"blocks.infra.run upgrade": "error"}
    assert results(base) == {"base.run upgrade": "passed", f"base.nodes {NODE}": "passed"}
    assert told(etcd, "etcd.run upgrade")[0] == "it was killed by SIGKILL; next: immtf again"
    assert results(web) == {"web.run upgrade": "skipped"}
    assert results(late) == {"late.run upgrade": "error"}, "a block that never ended is no success"
