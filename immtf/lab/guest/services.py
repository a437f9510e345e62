"""When a service starts, starts again, or is given up: decisions only, with the time handed in.

A service that ends is started again after a pause that doubles each time; it is given up after ten quick ends in a row, so that
a broken image is seen as `failed` and not as for ever `restarting`. One that ran for half a minute begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from immtf.lab.guest.boot import ServiceSpec

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
QUICK_ENDS = 10

State = Literal["waiting", "running", "restarting", "failed"]


@dataclass(slots=True)
class Service:
    """A service and what has become of it; `ends` counts its quick ends in a row, times are seconds of the caller's clock."""

    spec: ServiceSpec
    state: State = "waiting"
    pid: int | None = None
    ends: int = 0
    started: float = 0.0
    due: float = 0.0
    kill_at: float | None = None

    def has_started(self, pid: int, now: float) -> None:
        """Note that it runs now."""
        self.state, self.pid, self.started, self.kill_at = "running", pid, now, None

    def has_ended(self, now: float) -> None:
        """Note that it runs no more: start again later, or give it up."""
        self.pid, self.kill_at = None, None
        self.ends = 1 if now - self.started >= STEADY_S else self.ends + 1
        self.state = "restarting" if self.ends < QUICK_ENDS else "failed"
        self.due = now + min(FIRST_PAUSE_S * 2 ** (self.ends - 1), LONGEST_PAUSE_S)

    def has_lost_ground(self) -> None:
        """Note that what it comes after is gone: it waits for that again."""
        self.state, self.pid, self.ends, self.due, self.kill_at = "waiting", None, 0, 0.0, None

    def has_failed(self) -> None:
        """Note that it can't be started at all."""
        self.state, self.pid, self.kill_at = "failed", None, None


def there(services: Iterable[Service], mounted: set[str]) -> set[str]:
    """Give the names that others may come after: mounts, and services that run."""
    return mounted | {service.spec.name for service in services if service.state == "running"}


def to_start(services: Iterable[Service], mounted: set[str], now: float) -> list[Service]:
    """Choose the services whose time has come."""
    services = list(services)
    ground = there(services, mounted)
    return [
        service
        for service in services
        if service.state in ("waiting", "restarting") and service.due <= now and ground.issuperset(service.spec.after)
    ]


def to_stop(services: Iterable[Service]) -> list[Service]:
    """Choose the running services that no other running one comes after: these go first when the guest ends."""
    running = [service for service in services if service.pid is not None]
    needed = {name for service in running for name in service.spec.after}
    return [service for service in running if service.spec.name not in needed and service.kill_at is None]


def without_ground(services: Iterable[Service], lost: Iterable[str]) -> list[Service]:
    """Choose the services that come after what was torn away, and those that come after them."""
    services, gone = list(services), set(lost)
    while more := {service.spec.name for service in services if gone.intersection(service.spec.after)} - gone:
        gone |= more
    return [service for service in services if service.spec.name in gone]
