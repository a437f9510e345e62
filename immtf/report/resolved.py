"""What was resolved, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.published import Published, Unread

_SHOWN = 20  # of what can't be read


def as_text(blocks: Mapping[str, Published], newer: Mapping[str, str]) -> str:
    """Return a line for each block: version, place, what it requires; and why it isn't the newest, where it isn't."""
    rows = [(name, one.version, str(one.place), _requires(one), newer.get(name, "")) for name, one in blocks.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for *cells, why in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        lines += [line, f"    {why}"] if why else [line]
    return "\n".join(lines)


def as_json(asked: Sequence[str], blocks: Mapping[str, Published], newer: Mapping[str, str], unread: Sequence[Unread]) -> str:
    """Return everything as one JSON document."""
    rows = [
        {
            "name": name,
            "version": one.version,
            "place": str(one.place),
            "digest": one.digest,
            "requires": dict(sorted(one.requires.items())),
            "newer": newer.get(name, ""),
        }
        for name, one in blocks.items()
    ]
    left_out = [{"where": one.where, "what": one.what, "name": one.name, "version": one.version} for one in unread]
    return json.dumps({"version": 1, "asked": list(asked), "blocks": rows, "left_out": left_out}, indent=2)


def left_out(unread: Sequence[Unread]) -> list[str]:
    """Return a line for each thing that can't be read, the mistakes in it below."""
    lines = [f"left out: {one.where}: {one.what}" for one in unread[:_SHOWN]]
    return [*lines, f"left out: {len(unread) - _SHOWN} more"] if len(unread) > _SHOWN else lines


def _requires(one: Published) -> str:
    needs = ", ".join(f"{name} {constraint}" for name, constraint in sorted(one.requires.items()))
    return f"requires {needs}" if needs else "requires nothing"
