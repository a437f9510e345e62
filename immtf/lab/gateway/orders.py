"""Answers on order: faults of the cloud, scripted per call.

An order names an action (`RunInstances`, `Describe*`, or `ssm.SendCommand` to tell services apart), perhaps one resource, how often or
how long it holds, and what happens: the call fails, is answered late, with what was answered before, or not at all, or begins a
transition that never ends. A stuck transition is not under way at all: another call that is allowed (a forced detach,
TerminateInstances) gets through.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.lab.gateway.wire import Call

USUAL_STATUS = 400
STATUS = {
    "AuthFailure": 401,
    "UnauthorizedOperation": 403,
    "RequestLimitExceeded": 503,
    "Unavailable": 503,
    "ServiceUnavailable": 503,
    "InsufficientInstanceCapacity": 500,
    "InternalError": 500,
    "InternalFailure": 500,
}
"""The HTTP status that AWS sends with a code; SDKs try again by it."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The call is refused with this code and nothing is done; `status` 0 is the one that AWS sends with the code."""

    code: str
    message: str = "answered on order"
    status: int = 0

    @property
    def http_status(self) -> int:
        """Return the HTTP status of the answer."""
        return self.status or STATUS.get(self.code, USUAL_STATUS)


@dataclass(frozen=True, slots=True)
class Late:
    """The call is handled after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """The call is accepted and its transition never ends: `detaching` for ever, an instance that stays `pending`."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A `Describe*` of EC2 is answered with what the very same question was answered before; a question never asked before is not stale."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection ends without an answer: before anything was done or, with `done`, after the call was carried out."""

    done: bool = False


Effect: TypeAlias = Fail | Late | Stuck | Stale | Dropped


@dataclass(frozen=True, slots=True)
class Order:
    """One scripted fault. `resource` is any value of the call: an id, a name.

    It holds for so many `times` (None: without end) and so many `seconds` since it was given (None: without end), for each call that
    fits or for one in `every`.
    """

    action: str
    then: Effect
    resource: str | None = None
    times: int | None = 1
    seconds: float | None = None
    every: int = 1

    def fits(self, call: Call) -> bool:
        """Tell whether the order is for this call."""
        named = fnmatchcase(call.action, self.action) or fnmatchcase(call.name, self.action)
        return named and (self.resource is None or self.resource in call.form.values())


@dataclass(slots=True)
class _Open:
    """An order that holds still: until when, and how many calls that fit it let pass."""

    order: Order
    until: float | None
    passed: int = 0

    def strikes(self) -> bool:
        """Count a call that fits, and tell whether this is the one that is struck."""
        self.passed = (self.passed + 1) % self.order.every
        return self.passed == 0


class Orders:
    """The orders that still hold; the first that fits is taken, once per call."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start with none."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._open: list[_Open] = []

    def add(self, order: Order) -> None:
        """Put an order behind those that hold already."""
        until = None if order.seconds is None else self._monotonic() + order.seconds
        with self._lock:
            self._open.append(_Open(order, until))

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._open.clear()

    def holding(self) -> tuple[Order, ...]:
        """List the orders that still hold, with the times that are left."""
        with self._lock:
            self._expire()
            return tuple(item.order for item in self._open)

    def take(self, call: Call) -> Order | None:
        """Give the first order that strikes the call and count it down."""
        with self._lock:
            self._expire()
            for item in self._open:
                order = item.order
                if not order.fits(call) or not item.strikes():
                    continue
                if order.times is not None:
                    item.order = replace(order, times=order.times - 1)
                    self._open = [other for other in self._open if other.order.times != 0]
                return order
        return None

    def _expire(self) -> None:
        now = self._monotonic()
        self._open = [item for item in self._open if item.until is None or now < item.until]
