from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from immtf.model.block_events import BlocksEnded, BlockStarted, BlockTold
from immtf.model.event_record import event_name
from immtf.model.events import Noted, ProbeReported, RunHalted, RunStarted, StepWaited
from immtf.report.lines import LinesReader
from tests.unit.report.examples import EXAMPLES, FAILED, HALT, NODE, START, make_finished, make_gate, make_run, make_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.events import Event


def told(*events: Event, seconds: float = 1.0) -> list[str]:
    """Tell events one after the other, `seconds` apart, and return the lines."""
    stream = io.StringIO()
    reader = LinesReader(stream)
    for number, event in enumerate(events):
        reader(event, START + timedelta(seconds=number * seconds))
    reader.close()
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("event", EXAMPLES, ids=event_name)
def test_each_event_has_a_line_with_its_time_and_its_node(event: Event) -> None:
    lines = told(event)
    assert all(re.match(r"2026-11-21T09:00:00Z (\S+: )?\S \S+", line) for line in lines)
    assert all(getattr(event, "node", "") in line for line in lines)


def test_a_run_is_told_in_order_and_in_one_line_an_event() -> None:
    lines = "\n".join(told(*(event for event, _ in make_run())))
    wanted = ["upgrade: block consul 1.1.0", "stage nodes: one at a time", "node 1 of 2", "apply node (12 s): now i-0a2",
              "gate consul: does not hold: 2 voters of 3 (4.0 s of at most 10 m)", "gate consul (4.0 s): held 3 of 3: 3 voters",
              "server/a at its target (1 m 11 s): now i-0a2, away for 47 s", "server/b nothing to do: runs 1.1.0",
              "consul run (3 m 20 s): done, exit 0", "writes lost: 0", "immtf's own: 10 s, 5 %"]  # fmt: skip
    places = [lines.find(part) for part in wanted]
    assert -1 not in places
    assert places == sorted(places)


def test_what_has_no_node_is_said_of_the_block() -> None:
    start = RunStarted("plan", "consul", "1", "e", "lab", "w")
    assert told(Noted("info", "x"))[0].endswith("· run note: x")
    assert told(start, Noted("info", "x"))[1].endswith("· consul note: x")


def test_a_plan_has_a_line_for_each_node() -> None:
    lines = told(EXAMPLES[1])
    assert [line.split()[2] for line in lines] == ["run", "server/a", "server/b", "shared", "image"]
    assert "target 1.1.0; action replace; why follower, zone a; volume data; gates mounted, consul; quorum left 2 of 3" in lines[1]


def test_a_halt_tells_what_is_safe_and_the_next_command_each_on_its_line() -> None:
    what, safe, command = told(HALT)
    assert what.endswith("✗ server/a halted: no capacity for a new instance")
    assert safe.endswith("server/a is safe: the other nodes serve")
    assert command.endswith("server/a next command: immtf upgrade terraform/blocks/consul --yes")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("the state of block base (s3 b/k)", "the state of block base (s3 b/k): can't be read"),
        ("block consul", "can't be read"),
        ("", "can't be read"),
    ],
    ids=["another's", "its own", "nowhere"],
)
def test_a_halt_at_no_node_begins_with_its_own_block(where: str, words: str) -> None:
    halt = RunHalted("can't be read", where, "nothing was touched", "look", 1)
    start = RunStarted("plan", "consul", "1", "e", "lab", "w")
    wanted = [f"✗ consul halted: {words}", "· consul is safe: nothing was touched", "· consul next command: look"]
    assert [line.split(" ", 1)[1] for line in told(start, halt)[1:]] == wanted
    assert told(BlockTold("consul", halt))[0].endswith(f" consul: ✗ halted: {words}")


def test_foreign_text_can_neither_colour_a_log_nor_break_its_lines() -> None:
    lines = told(Noted("warning", "\x1b[31mred\x1b[0m\r\n::error::no\x00\u2028end \x1b]0;title\x07."))
    assert lines == ["2026-11-21T09:00:00Z ! run note: red ::error::no end ."]


class TestThinning:
    def count(self, events: Sequence[Event], seconds: float = 1.0) -> int:
        return len(told(*events, seconds=seconds))

    def test_the_same_reason_has_a_line_every_ten_seconds(self) -> None:
        assert self.count([make_gate()] * 9) == 1
        assert self.count([make_gate()] * 21) == 3
        assert self.count([make_gate()] * 3, seconds=10) == 3

    def test_another_reason_has_a_line_at_once(self) -> None:
        assert self.count([make_gate(), make_gate(reason="no leader"), make_gate()]) == 3

    def test_a_number_that_moves_is_no_other_reason(self) -> None:
        assert self.count([make_gate(reason=f"{1000 - n:,} entries behind") for n in range(5)]) == 1

    def test_a_streak_that_begins_breaks_or_ends_has_a_line_at_once(self) -> None:
        streak = [make_gate(held=True, reason="3 voters", passes=passes) for passes in (1, 2, 3)]
        assert self.count(streak) == 2
        assert self.count([streak[0], make_gate(reason="3 voters"), streak[0]]) == 3

    def test_nodes_gates_and_steps_are_thinned_each_on_its_own(self) -> None:
        waits = [StepWaited(NODE, step, "stopping", 1.0, 9.0) for step in ("stop_node", "detach", "stop_node", "detach")]
        assert self.count(waits) == 2
        assert self.count([make_gate(), make_gate(node="server/b"), make_gate()]) == 2

    def test_terraform_has_its_first_line_one_every_ten_seconds_and_its_end(self) -> None:
        progress = [make_told("apply_start"), *(make_told("apply_progress", n) for n in range(1, 15)), make_told("apply_complete", 15)]
        assert self.count(progress) == 3
        assert self.count([make_told("refresh_start", address=f"a.b{n}") for n in range(9)]) == 1

    def test_terraform_errors_are_always_told(self) -> None:
        assert self.count([make_told("diagnostic", message="Error: x"), make_told("diagnostic", message="Error: y")]) == 2

    def test_the_probe_speaks_up_when_writes_stop_and_when_they_go_on(self) -> None:
        calm, silent = ProbeReported(9, 0, 1.0, 0.1), ProbeReported(9, 1, 3.0, 3.0)
        assert self.count([calm, calm, silent, silent, calm, calm]) == 3


def test_of_many_blocks_each_line_of_a_block_begins_with_its_name() -> None:
    inner = [RunStarted("upgrade", "etcd", "1", "e", "lab", "w"), make_gate(), Noted("info", "x"), EXAMPLES[1]]
    lines = told(
        BlockStarted("etcd", "1.1.0", 1, 2), *(BlockTold("etcd", event) for event in inner), FAILED, BlockTold("base", make_gate())
    )
    assert {line.split()[1] for line in lines[:-1]} == {"etcd:"}
    assert lines[-1].split()[1] == "base:"
    assert lines[0].endswith("etcd: ▸ block: 1 of 2: version 1.1.0")
    assert lines[2].endswith(f"etcd: · {NODE} gate consul: does not hold: 2 voters of 3 (4.0 s of at most 10 m)")


def test_the_gates_of_two_blocks_are_thinned_apart() -> None:
    gates = [BlockTold(block, make_gate()) for block in ("a", "b", "a", "b")]
    assert len(told(*gates)) == 2


def test_of_a_block_s_end_the_figures_are_left_to_the_end_of_all() -> None:
    assert len(told(BlockTold("etcd", make_finished()))) == 1


def test_at_the_end_each_error_stands_once_more_with_its_block_and_what_to_do() -> None:
    lines = told(BlocksEnded((FAILED,)))
    wanted = "etcd: ✗ failed (20), 2 m 10 s: server/a: the gate did not hold; next: immtf upgrade blocks/etcd --yes"
    assert lines[1].endswith(wanted)
