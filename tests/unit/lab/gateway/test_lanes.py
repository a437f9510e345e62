from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from immtf.lab.gateway.lanes import Lanes

if TYPE_CHECKING:
    import pytest


def test_a_lane_is_one_after_the_other_and_lanes_are_side_by_side() -> None:
    lanes, order, gate, other = Lanes(), list[str](), threading.Event(), threading.Event()

    def first() -> None:
        gate.wait(60)
        order.append("first")

    lanes.submit("a", first)
    lanes.submit("a", lambda: order.append("second"))
    lanes.submit("b", other.set)
    assert other.wait(60)
    assert order == []
    assert not lanes.idle("a")
    assert not lanes.settle(0.01)
    gate.set()
    assert lanes.settle(5)
    assert (order, lanes.idle("a")) == (["first", "second"], True)


def test_a_job_may_go_on_in_its_own_lane() -> None:
    lanes, order = Lanes(), list[str]()

    def first() -> None:
        lanes.submit("a", lambda: order.append("second"))
        order.append("first")

    lanes.submit("a", first)
    assert lanes.settle(5)
    assert order == ["first", "second"]


def test_a_job_that_fails_is_told_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    lanes, ran = Lanes(), threading.Event()

    def broken() -> None:
        raise ValueError("broken")

    lanes.submit("a", broken)
    lanes.submit("a", ran.set)
    assert ran.wait(60)
    assert lanes.settle(5)
    assert "lane a: a job failed" in caplog.text
