"""The probe: a client that writes and reads the cluster during a whole upgrade, and keeps account of every acknowledged write.

It appends numbered keys, one after the other, and reads the last acknowledged one back each time. What counts as lost is an
acknowledged write that can't be read at the end; a write that failed was promised to nobody. The gap is the longest time
between two acknowledged writes, the ends of the run included.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from immtf.errors import GateFailed, ImmtfError
from immtf.model.events import ProbeReported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.run.ports import Clock, Listener

INTERVAL_S = 0.05
REPORT_EVERY_S = 2.0
READ_ATTEMPTS = 30
STOP_TIMEOUT_S = 30.0


class KeyValue(Protocol):
    """A key-value store over several servers; a call tries one server after the other."""

    def put(self, key: str, value: str) -> bool:
        """Write; return whether the cluster acknowledged it. Never raises for an unreachable server."""

    def get(self, key: str) -> str | None:
        """Read consistently; None where the key isn't there. Raises `ImmtfError` where no server answers."""

    def get_all(self, prefix: str) -> Mapping[str, str]:
        """Read every key under a prefix consistently. Raises `ImmtfError` where no server answers."""


@dataclass
class Tally:
    """The account of one probe; times are monotonic seconds."""

    started: float
    last_ack: float = field(init=False)
    acknowledged: dict[int, str] = field(default_factory=dict)
    failed: int = 0
    misread: set[int] = field(default_factory=set)
    longest_gap_s: float = 0.0
    recent_gap_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin the first gap at the start."""
        self.last_ack = self.started

    def acknowledge(self, number: int, value: str, at: float) -> None:
        """Count an acknowledged write, and the gap before it."""
        self.acknowledged[number] = value
        self.longest_gap_s = max(self.longest_gap_s, at - self.last_ack)
        self.recent_gap_s = max(self.recent_gap_s, at - self.last_ack)
        self.last_ack = at

    def recent(self, at: float) -> float:
        """Return the longest gap since this was asked last, the one that goes on included."""
        longest, self.recent_gap_s = max(self.recent_gap_s, at - self.last_ack), 0.0
        return longest

    def close(self, at: float) -> None:
        """Count the gap from the last acknowledged write until the end."""
        self.longest_gap_s = max(self.longest_gap_s, at - self.last_ack)

    def lost(self, found: Mapping[int, str]) -> list[int]:
        """Return the numbers of acknowledged writes that aren't there, or not as written, or were misread meanwhile."""
        return sorted(number for number, value in self.acknowledged.items() if found.get(number) != value or number in self.misread)


class Probe:
    """Writes in a thread of its own from `start` until `finish`."""

    def __init__(self, store: KeyValue, clock: Clock, emit: Listener, run_id: str) -> None:
        """Make the probe; nothing is written yet. `clock` must be the probe's own: its sleeps are not a run's."""
        self._store, self._clock, self._emit = store, clock, emit
        self._prefix = f"immtf-probe/{run_id}/"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="probe", daemon=True)
        self._fault: Exception | None = None
        self.tally = Tally(clock.monotonic())

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def finish(self) -> list[int]:
        """Stop writing, read every acknowledged write again, and return the numbers of those that were lost.

        Raises `GateFailed` where they can't be read, or the probe did not write until the end: it saw nothing then.
        """
        self.halt()
        if self._fault is not None:
            message = f"the probe ended before the run did: {type(self._fault).__name__}: {self._fault}"
            raise GateFailed(message, where="probe", next="report it with the run's journal") from self._fault
        found = self._read_all()
        return self.tally.lost(found)

    def halt(self) -> None:
        """Stop writing, without the last reading. May be repeated."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)
        self.tally.close(self._clock.monotonic())
        self._report()

    def _work(self) -> None:
        try:
            self._write_on()
        except Exception as fault:  # noqa: BLE001 - a thread has nobody above it: `finish` tells
            self._fault = fault

    def _write_on(self) -> None:
        number, reported = 0, self._clock.monotonic()
        while not self._stop.is_set():
            number += 1
            self._write(number)
            now = self._clock.monotonic()
            if now - reported >= REPORT_EVERY_S:
                reported = now
                self._report()
            self._stop.wait(INTERVAL_S)

    def _write(self, number: int) -> None:
        value = f"{self._prefix}{number}"
        if not self._store.put(f"{self._prefix}{number:08d}", value):
            self.tally.failed += 1
            return
        self.tally.acknowledge(number, value, self._clock.monotonic())
        try:
            if self._store.get(f"{self._prefix}{number:08d}") != value:
                self.tally.misread.add(number)
        except ImmtfError:
            return  # no server answers just now; the last reading will tell

    def _read_all(self) -> dict[int, str]:
        left = READ_ATTEMPTS
        while True:
            left -= 1
            try:
                found = self._store.get_all(self._prefix)
            except ImmtfError as error:
                if not left:
                    message = f"the acknowledged writes can't be read again: {error.what}"
                    raise GateFailed(message, where="probe", next="look at the cluster; its data are on its volumes") from error
                self._clock.sleep(1.0)
            else:
                return {int(key.removeprefix(self._prefix)): value for key, value in found.items()}

    def _report(self) -> None:
        tally, now = self.tally, self._clock.monotonic()
        gap, since = max(tally.longest_gap_s, now - tally.last_ack), now - tally.last_ack
        recent = tally.recent(now)
        self._emit(ProbeReported(len(tally.acknowledged), tally.failed, round(gap, 3), round(since, 3), round(recent, 3)))
