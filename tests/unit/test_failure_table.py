"""docs/failure-modes.md says of every failure mode which test makes it happen; it may neither promise too much nor forget one."""

from __future__ import annotations

from tests.failure_table import REPOSITORY, ROW, TABLE, filled, shown_by

EVERY = [*(f"F{number}" for number in range(1, 51)), "S1", "S2"]


def rows() -> dict[str, str]:
    return {found[1]: line for line in TABLE.read_text().splitlines() if (found := ROW.match(line))}


def test_every_failure_mode_has_its_row() -> None:
    assert sorted(rows()) == sorted(EVERY)


def test_every_failure_mode_is_shown_by_a_test_or_said_to_be_open() -> None:
    tests = shown_by(REPOSITORY / "tests")
    assert [number for number in EVERY if number not in tests and "not built yet" not in rows()[number]] == []


def test_the_table_is_what_the_tests_say() -> None:
    assert TABLE.read_text() == filled(TABLE.read_text(), shown_by(REPOSITORY / "tests")), "run `python -m tests.failure_table`"


def test_a_docstring_s_numbers_are_found_and_nothing_else() -> None:
    tests = shown_by(REPOSITORY / "tests")
    assert set(tests) <= set(EVERY)
    assert "lab/test_killed.py::test_killed_with_its_terraform" in tests["F7"]
