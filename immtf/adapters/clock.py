"""The `Clock` and `Cancel` ports: real time, and the signals by which a person or the machine asks a run to end."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

URGENT = 2
SLICE_S = 0.1


class Signals:
    """Counts requests to end. One: stop when no node is away. Two: stop at once, Terraform is interrupted, once."""

    def __init__(self) -> None:
        """Begin with no request."""
        self.count = 0
        self.signal: signal.Signals | None = None  # the last one, None where a person asked in another way
        self._listeners: list[Callable[[int], None]] = []

    def is_set(self) -> bool:
        return self.count > 0

    def is_urgent(self) -> bool:
        return self.count >= URGENT

    def is_pause(self) -> bool:
        """Return whether the run was asked to end by the machine it runs on (`docker stop`, a shutdown), and may do so in good order."""
        return self.signal in {signal.SIGTERM, signal.SIGHUP} and not self.is_urgent()

    def on_request(self, listener: Callable[[int], None]) -> None:
        """Have a listener told the number of each request; it runs inside a signal handler."""
        self._listeners.append(listener)

    def request(self) -> None:
        """Ask the run to end, once more."""
        self.count += 1
        for listener in self._listeners:
            listener(self.count)

    def reset(self) -> None:
        """Forget what was asked, so that cleaning up can go on and be interrupted anew; how it was asked is kept for the exit code."""
        if self.is_urgent():
            self.signal = None  # it was no pause, and won't be one for having been forgotten
        self.count = 0

    def wait(self, seconds: float) -> None:
        """Wait, at most so long; a request made during the wait ends it.

        In slices, and without a lock: a signal's handler runs inside whatever its thread is doing, so it must not wait for one.
        """
        seen, deadline = self.count, time.monotonic() + seconds
        while self.count == seen and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_S))

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Take SIGINT, SIGTERM and SIGHUP as requests while the body runs."""

        def handle(number: int, _frame: FrameType | None) -> None:
            self.signal = signal.Signals(number)
            self.request()

        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, handle) for number in wanted}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Urgent:
    """The second request only, as a plain flag: what Terraform's runner looks at."""

    def __init__(self, signals: Signals) -> None:
        """Look at these signals."""
        self._signals = signals

    def is_set(self) -> bool:
        return self._signals.is_urgent()


class WallClock:
    """Real time; a sleep ends early when the run is asked to end."""

    def __init__(self, signals: Signals) -> None:
        """Sleep on these signals."""
        self._signals = signals

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._signals.wait(seconds)
