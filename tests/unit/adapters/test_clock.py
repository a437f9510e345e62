"""Real signals in processes of their own, and what they do to a sleep."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from immtf.adapters.clock import Signals, Urgent, WallClock

LIMIT_S = 30.0


def test_the_first_request_asks_for_a_safe_point_and_the_second_for_the_end() -> None:
    signals = Signals()
    urgent = Urgent(signals)
    assert (signals.is_set(), signals.is_urgent(), urgent.is_set()) == (False, False, False)
    signals.request()
    assert (signals.is_set(), signals.is_urgent(), urgent.is_set()) == (True, False, False)
    signals.request()
    assert (signals.is_set(), signals.is_urgent(), urgent.is_set()) == (True, True, True)


def test_listeners_are_told_the_number_of_each_request() -> None:
    signals, told = Signals(), list[int]()
    signals.on_request(told.append)
    for _ in range(3):
        signals.request()
    assert told == [1, 2, 3]


def test_after_a_reset_requests_count_anew() -> None:
    """Cleaning up may be interrupted as well."""
    signals = Signals()
    signals.request()
    signals.request()
    signals.reset()
    assert (signals.is_set(), signals.is_urgent()) == (False, False)
    signals.request()
    assert (signals.is_set(), signals.is_urgent()) == (True, False)


@pytest.mark.parametrize(
    ("number", "pause"), [(signal.SIGTERM, True), (signal.SIGHUP, True), (signal.SIGINT, False), (None, False)], ids=str
)
def test_only_one_request_of_the_machine_is_a_pause(number: signal.Signals | None, *, pause: bool) -> None:
    """S1, S2: `docker stop` pauses a run; a second signal, or a person's Ctrl-C, interrupts it."""
    signals = Signals()
    assert not signals.is_pause()
    signals.signal = number
    signals.request()
    assert signals.is_pause() is pause
    signals.request()
    assert not signals.is_pause()
    signals.reset()
    assert not signals.is_pause(), "forgetting an urgent request for the clean-up does not make a pause of it"


def test_a_pause_stays_one_through_the_clean_up() -> None:
    signals = Signals()
    signals.signal = signal.SIGTERM
    signals.request()
    signals.reset()
    assert (signals.is_set(), signals.is_pause()) == (False, True)


def test_a_sleep_takes_its_time() -> None:
    clock = WallClock(Signals())
    start = clock.monotonic()
    clock.sleep(0.15)
    assert 0.15 <= clock.monotonic() - start < LIMIT_S
    clock.sleep(0)


def test_a_request_ends_the_sleep_it_falls_into_and_not_the_next_ones() -> None:
    signals = Signals()
    clock = WallClock(signals)
    thread = threading.Timer(0.1, signals.request)
    thread.start()
    start = time.monotonic()
    clock.sleep(LIMIT_S)
    assert time.monotonic() - start < LIMIT_S / 2
    thread.join()
    start = time.monotonic()
    clock.sleep(0.1)
    assert time.monotonic() - start >= 0.1


CHILD = """
import signal, sys
from immtf.adapters.clock import Signals, WallClock
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
with Signals().caught() as signals:
    clock = WallClock(signals)
    print("ready", flush=True)
    seen = 0
    while seen < 2:
        clock.sleep(0.2)
        if signals.count != seen:
            seen = signals.count
            print(seen, flush=True)
print([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_requests_and_their_handlers_are_given_back(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for count in ("1\n", "2\n"):
            child.send_signal(number)
            assert child.stdout.readline() == count
        assert child.stdout.read() == "True\n"
    assert child.returncode == 0
