"""One event, told to everybody: the journal first, then the reader that a person looks at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING

from immtf.model.events import StageFinished, StepFinished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.model.events import Event


def now() -> datetime:
    """Return the runner's time, in UTC."""
    return datetime.now(UTC)


class Teller:
    """Hands each event, with its time, to every listener in order; events of several threads come one after the other.

    `news` may have something to say first: what came in by a signal can't be told from inside its handler. `counts` are the API calls and
    the Terraform runs so far, which the end of each step and stage bears.
    """

    def __init__(
        self,
        listeners: Sequence[Callable[[Event, datetime], None]],
        news: Callable[[], Event | None] = lambda: None,
        counts: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        """Keep the listeners."""
        self._listeners = tuple(listeners)
        self._news = news
        self._counts = counts
        self._lock = RLock()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        with self._lock:
            first = self._news()
            counted = self._counted(event)
            for told in (counted,) if first is None else (first, counted):
                at = now()
                for listener in self._listeners:
                    listener(told, at)

    def _counted(self, event: Event) -> Event:
        if self._counts is None or not isinstance(event, StepFinished | StageFinished):
            return event
        calls, runs = self._counts()
        return replace(event, aws_api_calls=calls, terraform_runs=runs)
