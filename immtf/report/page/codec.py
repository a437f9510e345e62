"""An account as the data that a page carries, and read back; rows are lists under one head, so that many stay small.

What is read back may be a page that somebody else wrote: each field is checked for its type, and a higher format is refused.
"""

from __future__ import annotations

import json
import typing
from dataclasses import astuple, fields
from html.parser import HTMLParser
from typing import Any, Final

from immtf.model import block_events as b
from immtf.model import events as e
from immtf.model.event_record import to_record
from immtf.report.page import account
from immtf.report.page.account import Account
from immtf.report.page.texts import clean, mapped
from immtf.report.record import RecordRefused, finite, to_event

FORMAT: Final = 1
MARK: Final = "immtf-run"
_ROWS: Final[dict[str, type[Any]]] = {
    "sums": account.PhaseSum,
    "nodes": account.NodeLine,
    "gates": account.GateLine,
    "problems": account.Problem,
    "skips": account.Skip,
    "phases": account.Phase,
    "streaks": account.Streak,
    "writes": account.Writes,
    "calls": account.Calls,
    "costs": account.Cost,
}
_EVENTS: Final[dict[str, type[Any]]] = {"end": e.RunFinished, "halt": e.RunHalted}
_MARKUP: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def as_data(known: Account) -> dict[str, Any]:
    """Return an account as JSON-ready data; `from_data` reads it back."""
    data: dict[str, Any] = {"immtf_report": FORMAT}
    for item in fields(Account):
        value = getattr(known, item.name)
        if item.name in _ROWS:
            head = [column.name for column in fields(_ROWS[item.name])]
            data[item.name] = {"head": head, "rows": [astuple(row) for row in value]}
        elif item.name == "blocks":
            data["blocks"] = [_record(row) for row in value]
        else:
            data[item.name] = _record(value) if item.name in _EVENTS and value is not None else value
    return data


def as_script(known: Account) -> str:
    """Return the data as JSON for a `<script>`: without any sign that could end it or begin markup."""
    return json.dumps(as_data(known), ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_MARKUP)


def from_data(data: object, where: str) -> Account:
    """Return the account of a page's data. Raises `RecordRefused`, with `where`, for what is none or has a newer format."""
    if not isinstance(data, dict) or not isinstance(data.get("immtf_report"), int):
        raise RecordRefused(
            "holds no data of a run of immtf", where=where, next="name a run, its journal, or a page of `immtf report --html`"
        )
    if data["immtf_report"] > FORMAT:
        raise RecordRefused(
            f"its data has format {data['immtf_report']}, and this immtf reads up to {FORMAT}",
            where=where,
            next="compare it with the immtf that wrote it, or a newer one",
        )
    try:
        return mapped(Account(**{item.name: _field(item.name, data[item.name]) for item in fields(Account) if item.name in data}), clean)
    except (TypeError, ValueError, KeyError, AttributeError, RecordRefused) as error:
        raise RecordRefused(f"its data can't be read: {error}", where=where) from error


def from_page(page: str, where: str) -> Account:
    """Return the account of a page of one run."""
    found = _Data()
    found.feed(page)
    try:
        return from_data(json.loads(found.text), where)
    except (ValueError, RecursionError) as error:
        raise RecordRefused("is no page of `immtf report RUN --html`", where=where) from error


class _Data(HTMLParser):
    """Gathers the text of the script with the data."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._within = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag == "script" and ("id", MARK) in attrs

    def handle_endtag(self, tag: str) -> None:
        self._within = self._within and tag != "script"

    def handle_data(self, data: str) -> None:
        self.text += data if self._within else ""


def _record(event: e.Event) -> dict[str, Any]:
    """Return an event as the journal has it."""
    return {key: value for key, value in to_record(event, run="", seq=0, at="").items() if key not in {"run", "seq", "at"}}


def _event(data: Any, kind: type[Any]) -> Any:
    found = to_event({**data, "at": "2000-01-01T00:00:00Z"})
    if found is None or not isinstance(found[0], kind):
        raise TypeError(f"not a {kind.__name__}")
    return found[0]


def _field(name: str, data: Any) -> Any:
    if name in _ROWS:
        return tuple(_row(_ROWS[name], dict(zip(data["head"], row, strict=True))) for row in data["rows"])
    if name == "blocks":
        return tuple(_event(row, b.BlockEnded) for row in data)
    if name in _EVENTS:
        return None if data is None else _event(data, _EVENTS[name])
    if name == "left_out":
        return tuple(_scalar(str, text) for text in data)
    return _scalar(_HINTS[name], data)


def _row(kind: type[Any], cells: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _scalar(hint, cells[name]) for name, hint in hints.items() if name in cells})


_HINTS: Final[dict[str, Any]] = {"told_s": float, "events": int, "asked": int, "refused": int} | dict.fromkeys(
    ("run", "command", "block", "version", "environment", "cloud", "who", "image", "began"), str
)


def _scalar(hint: Any, value: Any) -> Any:
    kinds = typing.get_args(hint) or (hint,)
    fits = {str: isinstance(value, str), bool: isinstance(value, bool), type(None): value is None}
    fits |= {int: finite(value) and isinstance(value, int), float: finite(value)}
    if not any(fits[kind] for kind in kinds):
        raise TypeError(f"{value!r} is none of {', '.join(kind.__name__ for kind in kinds)}")
    return value
