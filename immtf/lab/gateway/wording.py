"""Orders in JSON, as a client gives them and reads them back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, assert_never

from immtf.errors import LabFailed
from immtf.lab.gateway.orders import Dropped, Fail, Late, Order, Stale, Stuck

if TYPE_CHECKING:
    from immtf.lab.gateway.orders import Effect

_WORDS: dict[str, Effect] = {"stuck": Stuck(), "stale": Stale(), "drop": Dropped(), "drop-answer": Dropped(done=True)}


def read_order(rule: dict[str, Any]) -> Order:
    """Understand `{action, then, resource?, times?, seconds?, every?}`; not understood: `LabFailed`.

    `then` is `{"fail": {"code": …, "message"?, "status"?}}`, `{"late": seconds}`, `"stuck"`, `"stale"`, `"drop"` or `"drop-answer"`.
    """
    try:
        rest = {name: value for name, value in rule.items() if name != "then"}
        order = Order(then=_read_effect(rule["then"]), **rest)
        if order.every < 1 or (order.times is not None and order.times < 1):
            raise LabFailed("an order that isn't understood: times and every count from 1")
    except (KeyError, TypeError, ValueError) as error:
        raise LabFailed(f"an order that isn't understood: {error!r}") from None
    return order


def write_order(order: Order) -> dict[str, Any]:
    """Give the order in the words that `read_order` understands."""
    return {**asdict(order), "then": _write_effect(order.then)}


def _read_effect(then: Any) -> Effect:
    if isinstance(then, str):
        return _WORDS[then]
    if "late" in then:
        return Late(float(then["late"]))
    return Fail(**then["fail"])


def _write_effect(then: Effect) -> str | dict[str, Any]:
    match then:
        case Fail():
            return {"fail": asdict(then)}
        case Late(seconds):
            return {"late": seconds}
        case Stuck() | Stale() | Dropped():
            return next(word for word, effect in _WORDS.items() if effect == then)
        case _:
            assert_never(then)
