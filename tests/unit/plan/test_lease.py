"""Decisions about leases: when one may be taken, how long one may be believed in, and that nothing is guessed into an object."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.lease import Standing
from immtf.plan.lease import freed, judge_lease, lasts_until, lease_text, parse_lease, pause_s, renewed, taken_after
from tests.fakes.leases import make_record


@pytest.mark.parametrize(
    ("record", "unchanged_s", "standing"),
    [
        (None, 9e9, Standing.UNREADABLE),
        (make_record("other"), 0, Standing.HELD),
        (make_record("other"), 59.9, Standing.HELD),
        (make_record("other"), 60, Standing.DEAD),
        (make_record("other", ttl_s=3600), 3599, Standing.HELD),
        (make_record("other", free=True), 0, Standing.FREE),
        (make_record("me"), 0, Standing.OURS),
        (make_record("me", free=True), 0, Standing.FREE),
    ],
)
def test_what_a_lease_is_to_one_who_wants_it(record: object, unchanged_s: float, standing: Standing) -> None:
    """F11: the holder's own time-to-live counts, whatever the waiter's is."""
    assert judge_lease(record, "me", unchanged_s) is standing  # type: ignore[arg-type]  # a record or None


@given(sent=st.floats(0, 1e6), delay=st.floats(0, 1e4), skew=st.floats(-1e9, 1e9), ttl_s=st.floats(3, 3600))
def test_the_holder_stops_believing_before_the_waiter_begins(sent: float, delay: float, skew: float, ttl_s: float) -> None:
    """F48: whatever the clocks read, and however long the write was under way: a renewal is read after it was sent."""
    read_at = sent + delay
    waiter_takes_at = (read_at + skew) + ttl_s  # on the waiter's clock
    assert waiter_takes_at - skew > lasts_until(sent, ttl_s)
    assert sent + pause_s(ttl_s) * 2 < lasts_until(sent, ttl_s), "two renewals may fail"


def test_a_generation_grows_with_each_change_of_hands_and_no_content_repeats() -> None:
    first = taken_after(None, make_record("a"))
    texts = [lease_text(record) for record in (first, renewed(first), renewed(renewed(first)), freed(renewed(renewed(first))))]
    assert len(set(texts)) == len(texts)
    second = taken_after(freed(first), make_record("b", beat=7, free=True))
    assert (first.generation, second.generation, second.beat, second.free) == (1, 2, 0, False)


def test_a_record_is_read_as_it_was_written() -> None:
    record = make_record("a", generation=3, beat=9)
    assert parse_lease(lease_text(record)) == record
    assert str(record.holder) == "run a (upgrade) of eve@a-host, pid 4711, since 2026-01-02 03:04:05 UTC"
    whole = json.loads(lease_text(record)) | {"ttl_s": 60}
    assert parse_lease(json.dumps(whole)) == record


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"free": "false"},
        {"ttl_s": "60"},
        {"ttl_s": float("nan")},
        {"ttl_s": 1e9},
        {"ttl_s": 0},
        {"generation": True},
        {"holder": None},
        {"holder": {}},
        {"token": None},
    ],
)
def test_what_this_version_would_not_write_is_not_read(change: dict[str, object]) -> None:
    """Unknown is never taken for free."""
    assert parse_lease(json.dumps(json.loads(lease_text(make_record())) | change)) is None


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}", '"held"'])
def test_nonsense_is_not_read(text: str) -> None:
    assert parse_lease(text) is None


def test_records_are_values() -> None:
    assert replace(make_record(), beat=1) == renewed(make_record())
