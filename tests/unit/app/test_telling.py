"""One event after the other to every listener, from several threads too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from immtf.app.telling import Teller, now
from immtf.model.events import Noted, StageFinished, StepFinished

if TYPE_CHECKING:
    from immtf.model.events import Event


def test_every_listener_hears_every_event_in_order_with_its_time() -> None:
    heard: list[tuple[str, Event, datetime]] = []
    tell = Teller([lambda event, at: heard.append(("first", event, at)), lambda event, at: heard.append(("second", event, at))])
    before = now()
    tell(Noted("info", "one"))
    tell(Noted("info", "two"))
    assert [(who, event) for who, event, _ in heard] == [
        (who, Noted("info", text)) for text in ("one", "two") for who in ("first", "second")
    ]
    times = [at for _, _, at in heard]
    assert before <= times[0] == times[1] <= times[2] == times[3] <= now()
    assert times[0].tzinfo is UTC


def test_a_listener_that_stops_the_run_is_before_those_that_only_show() -> None:
    """The journal is told first: what can't be written down must not be shown as done."""
    shown: list[Event] = []

    def journal(_event: Event, _at: datetime) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        Teller([journal, lambda event, _at: shown.append(event)])(Noted("info", "one"))
    assert shown == []


def test_events_of_several_threads_do_not_mix() -> None:
    inside, mixed = threading.Lock(), []

    def listener(_event: Event, _at: datetime) -> None:
        if not inside.acquire(blocking=False):
            mixed.append(1)
            return
        inside.release()

    tell = Teller([listener])

    def tell_often() -> None:
        for _ in range(200):
            tell(Noted("info", "x"))

    threads = [threading.Thread(target=tell_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mixed == []


def test_a_listener_may_tell_on() -> None:
    heard: list[str] = []

    def listener(event: Event, _at: datetime) -> None:
        assert isinstance(event, Noted)
        heard.append(event.message)
        if event.message == "one":
            tell(Noted("info", "two"))

    tell = Teller([listener])
    tell(Noted("info", "one"))
    assert heard == ["one", "two"]


def test_the_end_of_a_step_and_of_a_stage_bears_what_was_counted() -> None:
    heard: list[Event] = []
    counted = iter([(7, 1), (9, 2)])
    tell = Teller([lambda event, _at: heard.append(event)], counts=lambda: next(counted))
    for event in (Noted("info", "not counted"), StepFinished("server/a", "StopNode", 1.0, "stopped"), StageFinished("nodes", 2.0)):
        tell(event)
    assert heard[1:] == [StepFinished("server/a", "StopNode", 1.0, "stopped", 7, 1), StageFinished("nodes", 2.0, 9, 2)]
    assert heard[0] == Noted("info", "not counted")
