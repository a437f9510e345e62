"""A gate's memory: passes in a row over a minimum of time, flaps, and the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immtf.model.verdict import Verdict
from immtf.plan.streak import Streak

YES, NO = Verdict(held=True, reason=""), Verdict(held=False, reason="no")


def fed(streak: Streak, answers: str) -> Streak:
    """Feed one answer a second: `+` has held."""
    for second, answer in enumerate(answers):
        streak.count(YES if answer == "+" else NO, second, second)
    return streak


def test_passes_alone_are_not_enough_before_the_minimum_time() -> None:
    """F31."""
    streak = Streak(3, 60, 0.0, healthy_for_s=5)
    assert [fed(Streak(3, 60, 0.0, healthy_for_s=5), "+" * count).passes for count in range(1, 8)] == [1, 2, 2, 2, 2, 3, 4]
    assert not fed(streak, "+++++").enough
    assert fed(Streak(3, 60, 0.0, healthy_for_s=5), "++++++").enough


def test_one_pass_is_enough_where_one_is_wanted_and_no_time() -> None:
    assert fed(Streak(1, 60, 0.0), "+").enough
    assert not fed(Streak(1, 60, 0.0, healthy_for_s=1), "+").enough
    assert fed(Streak(1, 60, 0.0, healthy_for_s=1), "++").enough


def test_a_flap_starts_both_counts_again_and_is_counted() -> None:
    """F31."""
    streak = fed(Streak(3, 60, 0.0, healthy_for_s=5), "-++++-++++-+++")
    assert (streak.enough, streak.flaps, streak.since) == (False, 2, 11.0)
    assert streak.flapped == "; it held 2 times and fell again"
    assert fed(Streak(3, 60, 0.0), "-+-").flapped == "; it held 1 time and fell again"
    assert fed(Streak(3, 60, 0.0), "--").flapped == ""


def test_what_is_slow_and_on_its_way_puts_the_limit_off_for_so_long_and_no_longer() -> None:
    """F22."""
    slow = Verdict(held=False, reason="fsck runs", patience_s=1200)
    streak = Streak(3, 60, 100.0)
    assert streak.deadline == 160
    for second in range(100, 1500, 10):
        streak.count(slow, second, second)
    assert streak.deadline == 1290 + 60


@given(st.text("+-", min_size=1, max_size=60), st.integers(1, 5), st.integers(0, 9))
def test_enough_is_so_many_in_a_row_for_so_long(answers: str, needed: int, healthy_for_s: int) -> None:
    """F31: whatever came before."""
    streak = fed(Streak(needed, 60, 0.0, healthy_for_s=healthy_for_s), answers)
    row = len(answers) - len(answers.rstrip("+"))
    assert streak.enough is (row >= needed and row - 1 >= healthy_for_s)
    assert streak.flaps == answers.count("+-")
