"""Whether a state that an apply left is surely the next one of what is kept. Pure.

A lineage and a greater serial don't prove it: serials are counted by each writer for itself, and one whose every save failed counted
far. Had another run taken over meanwhile, its state would be written over. So three texts are held against each other: from before
that apply, what it left, and what is kept now. The apply may have saved a part of its work before saving failed; but whatever is kept
has to be as that apply found it or as it left it, object by object, and what it did not touch has to be there.
"""

from __future__ import annotations

import json
from typing import Any


def follows(left: str, there: str, before: str) -> bool:
    """Return whether what is kept (`there`) holds nothing but what the apply that `left` its state began with (`before`) or made."""
    try:
        made, kept, found = _objects(left), _objects(there), _objects(before)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    known = all(value in {made.get(name), found.get(name)} for name, value in kept.items())
    untouched = {name for name, value in found.items() if made.get(name) == value}
    return known and untouched <= kept.keys()


def _objects(text: str) -> dict[str, str]:
    """Return every object and output of a state as text, by its name."""
    document: Any = json.loads(text)
    outputs = {f"output {name}": _told(value) for name, value in (document.get("outputs") or {}).items()}
    rows = [(row, item) for row in document.get("resources") or () for item in row.get("instances") or ()]
    return {**outputs, **{_name(row, item): _told(item) for row, item in rows}}


def _name(row: dict[str, Any], item: dict[str, Any]) -> str:
    return _told([row.get("module"), row["mode"], row["type"], row["name"], item.get("index_key"), item.get("deposed")])


def _told(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
