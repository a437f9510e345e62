"""A gate's memory: how often in a row it held, since when, how often it fell again, and whether its time is up.

A gate has held when there were enough passes in a row and the first of them is long enough ago: a server that flaps every other
second passes three times now and then, and never for long. A flap starts both counts again. The limit ends a gate in any case; a
state that is on its way and slow (a check of a filesystem) puts the limit off, but no longer than it may last itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immtf.model.verdict import Verdict


@dataclass(slots=True)
class Streak:
    """The answers since `start`; times are the clock's monotonic seconds.

    `since` is when the present streak began, None while there is none; `slow_until` is up to when something slow was on its way.
    """

    needed: int
    limit_s: float
    start: float
    healthy_for_s: float = 0.0
    passes: int = 0
    since: float | None = None
    flaps: int = 0
    slow_until: float = 0.0

    def one_more(self, now: float) -> int:
        """Return the count with one more pass now: the last one counts only when the minimum healthy time is over."""
        lasted = 0.0 if self.since is None else now - self.since
        return self.passes + 1 if lasted >= self.healthy_for_s else min(self.passes + 1, self.needed - 1)

    def count(self, verdict: Verdict, asked: float, now: float) -> None:
        """Take in an answer to what was asked at `asked` and answered at `now`."""
        if verdict.held:
            self.passes = self.one_more(asked)
            self.since = now if self.since is None else self.since
            return
        self.flaps += self.since is not None
        self.passes, self.since = 0, None
        if now - self.start < verdict.patience_s:
            self.slow_until = now

    @property
    def enough(self) -> bool:
        """Return whether the gate has held."""
        return self.passes >= self.needed

    @property
    def deadline(self) -> float:
        """Return when its time is up."""
        return max(self.start, self.slow_until) + self.limit_s

    @property
    def flapped(self) -> str:
        """Say how often it held and fell again, "" where it didn't."""
        return f"; it held {self.flaps} time{'s' if self.flaps > 1 else ''} and fell again" if self.flaps else ""
