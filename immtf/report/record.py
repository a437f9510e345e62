"""Between an event and its line: what `to_record` writes is read back here, and secrets are masked on the way.

Reading is lenient in one direction only. Fields and events that a newer minor version added are passed over; a higher `v`
means that the known fields may have changed their meaning, so it is refused.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from immtf.errors import ImmtfError
from immtf.model import block_events, events, rows
from immtf.model.event_record import SCHEMA_VERSION, event_name
from immtf.model.events import Event

EVENTS: Final[dict[str, type[Event]]] = {event_name(kind): kind for kind in typing.get_args(Event)}
MASK: Final = "•••"
SHORTEST_SECRET: Final = 6

_FIELDS: Final[dict[type[Any], dict[str, Any]]] = {}  # resolving the names of types takes longer than all else here
_T = TypeVar("_T")


class RecordRefused(ImmtfError):
    """A line of a journal can't be read as an event of this version."""


def stamp(at: datetime) -> str:
    """Write a moment as the journal does: UTC, ISO 8601, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(record: Mapping[str, Any]) -> str:
    """Return a record as one JSON line without its end. A number that is not finite raises `RecordRefused`: JSON has none."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise RecordRefused(f"{error}", where=f"event {record.get('event')}") from error


def masked(value: _T, secrets: Collection[str]) -> _T:
    """Return the value with every secret in any of its texts replaced by `•••`; secrets shorter than six characters are passed over."""
    longest_first = sorted((secret for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
    return typing.cast("_T", _masked(value, longest_first)) if longest_first else value


def _masked(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, tuple | list):
        return type(value)(_masked(item, secrets) for item in value)
    if isinstance(value, Mapping):
        return {_masked(key, secrets): _masked(item, secrets) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{key: _masked(getattr(value, key), secrets) for key in fields_of(type(value))})
    return value


def fields_of(kind: type[Any]) -> dict[str, Any]:
    """Return the fields of an event or a row with their types, in order."""
    if kind not in _FIELDS:
        _FIELDS[kind] = typing.get_type_hints(kind, vars(rows) | vars(block_events) | vars(events), {"Mapping": Mapping})
    return _FIELDS[kind]


def to_event(record: Mapping[str, Any]) -> tuple[Event, datetime] | None:
    """Return the event of a record and its moment, or None for an event that a newer minor version added.

    Raises `RecordRefused` for a higher `v` and for a record that lacks what its event needs.
    """
    version = record.get("v")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise RecordRefused(
            f"its format has version {version}, and this immtf reads up to {SCHEMA_VERSION}",
            next="read it with the immtf that wrote it, or a newer one",
        )
    kind = EVENTS.get(str(record.get("event")))
    if kind is None or (kind is block_events.BlockTold and _is_news(record.get("told"))):
        return None
    try:
        return _build(kind, record), datetime.fromisoformat(record["at"])
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RecordRefused(f"not a `{record.get('event')}`: {error}") from error


def _is_news(told: object) -> bool:
    """Return whether what a block told is an event that a newer minor version added."""
    return isinstance(told, Mapping) and isinstance(told.get("event"), str) and told["event"] not in EVENTS


def _build(kind: type[Any], body: Mapping[str, Any]) -> Any:
    return kind(**{name: _value(hint, body[name]) for name, hint in fields_of(kind).items() if name in body})


def _value(hint: Any, value: Any) -> Any:
    """Give a JSON value the type that the dataclass names: lists become tuples, objects become rows."""
    if typing.get_origin(hint) is tuple:
        return tuple(_value(typing.get_args(hint)[0], item) for item in value)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type", hint), value)
    if hint == Event:
        return _build(EVENTS[value["event"]], value)
    if isinstance(hint, types.UnionType):
        inner = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        return None if value is None else _value(inner, value)
    if hint in (str, int, float, bool) and not _fits(hint, value):
        raise TypeError(f"{value!r} is not a {hint.__name__}")
    return value


def _fits(hint: type, value: object) -> bool:
    if hint in (int, float):
        return finite(value) and isinstance(value, (int, float) if hint is float else int)
    return isinstance(value, hint)


def finite(value: object) -> bool:
    """Return whether a value is a number that can be reckoned with; `NaN` is none, although Python's JSON reads it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
