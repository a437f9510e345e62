"""Builders for leases: who wants one, how it is taken, and a machine with a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.adapters.lease.hands import Hands
from immtf.adapters.lease.s3 import S3Lease
from immtf.adapters.lease.taking import Taker
from immtf.model.lease import Holder, LeaseRecord
from tests.fakes.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.adapters.lease.store import Store
    from immtf.model.events import Event

TTL_S = 60.0


def make_record(run: str = "r1", *, token: str = "", ttl_s: float = TTL_S, **more: object) -> LeaseRecord:
    """Return a record of this run, whose token is its name."""
    holder = Holder(run=run, who=f"eve@{run}-host", command="upgrade", pid=4711, since="2026-01-02 03:04:05 UTC")
    return LeaseRecord(holder=holder, token=token or run, ttl_s=ttl_s, **more)  # type: ignore[arg-type]  # as the test gives


@dataclass
class Machine:
    """A process that wants a lease, on a machine whose monotonic clock began at `skew` and whose wall clock nobody asks."""

    store: Store
    name: str = "r1"
    skew: float = 0.0
    ttl_s: float = TTL_S
    time: VirtualClock = field(default_factory=VirtualClock)
    told: list[Event] = field(default_factory=list)
    check: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.time.monotonic() + self.skew

    def sleep(self, seconds: float) -> None:
        self.time.sleep(seconds)

    def take(self) -> S3Lease:
        """Take the lease; it is not renewed but when the test does it."""
        mine = make_record(self.name, ttl_s=self.ttl_s)
        taken = Taker(self.store, mine, self, self.monotonic, self.told.append, self.check).take()
        return S3Lease(self.store, taken, tell=self.told.append, clock=self.monotonic)

    def renewing(self, lease: S3Lease, *, pause_s: float = TTL_S / 3) -> None:
        """Have a lease renewed as its thread does, as long as virtual time goes on."""

        def again() -> None:
            if lease.renew():
                self.time.after(pause_s, again)

        self.time.after(pause_s, again)


def make_hands(told: list[Event] | None = None, *, clock: VirtualClock | None = None, check: Callable[[], None] = lambda: None) -> Hands:
    """Return what takes leases for a reap, which waits on virtual time."""
    holder = Holder(run="r9", who="eve@here", command="reap", pid=4712, since="2026-01-02 03:04:05 UTC")
    return Hands(holder, clock or VirtualClock(), (told if told is not None else []).append, check)
