"""Answers on order: faults of the cloud, scripted per call.

An order names an action (`RunInstances`, or `ssm.SendCommand` to tell services apart), perhaps one resource, how often it holds,
and what happens: the call fails, is answered late, or begins a transition that never ends. A stuck transition is not
under way at all: another call that is allowed (a forced detach, TerminateInstances) gets through.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from immtf.lab.gateway.wire import Call


@dataclass(frozen=True, slots=True)
class Fail:
    """The call is refused with this code and nothing is done."""

    code: str
    message: str = "answered on order"
    status: int = 400


@dataclass(frozen=True, slots=True)
class Late:
    """The call is handled after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """The call is accepted and its transition never ends: `detaching` for ever, an instance that stays `pending`."""


@dataclass(frozen=True, slots=True)
class Order:
    """One scripted fault; `times` of `None` holds until it is cleared. `resource` is any value of the call: an id, a name."""

    action: str
    then: Fail | Late | Stuck
    resource: str | None = None
    times: int | None = 1

    def fits(self, call: Call) -> bool:
        """Tell whether the order is for this call."""
        named = self.action in {call.action, call.name}
        return named and (self.resource is None or self.resource in call.form.values())


class Orders:
    """The orders that still hold; the first that fits is taken, once per call."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self._open: list[Order] = []

    def add(self, order: Order) -> None:
        """Put an order behind those that hold already."""
        with self._lock:
            self._open.append(order)

    def clear(self) -> None:
        """Forget every order."""
        with self._lock:
            self._open.clear()

    def take(self, call: Call) -> Order | None:
        """Give the first order that fits the call and count it down."""
        with self._lock:
            for place, order in enumerate(self._open):
                if not order.fits(call):
                    continue
                if order.times is not None:
                    left = order.times - 1
                    self._open[place : place + 1] = [replace(order, times=left)] if left else []
                return order
        return None
