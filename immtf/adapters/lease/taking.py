"""Taking a lease: at once where it is free, after a whole time-to-live where its holder gives no sign of life, else not at all.

A lease that is held can't be told from one whose holder was killed, but by watching it: a living holder renews it three times in a
time-to-live. So it is watched until it changes, and then refused, naming its holder; or for its holder's own time-to-live, by this
process' monotonic clock, and then taken over. Many may watch the same one: the write is on condition of the etag they all saw, so one
of them wins. Nothing that can't be read is ever taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, assert_never

from immtf.errors import CloudFailed, LeaseHeld
from immtf.model.events import Noted, StepWaited
from immtf.model.lease import Standing
from immtf.plan.lease import judge_lease, lease_text, parse_lease, renewed, taken_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.adapters.lease.store import Seen, Store
    from immtf.model.events import Event
    from immtf.model.lease import LeaseRecord

POLL_S = 3.0
POLLS = 12  # in a time-to-live, where that is more often
RACES = 20


class Clock(Protocol):
    """Time, as the run's own clock tells it."""

    def monotonic(self) -> float:
        """Return seconds that only grow."""

    def sleep(self, seconds: float) -> None:
        """Wait, at most so long."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease as it was written: its record, the etag, and when the write was sent (by the holder's clock)."""

    record: LeaseRecord
    etag: str
    sent: float


@dataclass(frozen=True)
class Taker:
    """Takes one lease for one process. `sent` is the holder's clock, `clock` the waiter's; `check` raises where the run is to end."""

    store: Store
    mine: LeaseRecord
    clock: Clock
    sent: Callable[[], float]
    tell: Callable[[Event], None]
    check: Callable[[], None]

    def take(self) -> Taken:
        """Return the lease, taken. Raises `LeaseHeld` with its holder, `CloudFailed` where the store can't be spoken to."""
        for _ in range(RACES):
            seen = self.store.read()
            taken = self._write(None, None) if seen is None else self._after(seen)
            if taken is not None:
                return self._proven(taken)
            winner = self.store.read()
            record = parse_lease(winner.body) if winner else None
            if record is not None and not record.free and record.token != self.mine.token:
                raise self.held(record)
        raise LeaseHeld("the lease changes hands all the time", where=str(self.store), next="wait for the other runs, then run it again")

    def held(self, record: LeaseRecord) -> LeaseHeld:
        """Return the error that names the holder."""
        return LeaseHeld(
            f"another run works on this block: {record.holder}",
            where=str(self.store),
            next="wait until it has ended; `immtf status` shows how far it is",
        )

    def _after(self, seen: Seen) -> Taken | None:
        """Take what is free, ours or dead by now; None where another was quicker, or it has to be looked at again."""
        record = self._watched(seen)
        if record is None:
            return None
        if record.token == self.mine.token:  # written by a call whose answer got lost
            return self._send(renewed(record), seen.etag)
        taken = self._write(record, seen.etag)
        if taken is not None and not record.free:
            silence = f"no sign of life for {record.ttl_s:g} s"
            self.tell(Noted("warning", f"the lease was taken over (fence {taken.record.generation}): {silence} from {record.holder}"))
        return taken

    def _watched(self, first: Seen) -> LeaseRecord | None:
        """Return the record when it may be taken, None where it was given back. Raises `LeaseHeld` as soon as it is seen to live."""
        record = parse_lease(first.body)
        since = self.clock.monotonic()
        while True:
            elapsed = self.clock.monotonic() - since
            match judge_lease(record, self.mine.token, elapsed):
                case Standing.UNREADABLE:
                    raise LeaseHeld(
                        "the lease holds what this version of immtf can't read",
                        where=str(self.store),
                        next="find out who wrote it; only if no run is at work: `immtf unlock --force`",
                    )
                case Standing.FREE | Standing.OURS | Standing.DEAD:
                    assert record is not None  # noqa: S101 - for the type checker: the other case is above
                    return record
                case Standing.HELD:
                    assert record is not None  # noqa: S101 - as above
                    self._pause(record, elapsed)
                case _ as never:
                    assert_never(never)
            seen = self.store.read()
            if seen is None:
                return None
            if seen.etag != first.etag:
                changed = parse_lease(seen.body)
                if changed is not None and changed.free:
                    return None
                raise self.held(changed or record)

    def _pause(self, record: LeaseRecord, elapsed: float) -> None:
        reason = f"held by {record.holder}; watched for a sign of life"
        self.tell(StepWaited("", "TakeLease", reason, round(elapsed, 3), record.ttl_s))
        self.check()
        self.clock.sleep(min(POLL_S, record.ttl_s / POLLS, record.ttl_s - elapsed))

    def _write(self, record: LeaseRecord | None, etag: str | None) -> Taken | None:
        return self._send(taken_after(record, self.mine), etag)

    def _send(self, record: LeaseRecord, etag: str | None) -> Taken | None:
        sent, body = self.sent(), lease_text(record)
        written = self.store.create(body) if etag is None else self.store.replace(body, etag)
        return None if written is None else Taken(record, written, sent)

    def _proven(self, taken: Taken) -> Taken:
        """See that the store refuses what it must refuse: one that ignores conditions would let everybody in."""
        if self.store.create(lease_text(taken.record)) is not None:
            raise CloudFailed("the store writes without looking at the condition", code="NoConditionalWrites", where=str(self.store))
        return taken
