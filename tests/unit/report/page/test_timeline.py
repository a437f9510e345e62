from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.report.page.account import Account, NodeLine, Phase, Streak, Writes
from immtf.report.page.fold import account_of
from immtf.report.page.timeline import GUTTER, PLOT, WIDTH, draw, gaps
from tests.unit.report.page.runs import REAL, large, real

if TYPE_CHECKING:
    from immtf.report.page.timeline import Timeline, Word

SECONDS = st.floats(0, 1e9, allow_nan=False) | st.floats(0, 100)
OWNERS = st.sampled_from(["", "server/a", "server/b", "etcd server/a", "x" * 80])
PHASES = st.builds(
    Phase, st.sampled_from(["stage", "step", "block"]), OWNERS, st.text(max_size=30), SECONDS, SECONDS, st.sampled_from(["done", "halted"])
)
REPORTS = st.builds(Writes, OWNERS, SECONDS, st.integers(0, 10**6), st.just(0), SECONDS, SECONDS)
LINES = st.builds(
    NodeLine, OWNERS, st.sampled_from(["done", "halted"]), st.none() | SECONDS, st.none() | SECONDS, st.none() | SECONDS, st.just("")
)
STREAKS = st.builds(Streak, OWNERS, SECONDS, SECONDS, st.booleans(), st.integers(1, 9))


def words(picture: Timeline) -> list[Word]:
    lanes = [word for lane in picture.lanes for word in lane.words]
    return [*(word for _, word in picture.ticks), *lanes, *(word for _, word in picture.key)]


def overlap(a: Word, b: Word) -> bool:
    (left, upper, right, lower), (left2, upper2, right2, lower2) = a.box, b.box
    return left < right2 - 1e-6 and left2 < right - 1e-6 and upper < lower2 - 1e-6 and upper2 < lower - 1e-6


def assert_readable(picture: Timeline) -> None:
    found = words(picture)
    assert [(a, b) for a, b in combinations(found, 2) if overlap(a, b)] == []
    for word in found:
        assert -1e-6 <= word.x <= word.box[2] <= WIDTH + 1e-6, word
        assert 0 <= word.box[1] <= word.box[3] <= picture.height + 9, word
    for lane in picture.lanes:
        for bar in lane.bars:
            assert bar.x >= GUTTER - 1e-6
            assert bar.x + bar.width <= WIDTH, bar
            assert bar.y >= lane.y - 1e-6
            assert bar.y + bar.height <= lane.y + lane.height + 1e-6


@given(
    st.lists(PHASES, max_size=20),
    st.lists(REPORTS, max_size=8),
    st.lists(LINES, max_size=4, unique_by=lambda line: line.node),
    st.lists(STREAKS, max_size=6),
    SECONDS,
)
@settings(max_examples=60)
def test_no_text_lies_on_another_and_nothing_leaves_its_lane(
    phases: list[Phase], writes: list[Writes], nodes: list[NodeLine], streaks: list[Streak], told_s: float
) -> None:
    known = Account("r", told_s=told_s, phases=tuple(phases), writes=tuple(writes), nodes=tuple(nodes), streaks=tuple(streaks))
    assert_readable(draw(known))


@pytest.mark.parametrize("name", REAL)
def test_of_real_runs_neither(name: str) -> None:
    assert_readable(draw(real(name)))


def test_of_a_large_run_neither_and_each_node_has_a_lane() -> None:
    picture = draw(account_of(large(81, gates=20), "r"))
    assert_readable(picture)
    assert [lane.owner for lane in picture.lanes] == ["stages", *(f"server/{number:03}" for number in range(81)), "writes"]


def test_boxes_stand_where_their_time_is() -> None:
    known = Account("r", told_s=100.0, phases=(Phase("step", "server/a", "stop node", 25.0, 50.0),))
    (bar,) = draw(known).lanes[0].bars
    assert (bar.x, bar.width) == pytest.approx((GUTTER + PLOT / 4, PLOT / 2))
    (half,) = draw(known, total_s=200.0).lanes[0].bars
    assert (half.x, half.width) == pytest.approx((GUTTER + PLOT / 8, PLOT / 4))


def test_steps_at_the_same_time_stand_above_each_other() -> None:
    """A gate may be watched while Terraform still waits."""
    phases = (Phase("step", "server/a", "apply node", 0.0, 50.0), Phase("step", "server/a", "settle node", 40.0, 60.0))
    first, second = draw(Account("r", told_s=100.0, phases=phases)).lanes[0].bars
    assert second.y >= first.y + first.height


def test_a_box_without_room_for_a_name_bears_its_number_and_the_key_says_which() -> None:
    phases = (Phase("step", "a", "stop node", 0.0, 2.0), Phase("step", "a", "apply node", 2.0, 90.0, "halted"))
    picture = draw(Account("r", told_s=100.0, phases=phases))
    assert [word.text for word in picture.lanes[0].words] == ["a", "1", "✗ apply node 1 m 30 s"]
    assert [word.text for _, word in picture.key] == ["1 stop node", "2 apply node"]


def test_ticks_are_even_and_few() -> None:
    for told_s in (0.0, 3.0, 290.0, 3600.0, 86_400.0, 1e12):
        ticks = draw(Account("r", told_s=told_s)).ticks
        assert 1 <= len(ticks) <= 10
        assert len({round(b - a, 3) for (a, _), (b, _) in pairwise(ticks)}) <= 1


class TestGaps:
    def found(self, *reports: tuple[float, float, float]) -> list[tuple[float, float, float]]:
        told = [Writes("", at_s, 0, 0, gap_s, since_s) for at_s, gap_s, since_s in reports]
        return [(gap.since_s, gap.until_s, gap.seconds) for gap in gaps(told)]

    def test_one_that_grew_lies_between_the_last_write_before_and_the_first_after(self) -> None:
        assert self.found((10.0, 0.1, 0.5), (12.0, 1.5, 0.25)) == [(9.5, 11.75, 1.5)]

    def test_short_ones_are_the_pace(self) -> None:
        assert self.found((10.0, 0.1, 0.0), (12.0, 0.4, 0.0)) == []

    def test_one_that_goes_on_is_one(self) -> None:
        assert self.found((10.0, 0.1, 0.0), (13.0, 0.1, 3.0), (15.0, 0.1, 5.0), (17.0, 6.5, 0.5)) == [(10.0, 16.5, 6.5)]

    def test_every_one_is_there_and_not_only_the_longest(self) -> None:
        told = [Writes("", 10.0, 9, 0, 3.0, 0.1, 3.0), Writes("", 12.0, 9, 0, 3.0, 0.1, 0.2), Writes("", 14.0, 9, 0, 3.0, 0.5, 1.5)]
        assert [(gap.since_s, gap.until_s, gap.seconds) for gap in gaps(told)] == [(0.0, 9.9, 3.0), (11.9, 13.5, 1.5)]

    def test_one_that_goes_on_through_several_reports_is_one(self) -> None:
        told = [Writes("", 10.0, 9, 0, 0.1, 0.0, 0.1), Writes("", 12.0, 9, 0, 2.0, 2.0, 2.0), Writes("", 14.0, 9, 0, 3.5, 0.5, 3.5)]
        assert [(gap.since_s, gap.until_s, gap.seconds) for gap in gaps(told)] == [(10.0, 13.5, 3.5)]

    def test_each_client_has_its_own(self) -> None:
        told = [Writes("a", 1.0, 0, 0, 5.0, 0.0), Writes("b", 2.0, 0, 0, 4.0, 0.0), Writes("a", 3.0, 0, 0, 5.0, 0.0)]
        assert [(gap.owner, gap.seconds) for gap in gaps(told)] == [("a", 5.0), ("b", 4.0)]


def test_a_key_of_many_steps_takes_several_lines() -> None:
    phases = tuple(Phase("step", "a", f"a step with a long name {number}", number, 1.0) for number in range(20))
    picture = draw(Account("r", told_s=20.0, phases=phases))
    assert len({word.y for _, word in picture.key}) > 2
    assert_readable(picture)
