from __future__ import annotations

import pytest

from immtf.report.page.fold import account_of
from immtf.report.page.trim import ROOMS, Room, trimmed, trimmed_rows
from tests.unit.report.page.runs import REAL, large, real

SMALL = Room(20, 5, 6, 7, 8, 9)
LARGE = account_of(large(81, gates=12), "r")
AWAY = len(LARGE.streaks) - SMALL.streaks


@pytest.mark.parametrize("name", REAL)
def test_of_a_real_run_nothing_is_left_out(name: str) -> None:
    assert trimmed(real(name), ROOMS[0]) == real(name)


def test_what_is_left_out_is_said_with_its_number() -> None:
    found = trimmed(LARGE, SMALL)
    assert found.left_out == (
        "75 of 81 times away: the first 6 are here",
        "75 of 81 nodes: the first 6 are here",
        "2 of 7 phases' sums: those of 40 s and more are here, of the shortest the first",
        "238 of 243 gates: those of 11 s and more are here, of the shortest the first",
        "76 of 81 things skipped: the first 5 are here",
        "480 of 487 phases: those of 0.5 s and more are here, of the shortest the first",
        f"{AWAY} of {AWAY + 8} gates' answers in a row: those of 0.4 s and more are here, of the shortest the first",
        "73 of 81 reports of writes: those of the longest gaps are here",
        "17 texts cut after 20 signs",
    )


def test_the_figures_are_never_cut() -> None:
    found = trimmed(LARGE, SMALL)
    assert (found.asked, found.refused, found.events, found.told_s) == (LARGE.asked, LARGE.refused, LARGE.events, LARGE.told_s)
    assert found.end is not None
    assert LARGE.end is not None
    assert found.end.duration_s == LARGE.end.duration_s


def test_the_longest_phases_stay_in_their_order() -> None:
    assert "nodes" in {phase.name for phase in trimmed(LARGE, SMALL).phases}
    kept = trimmed(LARGE, ROOMS[3]).phases
    assert list(kept) == [phase for phase in LARGE.phases if phase in set(kept)]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: f"room {ROOMS.index(room)}")
def test_there_is_never_more_than_there_is_room_for(room: Room) -> None:
    found = trimmed(LARGE, room)
    assert len(found.phases) <= room.phases
    assert len(found.streaks) <= room.streaks
    assert len(found.nodes) <= room.nodes
    assert len(found.writes) <= 2 * room.writes
    assert {len(found.gates), len(found.skips), len(found.sums), len(found.problems)} <= set(range(room.rows + 1))


def test_rows_of_a_comparison_are_cut_and_that_is_said() -> None:
    rows = [("a" * 30, "1"), *[("b", "2")] * 6]
    found, said = trimmed_rows(rows, SMALL)
    assert found[0] == ("a" * 19 + "…", "1")
    assert said == ["2 of 7 figures compared: the first 5 are here", "1 text cut after 20 signs"]
