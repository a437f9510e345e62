"""The lease beside a remote state: taken before the first change, renewed while the run works, given back at its end.

A thread renews it three times in a time-to-live, and every changing call has it confirmed first (`confirm`), which is a renewal
too: so what was taken from this run is known before the call, not after it. The lease is lost for good when its object
is another's or gone, or when no renewal went through for a time-to-live less a margin. A renewal that failed is made again until
then; what failed is told. It is the holder's clock that counts a suspended machine's sleep, so that a laptop that was closed
does not wake up believing.

Who holds the lease is never decided by a wall clock. The generation counts the hands that it went through.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, LeaseLost
from immtf.model.events import Noted
from immtf.plan.lease import freed, lasts_until, lease_text, margin_s, parse_lease, pause_s, renewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.adapters.lease.store import Store
    from immtf.adapters.lease.taking import Taken
    from immtf.model.events import Event
    from immtf.model.lease import LeaseRecord

AGAIN = 10  # part of a time-to-live, after a renewal that failed
TRIES = 2  # of one renewal, where the object is found to be ours although the write was refused
JOIN_S = 60.0


def awake_and_asleep() -> float:
    """Return monotonic seconds which also count while the machine is suspended, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class S3Lease:
    """A lease that was taken, until it is given back or lost. `confirm`, `renew` and `release` may be called from any thread."""

    def __init__(self, store: Store, taken: Taken, *, tell: Callable[[Event], None], clock: Callable[[], float] = awake_and_asleep) -> None:
        """Begin to hold; `clock` is the one that `taken.sent` was read from."""
        self._store = store
        self._record, self._etag = taken.record, taken.etag
        self._until = lasts_until(taken.sent, taken.record.ttl_s)
        self._tell = tell
        self._clock = clock
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lease", daemon=True)
        self._lost = ""
        self._failing = ""

    @property
    def generation(self) -> int:
        """The fence number: it grows with every change of hands."""
        return self._record.generation

    def start(self) -> None:
        """Begin to renew in the background."""
        self._thread.start()

    def confirm(self) -> None:
        """Make sure, by renewing it, that the lease is this run's still. Raises `LeaseLost`."""
        with self._lock:
            self.renew()
            if self._lost:
                raise LeaseLost(
                    f"the lease was lost: {self._lost}",
                    where=str(self._store),
                    next="look with `immtf status`; when no other run is at work: `immtf upgrade`",
                )

    def renew(self) -> bool:
        """Renew once; return whether it went through. A failure is told once, and is a loss only when the time is over."""
        with self._lock:
            done = not self._lost and self._attempt()
            if not self._lost and self._clock() >= self._until:
                silence = self._record.ttl_s - margin_s(self._record.ttl_s)
                self._lose(f"no renewal went through for {silence:g} s" + (f": {self._failing}" if self._failing else ""))
            return done and not self._lost

    def release(self) -> None:
        """Give the lease back, where it is this run's still, so that the next run needn't wait. May be repeated."""
        if self._end.is_set():
            return
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
        with self._lock:
            if self._lost:
                return
            try:
                self._store.replace(lease_text(freed(self._record)), self._etag)
            except CloudFailed as error:
                left = f"the next run finds it held and waits {self._record.ttl_s:g} s"
                self._tell(Noted("warning", f"the lease could not be given back ({error.what}): {left}"))
            self._lost = "it was given back"

    def _work(self) -> None:
        pause = pause_s(self._record.ttl_s)
        while not self._end.wait(pause):
            renewed_now = self.renew()
            if self._lost:
                return
            pause = pause_s(self._record.ttl_s) if renewed_now else self._record.ttl_s / AGAIN

    def _attempt(self) -> bool:
        """Renew, with every failure told: a thread has nobody above it, and a lease that nobody renews must not be believed in."""
        try:
            return self._renew()
        except CloudFailed as error:
            self._note_failing(error.what)
        except Exception as fault:  # noqa: BLE001 - as above
            self._lose(f"it could not be renewed: {type(fault).__name__}: {fault}")
        return False

    def _renew(self) -> bool:
        """Write one more beat. Refused, but ours by what is read: an answer got lost, or two writes met; then once more."""
        for _ in range(TRIES):
            wanted, sent = renewed(self._record), self._clock()
            etag = self._store.replace(lease_text(wanted), self._etag)
            if etag is not None:
                self._record, self._etag, self._failing = wanted, etag, ""
                self._until = lasts_until(sent, wanted.ttl_s)
                return True
            seen = self._store.read()
            found = parse_lease(seen.body) if seen else None
            if seen is None or found is None or found.token != self._record.token or found.free:
                self._lose(self._taken_by(found) if seen else "its object was removed")
                return False
            self._record, self._etag = found, seen.etag
        self._note_failing("other writes came in between")
        return False

    def _taken_by(self, found: LeaseRecord | None) -> str:
        if found is None:
            return "its object was overwritten with what can't be read"
        if found.free and found.token == self._record.token:
            return "it was removed by `immtf unlock --force`"
        return f"taken over (fence {found.generation}) by {found.holder}" + (", and given back since" if found.free else "")

    def _note_failing(self, why: str) -> None:
        if not self._failing:
            self._tell(Noted("warning", f"the lease could not be renewed, it is tried again: {why}"))
        self._failing = why

    def _lose(self, why: str) -> None:
        self._lost = why
        self._tell(Noted("warning", f"the lease was lost: {why}; no further change is made"))
