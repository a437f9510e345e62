from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from immtf.report.page.compare import Compared, as_json, cells, compared
from immtf.report.page.fold import account_of
from tests.unit.report.examples import EXAMPLES, make_run
from tests.unit.report.page.runs import large, real, timed

A = account_of(make_run(), "a")
B = account_of(large(2, gates=2), "b")


def test_figures_of_both_or_either_with_difference_and_ratio() -> None:
    found = {row[0]: row[1:] for row in cells(compared(A, B))}
    assert found["outcome"] == ("done", "done", "-", "-")
    assert found["duration"] == ("3 m 20 s", "1 m 40 s", "-1 m 40 s", "0.50")
    assert found["AWS calls"] == ("412", "7", "-405", "0.02")
    assert found["writes lost"] == ("0", "0", "0", "-")
    assert found["step apply node, all"] == ("12 s", "1.0 s", "-11 s", "0.08")
    assert found["step gates after, all"] == ("3.0 s", "-", "-", "-")
    assert found["away server/000"] == ("-", "4.0 s", "-", "-")
    assert found["gates asked"] == ("3", "4", "+1", "1.33")


def test_a_run_beside_itself_differs_in_nothing() -> None:
    rows = compared(real("upgraded"), real("upgraded"))
    assert {row.difference for row in rows} <= {0, None}
    assert {row.ratio for row in rows} <= {1, None}
    assert len(rows) > 40


def test_a_run_that_has_no_end_tells_what_it_can() -> None:
    found = {row[0]: row[1:] for row in cells(compared(real("killed"), account_of([], "x")))}
    assert found["outcome"] == ("unfinished", "unfinished", "-", "-")
    assert "duration" not in found
    assert found["stage nodes, all"][0] == "1 m 56 s"


def test_a_run_without_writes_has_none() -> None:
    found = {row[0]: row for row in cells(compared(real("blocks"), real("upgraded")))}
    assert found["writes acknowledged"][1:] == ("-", "2,817", "-", "-")
    assert found["block consul"][1] == "6.6 s"


def test_as_data_it_has_every_digit() -> None:
    data = json.loads(json.dumps(as_json(A, B, compared(A, B))))
    row = next(row for row in data["rows"] if row["what"] == "duration")
    assert row == {"what": "duration", "unit": "s", "a": 200.0, "b": 100.0, "difference": -100.0, "ratio": 0.5}
    assert (data["a"]["run"], data["b"]["command"]) == ("a", "upgrade")


def test_a_block_and_a_halt_are_figures_too() -> None:
    found = {row.what for row in compared(account_of(timed(EXAMPLES), "a"), account_of(timed(EXAMPLES[:-1]), "b"))}
    assert {"block etcd", "outcome"} <= found


NUMBERS = st.none() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS)
def test_whatever_the_numbers_it_can_be_written(a: float | None, b: float | None) -> None:
    row = Compared("x", "number", a, b)
    json.dumps([row.difference, row.ratio], allow_nan=False)
    assert len(cells([row])[0]) == 5
