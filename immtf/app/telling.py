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
    """Hands each event, with its time, to every listener in order; events of several threads come one after the other."""

    def __init__(self, listeners: Sequence[Callable[[Event, datetime], None]]) -> None:
        """Keep the listeners."""
        self._listeners = tuple(listeners)
        self._lock = RLock()

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        with self._lock:
            at = now()
            for listener in self._listeners:
                listener(event, at)
