from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from immtf.lab.gateway.filters import Filter, fits_all, take_out

ROW = ET.fromstring("<item><state>running</state><disk><status>attached</status></disk><disk><status>detaching</status></disk></item>")  # noqa: S314 - a literal
PATHS = {"state": "state", "disk": "disk/status"}


def test_held_filters_are_taken_out_and_the_rest_is_numbered_anew() -> None:
    form = {
        "Action": "DescribeInstances",
        "Filter.1.Name": "instance-state-name",
        "Filter.1.Value.1": "running",
        "Filter.1.Value.2": "stopped",
        "Filter.2.Name": "vpc-id",
        "Filter.2.Value.1": "vpc-1",
        "MaxResults": "5",
    }
    rest, taken = take_out(form, {"instance-state-name"})
    assert rest == {"Action": "DescribeInstances", "MaxResults": "5", "Filter.1.Name": "vpc-id", "Filter.1.Value.1": "vpc-1"}
    assert taken == [Filter("instance-state-name", ("running", "stopped"))]


def test_a_filter_holds_if_any_value_fits_any_text() -> None:
    assert fits_all(ROW, [Filter("state", ("pending", "run*")), Filter("disk", ("detaching",))], PATHS)
    assert not fits_all(ROW, [Filter("state", ("running",)), Filter("disk", ("attaching",))], PATHS)
    assert fits_all(ROW, [], PATHS)
    assert not fits_all(ROW, [Filter("state", ())], PATHS)


def test_only_star_and_question_mark_are_wildcards() -> None:
    assert Filter("state", ("r?nning",)).holds(ROW, "state")
    assert not Filter("state", ("[r]unning",)).holds(ROW, "state")
    assert not Filter("state", ("unning",)).holds(ROW, "state")


@given(st.text(alphabet="ab*?[.", max_size=6), st.text(alphabet="ab.", max_size=6))
def test_a_pattern_without_wildcards_is_itself(pattern: str, shown: str) -> None:
    row = ET.Element("item")
    row.text = shown
    if not re.search(r"[*?]", pattern):
        assert Filter("x", (pattern,)).holds(row, ".") == (pattern == shown)
    assert Filter("x", ("*",)).holds(row, ".")
