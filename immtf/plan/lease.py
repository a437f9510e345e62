"""Decisions about a lease: whether it may be taken, for how long it may be believed in, and what stands in its object. Pure.

There is one clock in each decision, the decider's own monotonic one. The holder believes in its lease for a time-to-live less a
margin, counted from the moment it *sent* its last renewal. The waiter takes it over when the etag has been the same for a whole
time-to-live, counted from the moment it *had read* it. A renewal is written between its sending and any reading of it, so the holder
stops believing before the waiter begins, whatever the two wall clocks say.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from immtf.model.lease import Holder, LeaseRecord, Standing

FORMAT = 1
DEFAULT_TTL_S = 60.0
SHORTEST_TTL_S = 3.0
LONGEST_TTL_S = 3600.0
RENEWALS = 3  # in a time-to-live
MARGIN = 6  # part of a time-to-live


def margin_s(ttl_s: float) -> float:
    """Return how much earlier than after a time-to-live the holder gives its lease up for lost, in seconds."""
    return ttl_s / MARGIN


def pause_s(ttl_s: float) -> float:
    """Return the pause between two renewals in seconds."""
    return ttl_s / RENEWALS


def lasts_until(sent: float, ttl_s: float) -> float:
    """Return until when a lease may be believed in whose last renewal was sent at `sent`, on the holder's monotonic clock."""
    return sent + ttl_s - margin_s(ttl_s)


def judge_lease(record: LeaseRecord | None, token: str, unchanged_s: float) -> Standing:
    """Return what a lease that was seen unchanged for so long is to the process with this token; None is one that can't be read."""
    if record is None:
        return Standing.UNREADABLE
    if record.free:
        return Standing.FREE
    if record.token == token:
        return Standing.OURS
    return Standing.DEAD if unchanged_s >= record.ttl_s else Standing.HELD


def taken_after(record: LeaseRecord | None, mine: LeaseRecord) -> LeaseRecord:
    """Return my record as it follows the one before: one generation further."""
    return replace(mine, generation=record.generation + 1 if record else 1, beat=0, free=False)


def renewed(mine: LeaseRecord) -> LeaseRecord:
    """Return my record with one more beat."""
    return replace(mine, beat=mine.beat + 1)


def freed(record: LeaseRecord) -> LeaseRecord:
    """Return a record given back; its generation stays, so that the next one's is greater."""
    return replace(record, beat=record.beat + 1, free=True)


def lease_text(record: LeaseRecord) -> str:
    """Return a record as the text of its object."""
    return json.dumps({"v": FORMAT, **asdict(record)}, sort_keys=True)


def parse_lease(text: str) -> LeaseRecord | None:
    """Read a record; None for what this version can't read, or would never write: nothing is guessed into it."""
    try:
        body: Any = json.loads(text)
        if body["v"] != FORMAT:
            return None
        holder = Holder(**{name: _typed(body["holder"][name], kind) for name, kind in _HOLDER.items()})
        record = LeaseRecord(holder=holder, **{name: _typed(body[name], kind) for name, kind in _RECORD.items()})
    except (ValueError, KeyError, TypeError):
        return None
    return record if SHORTEST_TTL_S <= record.ttl_s <= LONGEST_TTL_S else None


_HOLDER: dict[str, type] = {"run": str, "who": str, "command": str, "pid": int, "since": str}
_RECORD: dict[str, type] = {"token": str, "ttl_s": float, "generation": int, "beat": int, "free": bool}


def _typed(value: Any, kind: type) -> Any:
    """Return a value that is of this type and nothing near it; a whole number may stand for seconds."""
    if type(value) is kind or (kind is float and type(value) is int):
        return value
    raise TypeError(f"{value!r} is no {kind.__name__}")
