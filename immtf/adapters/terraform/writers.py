"""Who wrote a state, and whether that was a newer Terraform than the one at hand. Pure.

Terraform itself refuses only a newer file format. Within one format it goes on, and writes the state down again as its own: what the
newer one had put there for its own use is gone, and nobody sees it. A newer patch of the same minor version is no such matter.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from immtf.errors import ToolMissing

if TYPE_CHECKING:
    from pathlib import Path

_NUMBERS = re.compile(r"(\d+)\.(\d+)")


def writer(state: str) -> str:
    """Return the version that wrote a state file, such as `1.11.4`; "" where it doesn't tell."""
    try:
        document: Any = json.loads(state)
        return str(document["terraform_version"])
    except (ValueError, KeyError, TypeError):
        return ""


def refuse_newer(written_by: str, at_hand: str, *, program: str, where: Path | str) -> None:
    """Raise `ToolMissing`, with both versions, where a state was written by a newer minor version than the one at hand."""
    theirs, ours = _NUMBERS.match(written_by), _NUMBERS.match(at_hand)
    if theirs and ours and _pair(theirs) > _pair(ours):
        raise ToolMissing(
            f"the state was written by {program} {written_by}, and this is {program} {at_hand}; nothing was touched",
            where=str(where),
            next=f"use {program} {theirs[0]} or newer",
        )


def _pair(found: re.Match[str]) -> tuple[int, int]:
    return int(found[1]), int(found[2])
