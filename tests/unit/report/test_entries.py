from __future__ import annotations

import pytest

from immtf.model.event_record import event_name
from immtf.model.events import PlanJudged
from immtf.report.entries import _entry, entry, mark, spoken
from tests.unit.report.examples import EXAMPLES, INSTANCE, NODE, make_gate, make_told


@pytest.mark.parametrize("event", EXAMPLES, ids=event_name)
def test_every_event_has_words_in_one_line(event: object) -> None:
    told = entry(event)  # type: ignore[arg-type]  # each is an event
    assert told.subject
    assert "\n" not in told.words
    assert len(mark(told.sort)) == 1


def test_what_is_no_event_is_refused() -> None:
    with pytest.raises(TypeError, match="str is no event"):
        _entry("x")


def test_addresses_are_written_within_their_module() -> None:
    assert entry(make_told("apply_start", message=f"{INSTANCE}: Creating...")).words == "aws_instance.this: Creating..."
    assert entry(PlanJudged(NODE, "plan", (f"{INSTANCE}: replace",))).words == "1 change: aws_instance.this: replace"
    assert entry(PlanJudged(NODE, "plan", ())).words == "no change"
    assert entry(make_told("log", address="", message="the state was put back")).words == "the state was put back"


def test_names_are_spoken() -> None:
    assert [spoken("HandOver"), spoken("hand_over"), spoken("StopNode2Now"), spoken("nothing_to_do")] == [
        "hand over",
        "hand over",
        "stop node2 now",
        "nothing to do",
    ]


def test_a_gate_is_done_only_with_enough_passes_in_a_row() -> None:
    assert [entry(make_gate(held=held, passes=passes)).sort for held, passes in ((True, 3), (True, 2), (False, 3))] == [
        "done",
        "wait",
        "wait",
    ]
