"""A clock that only moves when somebody sleeps, and then carries out what was due on the way.

The whole simulation hangs on it: an instance that takes five seconds to stop has an event five seconds ahead. Nobody waits for
real, and two runs with the same input are the same run. A run that would sleep for ever ends with an error.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FOR_EVER_S = 200_000.0


@dataclass
class VirtualClock:
    """Virtual seconds since the start of the simulation, and what is due when."""

    now: float = 0.0
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass, with everything that falls into it."""
        assert seconds >= 0, "a sleep can't be negative"
        end = self.now + seconds
        assert end < FOR_EVER_S, "the run waits for ever"
        while self._due and self._due[0][0] <= end:
            when, _, act = heapq.heappop(self._due)
            self.now = max(self.now, when)
            act()
        self.now = end

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen so many seconds from now."""
        self._count += 1
        heapq.heappush(self._due, (self.now + seconds, self._count, act))


@dataclass
class FakeCancel:
    """A person's wish to end the run: at the next safe point, or at once."""

    asked: bool = False
    urgent: bool = False

    def is_set(self) -> bool:
        return self.asked or self.urgent

    def is_urgent(self) -> bool:
        return self.urgent
