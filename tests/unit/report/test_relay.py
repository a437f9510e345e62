"""What a container says becomes events of this run."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from immtf.model import events as e
from immtf.model.event_record import to_record
from immtf.report.record import encode, stamp
from immtf.report.relay import LONGEST, MARK, MOST_TEXTS, Relay

AT = stamp(datetime(2026, 1, 1, tzinfo=UTC))
FINISHED = e.RunFinished("halted", 0, 0, None, None, None, duration_s=55.4, exit_code=20)


def line(event: e.Event) -> str:
    return encode(to_record(event, run="r", seq=1, at=AT))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (e.RunStarted("create", "consul", "1.0.0", "t-1", "lab", "eve@box"), "create of block consul 1.0.0, by eve@box"),
        (FINISHED, "halted with exit code 20 after 55 s"),
        (e.RunHalted("no quorum", "server", "all is safe", "", 20), "server: no quorum; all is safe"),
        (e.RunHalted("no quorum", "", "all is safe", "", 20), "no quorum; all is safe"),
        (e.Noted("info", "hello"), "hello"),
    ],
    ids=["started", "finished", "halted", "halted nowhere", "noted"],
)
def test_what_is_of_the_other_run_is_a_note(event: e.Event, told: str) -> None:
    found = Relay()(line(event))
    assert isinstance(found, e.Noted)
    assert found.message == MARK + told


def test_the_other_run_s_end_is_kept() -> None:
    relay = Relay()
    halted = e.RunHalted("no quorum", "server", "safe", "", 20)
    relay(line(halted))
    relay(line(FINISHED))
    assert (relay.halted, relay.finished) == (halted, FINISHED)


def test_what_is_of_nodes_is_passed_on_and_stages_are_marked() -> None:
    gate = e.GateAsked("server/a", "consul", True, "fine", 1, 3, 0.1, 60.0)
    assert Relay()(line(gate)) == gate
    assert Relay()(line(e.StageStarted("create", "all"))) == e.StageStarted("create", f"{MARK}all")
    assert Relay()(line(e.PlanMade((), (), ""))) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Traceback: \x1b[31mred\x1b[0m", "Traceback: red"),
        ("{", "{"),
        ('{"a": 1}', '{"a": 1}'),
        ("[" * 5, "[[[[["),
        ("{" * 100_000, "{" * LONGEST + "…"),
        (json.dumps({"v": 9, "event": "noted"}), "noted, its format has version 9, and this immtf reads up to 1"),
        (json.dumps({"v": 1, "event": "flown"}), "flown (this version of immtf doesn't know that event)"),
        (json.dumps({"v": 1, "event": "noted", "at": "x"}), "noted, not a `noted`: "),
    ],
    ids=["text", "brace", "other json", "brackets", "deep", "newer", "unknown", "broken"],
)
def test_what_is_no_event_is_told_as_text(text: str, told: str) -> None:
    found = Relay()(text)
    assert isinstance(found, e.Noted)
    assert found.message.startswith(MARK + told)


def test_nothing_is_told_of_an_empty_line() -> None:
    assert Relay()("") is None
    assert Relay()(" \x1b[0m ") is None


def test_a_flood_is_cut() -> None:
    relay = Relay()
    found = [relay(f"line {number}") for number in range(MOST_TEXTS + 50)]
    told = [event for event in found if event is not None]
    assert len(told) == MOST_TEXTS + 1
    assert told[-1] == e.Noted("warning", f"{MARK}more than {MOST_TEXTS} lines of text: the rest is not told")
    assert relay(line(FINISHED)) is not None
