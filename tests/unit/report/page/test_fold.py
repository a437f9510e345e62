from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.report.page.account import GateLine, Phase, Skip, Streak
from immtf.report.page.fold import account_of
from tests.unit.report.examples import EXAMPLES, FAILED, HALT, NODE, START, make_finished, make_gate, make_run
from tests.unit.report.page.runs import large, real, timed
from tests.unit.report.test_record import ANY_EVENT


def gate(elapsed_s: float, *, held: bool = True, passes: int = 1) -> e.GateAsked:
    return replace(make_gate(held=held, passes=passes), elapsed_s=elapsed_s)


@given(st.lists(st.tuples(ANY_EVENT, st.integers(-100, 10_000)), max_size=12))
@settings(max_examples=60)
def test_any_events_in_any_order_make_an_account(told: list[tuple[e.Event, int]]) -> None:
    known = account_of([(event, START + timedelta(seconds=second)) for event, second in told], "r")
    assert known.events == len(told)
    assert known.told_s >= 0
    assert all(phase.begin_s >= 0 for phase in known.phases)
    assert {item.name for item in known.sums} == {phase.name for phase in known.phases}


@pytest.mark.parametrize("length", range(len(make_run()) + 1))
def test_every_beginning_of_a_run_makes_an_account(length: int) -> None:
    known = account_of(make_run()[:length], "r")
    began = sum(isinstance(event, e.StageStarted | e.StepStarted) for event, _ in make_run()[:length])
    assert len(known.phases) == began
    assert (known.end is None) == (length < len(make_run()))


def test_a_phase_has_the_time_that_was_told_and_ends_when_it_was_told() -> None:
    """Not every step tells its start, and a start that is told comes after what was looked at before it."""
    known = account_of(timed([make_gate(), e.StepStarted(NODE, "StopNode", "x"), e.StepFinished(NODE, "StopNode", 1.5, "ok")]), "r")
    assert known.phases == (Phase("step", NODE, "stop node", 0.5, 1.5),)


def test_what_never_ended_is_halted_where_the_telling_ends() -> None:
    """F5: a run that was killed."""
    known = account_of(timed([e.StageStarted("nodes", ""), e.NodeStarted(NODE, 1, 1, "replace", "w"), HALT]), "r")
    assert known.phases == (Phase("stage", "", "nodes", 0.0, 2.0, "halted"),)
    assert [(line.node, line.how) for line in known.nodes] == [(NODE, "halted")]
    assert known.halt == HALT


def test_stages_lie_within_each_other() -> None:
    names = ("clean-up", "destroy", "clean-up")
    known = account_of(timed([*(e.StageStarted(name, "") for name in names), e.StageFinished("clean-up", 0.5)]), "r")
    assert [(phase.name, phase.how) for phase in known.phases] == [("clean-up", "halted"), ("destroy", "halted"), ("clean-up", "done")]


def test_a_step_that_was_begun_and_found_needless_is_no_phase() -> None:
    known = account_of(timed([e.StepStarted(NODE, "HandOver", "x"), e.StepSkipped(NODE, "HandOver", "server/b leads")]), "r")
    assert known.phases == ()
    assert known.skips == (Skip(NODE, "hand over", "server/b leads"),)


def test_sums_are_exact() -> None:
    known = account_of(large(81, gates=10), "r")
    found = {item.name: item for item in known.sums}
    assert (found["apply node"].count, found["apply node"].total_s, found["apply node"].longest) == (81, 40.5, "server/000")
    assert (known.asked, known.refused) == (810, 81 * 7)


class TestGates:
    def test_a_new_wait_counts_from_nothing_again(self) -> None:
        known = account_of(timed([gate(1.0), gate(4.0, held=False), gate(2.0), gate(3.0, passes=3)]), "r")
        words = "held 3 of 3: 2 voters of 3"
        assert known.gates == (GateLine(NODE, "consul", 4, 1, 7.0, holds=True, words=words),)

    def test_answers_in_a_row_are_one_streak(self) -> None:
        known = account_of(timed([gate(0.0), gate(1.0), gate(2.0, held=False), gate(3.0, held=False), gate(4.0)]), "r")
        assert known.streaks == (
            Streak(NODE, 0.0, 1.0, held=True, asked=2),
            Streak(NODE, 1.0, 3.0, held=False, asked=2),
            Streak(NODE, 3.0, 4.0, held=True, asked=1),
        )

    def test_between_two_waits_nothing_is_known(self) -> None:
        """A gate that held before a node's stop says nothing of the time that it was away."""
        told = [(gate(0.0), START), (gate(0.5), START + timedelta(seconds=60))]
        assert [(streak.begin_s, streak.end_s) for streak in account_of(told, "r").streaks] == [(0.0, 0.0), (59.5, 60.0)]


class TestNodes:
    plan = EXAMPLES[1]

    def hows(self, *events: e.Event) -> dict[str, str]:
        return {line.node: line.how for line in account_of(timed([self.plan, *events]), "r").nodes}

    def test_of_a_plan_none_was_to_be_reached(self) -> None:
        assert self.hows(make_finished("pending", 10)) == {"server/a": "planned", "server/b": "planned"}

    def test_of_a_halted_run_those_left_were_not_reached_and_that_is_a_reason(self) -> None:
        done = e.NodeFinished("server/a", 3.0, 2.0, "i-1")
        assert self.hows(done, HALT, make_finished("halted", 20)) == {"server/a": "done", "server/b": "not reached"}
        known = account_of(timed([self.plan, done, HALT]), "r")
        assert known.skips == (Skip("server/b", "node", "not reached (replace: 1.0.0 to 1.1.0)"),)

    def test_a_node_with_nothing_to_do_is_skipped_with_the_reason(self) -> None:
        known = account_of(timed([e.NodeSkipped("server/b", "runs 1.1.0")]), "r")
        assert known.skips == (Skip("server/b", "node", "runs 1.1.0"),)


class TestBlocks:
    def test_each_thing_bears_its_blocks_name(self) -> None:
        told: list[e.Event] = [
            b.BlockStarted("etcd", "1.0.0", 1, 1),
            b.BlockTold("etcd", EXAMPLES[1]),
            b.BlockTold("etcd", e.StageStarted("nodes", "")),
            b.BlockTold("etcd", e.StepFinished(NODE, "StopNode", 1.0, "ok")),
            b.BlockTold("etcd", e.StageFinished("nodes", 2.0)),
            b.BlockTold("etcd", e.ProbeReported(1, 0, 0.1, 0.0)),
            b.BlockEnded("etcd", "done", 0, "", "", 6.0),
        ]
        known = account_of(timed(told), "r")
        assert [(phase.kind, phase.owner) for phase in known.phases] == [("block", "etcd"), ("stage", "etcd"), ("step", f"etcd {NODE}")]
        assert [line.node for line in known.nodes] == ["etcd server/a", "etcd server/b"]
        assert [report.owner for report in known.writes] == ["etcd"]

    def test_what_a_block_left_open_ends_with_it(self) -> None:
        told: list[e.Event] = [b.BlockStarted("etcd", "", 1, 1), b.BlockTold("etcd", e.StepStarted(NODE, "StopNode", "")), FAILED, HALT]
        phases = account_of(timed(told), "r").phases
        assert [(phase.name, phase.how, phase.begin_s + phase.seconds) for phase in phases] == [
            ("block", "halted", 130.0),
            ("stop node", "halted", 2.0),
        ]

    def test_one_that_was_not_begun_is_skipped_with_the_reason(self) -> None:
        known = account_of(timed([replace(FAILED, ending="skipped", problem="base failed")]), "r")
        assert (known.skips, known.phases, known.problems) == ((Skip("etcd", "block", "base failed"),), (), ())


def test_errors_and_warnings_have_an_owner_and_are_counted() -> None:
    diagnostic = e.TerraformTold(NODE, "diagnostic", "", "", 0.0, "no room")
    told: list[e.Event] = [
        diagnostic,
        diagnostic,
        e.Noted("warning", "slow"),
        e.Noted("info", "fine"),
        b.BlockTold("etcd", e.Noted("warning", "slower")),
        e.CheckOverridden(NODE, "http:8080", "404", "new page"),
        b.BlockTold("etcd", HALT),
        FAILED,
        replace(FAILED, problem=""),
    ]
    found = [(row.sort, row.owner, row.times) for row in account_of(timed(told), "r").problems]
    assert found == [
        ("terraform", NODE, 2),
        ("warning", "", 1),
        ("warning", "etcd", 1),
        ("let pass", NODE, 1),
        ("halted", f"etcd {NODE}", 1),
        ("failed", "etcd", 1),
        ("failed", "etcd", 1),
    ]


def test_moments_without_a_zone_are_utc() -> None:
    known = account_of([(HALT, START), (HALT, START.replace(tzinfo=None) + timedelta(seconds=3))], "r")
    assert known.told_s == 3.0


@pytest.mark.parametrize(
    ("name", "events", "halted"),
    [("upgraded", 456, 0), ("killed", 59, 1), ("blocks", 64, 3)],
)
def test_real_journals(name: str, events: int, halted: int) -> None:
    known = real(name)
    assert (known.events, sum(phase.how == "halted" for phase in known.phases)) == (events, halted)


def test_calls_and_terraform_runs_are_whose_step_ended() -> None:
    """Each block counts its own; what was counted before is nobody's twice."""
    told = [
        e.StageFinished("observe", 1.0, 10, 2),
        e.StepFinished(NODE, "StopNode", 1.0, "ok", 14, 2),
        e.StepFinished(NODE, "ApplyNode", 1.0, "ok", 30, 5),
        b.BlockTold("etcd", e.StepFinished(NODE, "StopNode", 1.0, "ok", 5, 1)),
        b.BlockTold("etcd", e.StageFinished("nodes", 1.0, 6, 1)),
        e.StepFinished(NODE, "SettleNode", 1.0, "an older immtf counts none"),
    ]
    known = account_of(timed(told), "r")
    costs = {cost.owner: (cost.aws_calls, cost.terraform_runs) for cost in known.costs}
    assert costs == {"": (10, 2), NODE: (20, 3), f"etcd {NODE}": (5, 1), "etcd": (1, 0)}
    assert [(count.aws_calls, count.terraform_runs) for count in known.calls] == [(10, 2), (14, 2), (30, 5), (35, 6), (36, 6)]
