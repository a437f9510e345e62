from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.model import events as e
from immtf.report.page.codec import FORMAT, as_data, as_script, from_data, from_page
from immtf.report.page.fold import account_of
from immtf.report.record import RecordRefused
from tests.unit.report.examples import EXAMPLES, START
from tests.unit.report.page.runs import HOSTILE, REAL, real, timed
from tests.unit.report.test_record import ANY_EVENT

KNOWN = account_of(timed(EXAMPLES), "r")


@pytest.mark.parametrize("name", REAL)
def test_a_real_run_is_read_back_as_it_was(name: str) -> None:
    assert from_data(json.loads(as_script(real(name))), "x") == real(name)


@given(st.lists(st.tuples(ANY_EVENT, st.integers(0, 10_000)), max_size=8))
@settings(max_examples=60)
def test_any_run_is_read_back_as_it_was(told: list[tuple[e.Event, int]]) -> None:
    known = account_of([(event, START + timedelta(seconds=second)) for event, second in told], "r")
    assert from_data(json.loads(as_script(known)), "x") == known


@given(st.lists(st.sampled_from(HOSTILE) | st.text(), min_size=1, max_size=5))
def test_no_text_ends_the_script_or_begins_markup(texts: list[str]) -> None:
    script = as_script(account_of(timed([e.Noted("warning", text) for text in texts]), "r"))
    assert not set("<>&\u2028\u2029") & set(script)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"immtf_report": FORMAT + 1}, "has format 2, and this immtf reads up to 1"),
        ({"immtf_report": None}, "holds no data of a run of immtf"),
        ({"told_s": "long"}, "'long' is none of float"),
        ({"told_s": float("nan")}, "nan is none of float"),
        ({"events": True}, "True is none of int"),
        ({"run": 7}, "7 is none of str"),
        ({"left_out": [3]}, "3 is none of str"),
        ({"phases": {"head": ["kind"], "rows": [["step"]]}}, "missing 4 required"),
        ({"phases": {"head": ["kind"], "rows": [["step", "more"]]}}, "longer than"),
        ({"phases": []}, "list indices"),
        ({"end": {"v": 1, "event": "run_halted", "what": "", "where": "", "safe": "", "next": "", "exit_code": 1}}, "not a RunFinished"),
        ({"end": {"v": 9, "event": "run_finished"}}, "version 9"),
        ({"blocks": [{"v": 1, "event": "no_such"}]}, "not a BlockEnded"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_somebody_else_wrote_is_refused_in_words(change: dict[str, Any], told: str) -> None:
    with pytest.raises(RecordRefused, match=told) as refused:
        from_data(as_data(KNOWN) | change, "page.html")
    assert refused.value.where == "page.html"


def test_fields_of_a_newer_version_are_passed_over() -> None:
    data = json.loads(as_script(KNOWN)) | {"mood": "good"}
    data["phases"]["head"].append("mood")
    data["phases"]["rows"] = [[*row, "good"] for row in data["phases"]["rows"]]
    assert from_data(data, "x") == KNOWN


def test_texts_that_somebody_else_wrote_are_cleaned() -> None:
    assert from_data(as_data(KNOWN) | {"block": "\u202eevil\n"}, "x").block == "U+202Eevil"


@pytest.mark.parametrize(
    "page", ["", "<p>hello</p>", '<script id="immtf-run">{</script>', '<script id="immtf-run">[]</script>', "[" * 9999]
)
def test_what_is_no_page_is_refused(page: str) -> None:
    with pytest.raises(RecordRefused, match=r"is no page of|holds no data"):
        from_page(page, "x")


def test_data_that_is_nested_without_end_is_refused() -> None:
    with pytest.raises(RecordRefused, match="is no page of"):
        from_page(f'<script id="immtf-run">{"[" * 200_000}</script>', "x")
