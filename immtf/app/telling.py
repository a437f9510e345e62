"""One event, told to everybody: the journal first, then the reader that a person looks at."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.model.events import Event


def now() -> datetime:
    """Return the runner's time, in UTC."""
    return datetime.now(UTC)


class Teller:
    """Hands each event, with its time, to every listener in order; events of several threads come one after the other.

    `news` may have something to say first: what came in by a signal can't be told from inside its handler.
    """

    def __init__(self, listeners: Sequence[Callable[[Event, datetime], None]], news: Callable[[], Event | None] = lambda: None) -> None:
        """Keep the listeners."""
        self._listeners = tuple(listeners)
        self._news = news
        self._lock = RLock()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        with self._lock:
            first = self._news()
            for told in (event,) if first is None else (first, event):
                at = now()
                for listener in self._listeners:
                    listener(told, at)
