"""Work behind the API's back: one lane per instance (or volume, image), in a lane one job after the other.

A runtime is asked about different instances side by side and about one instance in order; a lane is that order. Threads
are daemons, so a controller that must end ends. A job that fails unexpectedly is reported and leaves its transition as it is: a
state that can't be told is not made up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Lanes:
    """Jobs in the background, ordered by lane."""

    def __init__(self) -> None:
        """Start with every lane idle."""
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._threads: set[threading.Thread] = set()

    def submit(self, lane: str, job: Callable[[], None]) -> None:
        """Run the job in the background, after all others of its lane."""
        with self._lock:
            if lane in self._waiting:
                self._waiting[lane].append(job)
                return
            self._waiting[lane] = deque([job])
            thread = threading.Thread(target=self._run, args=(lane,), name=f"lane {lane}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def idle(self, lane: str) -> bool:
        """Tell whether no job of the lane runs or waits."""
        with self._lock:
            return lane not in self._waiting

    def settle(self, timeout_s: float) -> bool:
        """Wait until every lane is idle, at most `timeout_s` seconds; tell whether they are."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                threads = list(self._threads)
            if not threads:
                return True
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                return not self._threads

    def _run(self, lane: str) -> None:
        while job := self._next(lane):
            try:
                job()
            except Exception:
                LOG.exception("lane %s: a job failed; its transition stays as it is", lane)

    def _next(self, lane: str) -> Callable[[], None] | None:
        with self._lock:
            if jobs := self._waiting[lane]:
                return jobs.popleft()
            del self._waiting[lane]
            self._threads.discard(threading.current_thread())
            return None
