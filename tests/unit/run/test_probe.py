"""The probe's account: what is lost, what is only refused, how long nothing could be written, and a store that doesn't come back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed
from immtf.model.events import ProbeReported
from immtf.run.probe import READ_ATTEMPTS, Probe, Tally
from tests.fakes.clock import VirtualClock
from tests.fakes.store import FakeStore

if TYPE_CHECKING:
    from immtf.model.events import Event

LIMIT_S = 20.0


class Bench:
    """A probe on a store, with a virtual clock that a write takes `write_s` of."""

    def __init__(self, store: FakeStore, *, writes: int = 5, write_s: dict[int, float] | None = None) -> None:
        self.store, self.clock = store, VirtualClock()
        self.events: list[Event] = []
        self.done = threading.Event()
        self._writes, self._write_s = writes, write_s or {}
        store.on_put = self._on_put
        self.probe = Probe(store, self.clock, self.events.append, "r1")

    def _on_put(self, number: int) -> None:
        self.clock.sleep(self._write_s.get(number, 0.1))
        if number > self._writes:
            self.store.down = True
            self.done.set()

    def run(self) -> None:
        """Write so many times; what is tried after that is refused."""
        self.probe.start()
        assert self.done.wait(LIMIT_S)
        self.probe.halt()
        self.store.down = False

    def lost(self) -> list[int]:
        self.run()
        return self.probe.finish()


def test_a_store_that_keeps_everything_lost_nothing() -> None:
    bench = Bench(FakeStore())
    assert bench.lost() == []
    assert sorted(bench.probe.tally.acknowledged) == [1, 2, 3, 4, 5]
    assert min(bench.store.rows) == "immtf-probe/r1/00000001"
    assert bench.store.rows["immtf-probe/r1/00000001"] == "immtf-probe/r1/1"


def test_a_write_that_was_acknowledged_and_is_gone_is_lost() -> None:
    assert Bench(FakeStore(forgets=frozenset({2, 4}))).lost() == [2, 4]


def test_a_write_that_was_refused_was_promised_to_nobody() -> None:
    bench = Bench(FakeStore(refuses=frozenset({1, 3})))
    assert bench.lost() == []
    assert sorted(bench.probe.tally.acknowledged) == [2, 4, 5]
    assert bench.probe.tally.failed >= 2


def test_a_write_that_was_read_wrong_counts_as_lost_though_it_is_there_at_the_end() -> None:
    assert Bench(FakeStore(misreads=frozenset({3}))).lost() == [3]


def test_a_write_that_changed_afterwards_is_lost() -> None:
    bench = Bench(FakeStore())
    bench.run()
    bench.store.rows["immtf-probe/r1/00000002"] = "older data"
    assert bench.probe.finish() == [2]


def test_the_keys_of_another_run_are_none_of_its_business() -> None:
    store = FakeStore(rows={"immtf-probe/r0/00000001": "other"})
    assert Bench(store).lost() == []


def test_the_gap_is_the_longest_time_between_two_acknowledged_writes() -> None:
    bench = Bench(FakeStore(refuses=frozenset({3})), write_s={3: 4.0, 4: 2.0})
    bench.run()
    assert bench.probe.tally.longest_gap_s == pytest.approx(6.0)


def test_the_gap_counts_the_ends_of_the_run() -> None:
    tally = Tally(10.0)
    tally.acknowledge(1, "v", 13.0)
    assert tally.longest_gap_s == 3.0
    tally.close(18.0)
    assert tally.longest_gap_s == 5.0
    never = Tally(10.0)
    never.close(40.0)
    assert never.longest_gap_s == 30.0


def test_each_report_tells_the_longest_gap_since_the_one_before() -> None:
    tally = Tally(10.0)
    tally.acknowledge(1, "v", 13.0)
    tally.acknowledge(2, "v", 14.0)
    assert tally.recent(14.2) == 3.0
    tally.acknowledge(3, "v", 15.0)
    assert (tally.recent(15.5), tally.recent(17.0), tally.longest_gap_s) == (1.0, 2.0, 3.0)


def test_reports_tell_the_gap_that_is_still_open() -> None:
    bench = Bench(FakeStore(), writes=2, write_s={3: 7.0})
    bench.run()
    reports = [event for event in bench.events if isinstance(event, ProbeReported)]
    assert (reports[-1].acknowledged, reports[-1].failed) == (2, bench.probe.tally.failed)
    assert reports[-1].since_ack_s >= 7.0
    assert reports[-1].gap_s == reports[-1].recent_gap_s == reports[-1].since_ack_s


def test_halting_twice_is_halting_once() -> None:
    bench = Bench(FakeStore())
    bench.run()
    told = len(bench.events)
    bench.probe.halt()
    assert len(bench.events) == told


def test_a_store_that_is_back_after_a_while_is_read_to_the_end() -> None:
    bench = Bench(FakeStore())
    bench.run()
    bench.store.down = True
    bench.clock.after(10.0, lambda: setattr(bench.store, "down", False))
    assert bench.probe.finish() == []


def test_a_store_that_stays_down_is_a_failure_and_never_nothing_lost() -> None:
    bench = Bench(FakeStore())
    bench.run()
    bench.store.down = True
    start = bench.clock.now
    with pytest.raises(GateFailed, match="can't be read again: no server answers"):
        bench.probe.finish()
    assert bench.clock.now - start == READ_ATTEMPTS - 1


def test_reads_that_nobody_answers_meanwhile_are_left_to_the_last_one() -> None:
    bench = Bench(FakeStore(unread=frozenset({2})))
    assert bench.lost() == []


def test_a_probe_that_broke_says_so_and_vouches_for_nothing() -> None:
    """A write it did not make can't be lost: that must not read as zero lost."""
    bench = Bench(FakeStore())
    ended = threading.Event()

    def broken(number: int) -> None:
        if number == 2:
            ended.set()
            raise AttributeError("a fault in the store's client")

    bench.store.on_put = broken
    bench.probe.start()
    assert ended.wait(LIMIT_S)
    with pytest.raises(GateFailed, match="the probe ended before the run did: AttributeError"):
        bench.probe.finish()
