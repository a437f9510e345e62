"""How an event is written: one JSON-ready mapping, in the envelope that `immtf.model.events` tells of."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from immtf.model.block_events import BlockTold

if TYPE_CHECKING:
    from immtf.model.events import Event

SCHEMA_VERSION = 1


def event_name(event: Event | type[Event]) -> str:
    """Return the snake-case name of an event, e.g. `run_finished`."""
    kind = event if isinstance(event, type) else type(event)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def to_record(event: Event, *, run: str, seq: int, at: str) -> dict[str, Any]:
    """Return the event as one JSON-ready mapping with its envelope."""
    return {"v": SCHEMA_VERSION, "seq": seq, "at": at, "run": run, **_body(event)}


def _body(event: Event) -> dict[str, Any]:
    body = {key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(event).items()}
    if isinstance(event, BlockTold):
        body["told"] = _body(event.told)
    return {"event": event_name(event), **body}
