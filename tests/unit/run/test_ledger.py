"""The figures of a run."""

from __future__ import annotations

from immtf.run.ledger import Ledger


def test_away_is_from_the_first_moment_until_the_gates_held() -> None:
    ledger = Ledger(0.0)
    ledger.gone("server/a", 10.0)
    ledger.gone("server/a", 14.0)
    assert ledger.back("server/a", 57.3) == 47.3
    assert ledger.away_s == {"server/a": 47.3}


def test_a_node_that_never_was_away() -> None:
    ledger = Ledger(0.0)
    assert ledger.back("server/a", 5.0) == 0.0
    assert ledger.away_s == {}


def test_a_node_that_was_away_twice_was_away_for_both() -> None:
    ledger = Ledger(0.0)
    for start, end in ((10.0, 20.0), (30.0, 31.5)):
        ledger.gone("server/a", start)
        ledger.back("server/a", end)
    assert ledger.away_s == {"server/a": 11.5}


def test_a_streak_that_began_before_the_stop_makes_no_negative_time() -> None:
    ledger = Ledger(0.0)
    ledger.gone("server/a", 10.0)
    assert ledger.back("server/a", 9.0) == 0.0
