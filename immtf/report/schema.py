"""The published format of one journal line as a JSON schema (2020-12), made from the dataclasses themselves.

It is closed: one branch an event, no field beyond those named, so that a slip in a writer is seen. A reader of journals should
be more lenient, as `immtf.report.record` is: a newer minor version may add fields and events, only `v` says that meanings changed.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

from immtf.model.block_events import BlockEvent
from immtf.model.event_record import SCHEMA_VERSION
from immtf.model.events import Event
from immtf.report.record import EVENTS, fields_of

_SCALARS: Final[dict[object, str]] = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def events_schema() -> dict[str, Any]:
    """Return the JSON schema of one line of a journal and of `--output json`."""
    rows: dict[str, Any] = {}
    branches = {name: _object(kind, rows, _envelope(name)) for name, kind in EVENTS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One event of an immtf run",
        "description": "One line of a journal, and of `--output json`. Fields ending in `_s` and `seconds` are seconds.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in branches],
        "$defs": branches | rows,
    }


def schema_text() -> str:
    """Return the schema as it stands in docs/events.schema.json."""
    return json.dumps(events_schema(), indent=2, ensure_ascii=False) + "\n"


def _envelope(name: str) -> dict[str, Any]:
    return {
        "v": {"const": SCHEMA_VERSION, "description": "the format's version; a higher one may change meanings"},
        "seq": {"type": "integer", "minimum": 1, "description": "from 1, without gaps, within a run"},
        "at": {"type": "string", "format": "date-time", "description": "UTC, from the runner's clock"},
        "run": {"type": "string", "description": "the run's id"},
        "event": {"const": name},
    }


def _object(kind: type[Any], rows: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    properties = before | {name: _schema(hint, rows) for name, hint in fields_of(kind).items()}
    return {
        "type": "object",
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _told(rows: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event that one run tells within another's: without an envelope, and none that is about many blocks."""
    found = {f"told_{name}": (name, kind) for name, kind in EVENTS.items() if kind not in typing.get_args(BlockEvent)}
    rows.update({key: _object(kind, rows, {"event": {"const": name}}) for key, (name, kind) in found.items()})
    return {"oneOf": [{"$ref": f"#/$defs/{key}"} for key in found]}


def _schema(hint: Any, rows: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of one field's type; rows of tables are gathered in `rows` and referred to."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], rows)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1], rows)}
    if origin is types.UnionType:
        return _told(rows) if hint == Event else {"type": [_SCALARS[argument] for argument in arguments]}
    if dataclasses.is_dataclass(hint):
        name = typing.cast("type", hint).__name__
        rows[name] = _object(typing.cast("type", hint), rows, {})
        return {"$ref": f"#/$defs/{name}"}
    raise TypeError(f"events have no fields of type {hint}")
