"""What the benchmark of the strategies works out is right, whatever was measured: outages, quiet, growth, goals, the shape of its JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.eyes import Eyes, Raft
from tests.benchmarks.figures import (
    DOWN,
    LEADS,
    UP,
    Goal,
    Line,
    Outage,
    exponent,
    goals,
    goals_table,
    growth_of,
    longest_gap,
    settled,
    sizes_table,
    ways_table,
)
from tests.benchmarks.strategies import SCHEMA, whole


def fed(*answers: tuple[float, str]) -> Line:
    line = Line()
    for at, state in answers:
        line.feed(at, state, "10.0.0.1" if state == LEADS else "")
    return line


def test_an_outage_lasts_from_the_last_good_answer_to_the_first_that_names_a_leader() -> None:
    line = fed((1.0, LEADS), (1.1, DOWN), (2.0, DOWN), (2.1, UP), (2.5, LEADS), (2.6, DOWN), (2.7, LEADS))
    assert line.outages == [Outage(1.0, 2.5, "10.0.0.1"), Outage(2.5, 2.7, "10.0.0.1")]
    assert line.longest(0.0, 9.0) == line.outages[0]
    assert line.longest(2.0, 9.0) == line.outages[1]
    assert line.longest(3.0, 9.0) is None


def test_what_goes_away_again_before_it_named_a_leader_was_away_all_the_time() -> None:
    assert fed((1.0, LEADS), (1.1, DOWN), (2.0, UP), (3.0, DOWN), (4.0, LEADS)).outages == [Outage(1.0, 4.0, "10.0.0.1")]


def test_before_the_first_good_answer_nothing_is_an_outage_and_without_a_leader_it_is_none() -> None:
    assert fed((0.0, DOWN), (1.0, LEADS), (2.0, UP), (3.0, LEADS)).outages == []


def test_an_outage_without_an_end_is_for_ever() -> None:
    (outage,) = fed((1.0, LEADS), (1.1, DOWN)).outages
    assert outage.seconds == math.inf


@pytest.mark.parametrize(
    ("changes", "since", "until", "found"),
    [
        ([(0.0, True)], 5.0, 20.0, 5.0),
        ([(0.0, True), (6.0, False), (9.0, True)], 5.0, 20.0, 9.0),
        ([(0.0, True), (9.0, False), (10.0, True)], 5.0, 20.0, 5.0),
        ([(0.0, False)], 5.0, 20.0, None),
        ([(0.0, False), (19.0, True)], 5.0, 20.0, 19.0),
        ([(0.0, True), (4.0, False)], 5.0, 20.0, None),
    ],
    ids=["all-along", "an-old-judgement", "quiet-enough", "never", "to-the-end", "before"],
)
def test_healthy_is_what_stays_so(changes: list[tuple[float, bool]], since: float, until: float, found: float | None) -> None:
    assert settled(changes, since, until) == found


def test_the_longest_gap_counts_both_ends() -> None:
    assert longest_gap([1.0, 2.0, 5.0, 30.0], 0.0, 7.0) == 3.0
    assert longest_gap([], 2.0, 6.5) == 4.5
    assert longest_gap([1.0], 0.0, 9.0) == 8.0


@given(st.floats(0.1, 1e4), st.floats(-1.0, 3.0), st.sets(st.integers(2, 200), min_size=2, max_size=6))
def test_the_exponent_of_a_power_is_found(factor: float, power: float, sizes: set[int]) -> None:
    found = exponent({size: factor * size**power for size in sizes})
    assert found == pytest.approx(power, abs=1e-6)


def test_no_growth_is_told_of_one_size_or_of_nothing() -> None:
    assert exponent({3: 1.0}) is None
    assert exponent({3: 0.0, 9: 1.0}) is None


def make_way(*away: float, **figures: float) -> dict[str, Any]:
    """Return a way with these absences; the last node leads."""
    roles = ["follower"] * (len(away) - 1) + ["leader"]
    quiet = {"failed_writes": 0, "configurations": 0, "failures": 0}
    nodes = [
        {"node": f"n{place}", "role": role, "away_s": seconds, "healthy_s": seconds, "write_gap_s": 0.1}
        | quiet
        | {"elections": int(role == "leader")}
        for place, (role, seconds) in enumerate(zip(roles, away, strict=True))
    ]
    return {"nodes": nodes, "total_s": 100.0, **figures}


def ways() -> dict[str, Any]:
    return {
        "replace": make_way(40.0, 40.0, 41.0, total_s=180.0),
        "plain": make_way(50.0, 50.0, 60.0, total_s=200.0),
        "swap": make_way(2.0, 2.0, 3.0),
        "floor": make_way(1.6, 1.6, 3.0),
    }


def bare() -> list[dict[str, Any]]:
    cost = {"seconds": 50.0, "terraform_runs": 3.0, "aws_calls": 70.0, "cpu_s": 9.0}
    return [
        {"strategy": strategy, "size": size, "node": cost, "before": {**cost, "aws_calls": 10.0 * size}, "peak_mb": 400.0}
        for strategy in ("replace", "swap")
        for size in (3, 9)
    ]


def test_goals_are_ratios_of_one_run() -> None:
    found = {goal.name: goal for goal in goals(ways(), growth_of(bare()))}
    assert (found["away: swap / plain"].figure, found["away: swap / plain"].met) == (0.04, True)
    assert found["away: swap / floor"].figure == 1.25
    assert found["total: replace / plain"].figure == 0.9
    assert found["swap, leader: elections"].met
    assert found["growth, swap: aws_calls"].figure == pytest.approx(0.0)
    assert all(goal.met for goal in found.values())


@pytest.mark.parametrize(
    ("role", "name"),
    [("follower", "elections"), ("follower", "failed_writes"), ("follower", "failures"), ("leader", "configurations")],
)
def test_one_node_that_is_missed_is_enough(role: str, name: str) -> None:
    measured = ways()
    node = next(node for node in measured["swap"]["nodes"] if node["role"] == role)
    node[name] = 2
    assert [goal.name for goal in goals(measured, {}) if goal.met is False] == [f"swap, {role}: {name}"]


def test_what_was_not_measured_is_no_goal_met() -> None:
    assert {goal.met for goal in goals({}, {})} == {None}
    assert "not measured" in goals_table(goals({}, {}))
    assert Goal("x", 0.2, 0.1).met is False


def test_a_node_that_never_came_back_fails_a_goal_and_is_no_measure_for_another() -> None:
    measured = ways()
    for node in measured["swap"]["nodes"][:2]:
        node["away_s"] = None
    found = {goal.name: goal for goal in goals(measured, {})}
    assert (found["away: swap / plain"].figure, found["away: swap / plain"].met) == (math.inf, False)
    measured["floor"] = measured["swap"]
    assert {goal.name: goal for goal in goals(measured, {})}["away: swap / floor"].met is None


def test_tables_are_aligned_and_say_what_never_came() -> None:
    measured = ways()
    measured["plain"]["nodes"][0]["away_s"] = measured["plain"]["nodes"][1]["away_s"] = None
    lines = ways_table(measured).splitlines()
    assert [line.split()[0] for line in lines] == ["way", *measured]
    assert "never / 60" in lines[2]
    assert len({len(line) for line in sizes_table(bare()).splitlines()}) == 1


def test_what_is_written_fits_the_schema() -> None:
    found = json.loads(json.dumps(whole(ways(), bare(), (1.0, 2.0))))
    jsonschema.validate(found, SCHEMA)
    del found["ways"]["swap"]["nodes"][0]["away_s"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, SCHEMA)


def watched() -> Eyes:
    """Return what was seen of two nodes: b went at 5, a at 20, which led."""
    eyes = Eyes({"a": "10.0.0.1", "b": "10.0.0.2"}, {"a": Line(), "b": fed((5.0, LEADS), (5.1, DOWN), (7.0, LEADS))})
    eyes.lines["a"] = fed((20.0, LEADS), (20.1, DOWN), (22.0, LEADS))
    eyes.health += [(0.0, True), (7.5, False), (9.0, True), (20.5, False), (25.0, True)]
    eyes.raft += [Raft(0.0, 2, 1, frozenset()), Raft(20.5, 3, 1, frozenset()), Raft(24.0, 4, 9, frozenset({"a"}))]
    eyes.acknowledged += [float(at) for at in range(31) if at not in {21, 22}]
    eyes.refused += [21.5]
    return eyes


def test_each_node_has_what_happened_from_the_one_before_it_until_it_is_healthy() -> None:
    assert watched().rows(1.0, 30.0) == [
        {"node": "b", "role": "follower", "away_s": 2.0, "healthy_s": 4.0, "write_gap_s": 1.0, "failed_writes": 0}
        | {"elections": 0, "configurations": 0, "failures": 0},
        {"node": "a", "role": "leader", "away_s": 2.0, "healthy_s": 5.0, "write_gap_s": 3.0, "failed_writes": 1}
        | {"elections": 2, "configurations": 1, "failures": 1},
    ]


def test_who_handed_over_before_the_stop_led_all_the_same() -> None:
    """With a transfer of the leadership nobody finds the node leading when it stops; the election is its own."""
    eyes = watched()
    eyes.lines["b"].outages = [Outage(5.0, 7.0, "10.0.0.1")]
    eyes.raft[:] = [Raft(0.0, 2, 1, frozenset(), "10.0.0.2"), Raft(4.0, 3, 1, frozenset(), "10.0.0.1")]
    first = eyes.rows(1.0, 30.0)[0]
    assert (first["node"], first["role"], first["elections"]) == ("b", "leader", 1)


def test_a_node_that_never_came_back_has_no_time() -> None:
    eyes = watched()
    eyes.lines["a"].outages = [Outage(20.0, None)]
    assert [(row["away_s"], row["healthy_s"]) for row in eyes.rows(1.0, 30.0)] == [(2.0, 4.0), (None, None)]
