from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.block_events import BlockEvent, BlockTold
from immtf.model.event_record import event_name, to_record
from immtf.model.events import Event, Noted, PlanMade, RunFinished, RunStarted
from immtf.report.record import EVENTS, RecordRefused, encode, fields_of, masked, stamp, to_event
from tests.unit.report.examples import EXAMPLES, START, make_plan_row


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Generate values of a field's type as it stands in the dataclass."""
    scalars: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=12),
        int: st.integers(-(10**9), 10**9),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    if hint in scalars:
        return scalars[hint]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if typing.get_origin(hint) is Mapping:
        return st.dictionaries(values(str), values(arguments[1]), max_size=3)
    if hint == Event:  # what is told of a block is none of those about many
        return st.sampled_from([kind for kind in EVENTS.values() if kind not in typing.get_args(BlockEvent)]).flatmap(events_of)
    if arguments:
        return st.one_of([values(argument) for argument in arguments])
    return events_of(hint)


def events_of(kind: Any) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: values(hint) for name, hint in fields_of(kind).items()})


ANY_EVENT = st.sampled_from(list(EVENTS.values())).flatmap(events_of)


@given(event=ANY_EVENT, second=st.integers(0, 10**9))
def test_what_is_written_is_read_back_as_the_same_event(event: Any, second: int) -> None:
    at = START + timedelta(seconds=second)
    line = encode(to_record(event, run="r", seq=1, at=stamp(at)))
    assert "\n" not in line
    assert to_event(json.loads(line)) == (event, at)


def test_every_event_is_known_by_its_name_and_has_an_example() -> None:
    assert {event_name(event) for event in EXAMPLES} == set(EVENTS)
    assert EVENTS["run_finished"] is RunFinished


def test_fields_and_events_of_a_newer_minor_version_are_passed_over() -> None:
    record = to_record(EXAMPLES[0], run="r", seq=1, at=stamp(START)) | {"mood": "good"}
    assert to_event(record) == (EXAMPLES[0], START)
    assert to_event(record | {"event": "node_sang"}) is None


def test_fields_with_defaults_may_be_absent() -> None:
    """A journal of an older minor version lacks what came later."""
    record = to_record(EXAMPLES[-1], run="r", seq=1, at=stamp(START))
    del record["aws_api_calls"]
    found = to_event(record)
    assert found is not None
    assert isinstance(found[0], RunFinished)
    assert found[0].aws_api_calls == 0


@pytest.mark.parametrize("version", [2, "1", None])
def test_a_newer_major_version_is_refused_in_words(version: object) -> None:
    record = to_record(EXAMPLES[0], run="r", seq=1, at=stamp(START)) | {"v": version}
    with pytest.raises(RecordRefused, match=f"version {version}, and this immtf reads up to 1") as refused:
        to_event(record)
    assert "newer" in refused.value.next


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "noted", "level": "info"},
        {"event": "noted", "level": "info", "message": 3},
        {"event": "stage_finished", "stage": "nodes", "seconds": True},
        {"event": "plan_made", "rows": ["x"], "shared": [], "image": ""},
        {"event": "noted", "level": "info", "message": "m", "at": "noon"},
    ],
)
def test_a_record_that_is_not_its_event_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecordRefused, match=f"not a `{wrong['event']}`"):
        to_event({"v": 1, "seq": 1, "at": stamp(START), "run": "r"} | wrong)


def test_a_number_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(RecordRefused, match="event probe"):
        encode({"event": "probe", "gap_s": float("inf")})


def test_moments_are_written_in_utc_with_milliseconds() -> None:
    at = datetime(2026, 11, 21, 10, 0, 0, 5000, tzinfo=timezone(timedelta(hours=1)))
    assert stamp(at) == "2026-11-21T09:00:00.005Z"
    assert stamp(at.astimezone(UTC)) == stamp(at)


class TestMasked:
    """F49: secrets are masked everywhere."""

    def test_secrets_go_from_every_text_however_deep(self) -> None:
        plan = PlanMade((make_plan_row(why="token s3cr3t-token"),), ("x.s3cr3t-token",), "s3cr3t-token")
        assert "s3cr3t" not in repr(masked(plan, ["s3cr3t-token"]))
        assert masked(plan, ["s3cr3t-token"]).rows[0].why == "token •••"
        end = dataclasses.replace(RunFinished("done", 0, 0, None, None, None), away_s={"s3cr3t-token": 1.0})
        assert masked(end, ["s3cr3t-token"]).away_s == {"•••": 1.0}

    def test_a_secret_within_another_leaves_no_rest(self) -> None:
        assert masked(Noted("info", "abcdefghi"), ["abcdef", "abcdefghi"]).message == "•••"

    def test_short_texts_are_no_secrets_and_other_events_stay_the_same_object(self) -> None:
        event = RunStarted("upgrade", "b", "1", "e", "lab", "w")
        assert masked(event, ["lab", ""]) is event
        assert masked(event, ["unseen-secret"]) == event


def test_what_a_block_told_in_a_newer_version_is_passed_over() -> None:
    record = to_record(BlockTold("etcd", Noted("info", "x")), run="r", seq=1, at=stamp(START))
    assert record["told"] == {"event": "noted", "level": "info", "message": "x"}
    assert to_event(record | {"told": {"event": "moon_rose"}}) is None
    for told in (None, {}, {"event": 7}, {"event": "noted"}):
        with pytest.raises(RecordRefused, match="not a `block_told`"):
            to_event(record | {"told": told})
