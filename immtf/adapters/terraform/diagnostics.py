"""Terraform's diagnostics, from its JSON or from the text of those commands that know no JSON. Pure.

Only the summary, the detail and the place are kept. The source snippet with the values in it is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FRAME = re.compile(r"^[╷│╵] ?")
_HEAD = re.compile(r"^(Error|Warning): (.+)$")
_PLACE = re.compile(r"^  on (.+) line (\d+)(?:, in .*)?:?$")
_SOURCE = re.compile(r"^ +\d+: ")
_OWNER = re.compile(r"^  with (.+),$")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning. `file` is relative to the root module; `line` counts from 1, 0 where there is none."""

    severity: Literal["error", "warning"]
    summary: str
    detail: str = ""
    file: str = ""
    line: int = 0
    address: str = ""

    def __str__(self) -> str:
        """Write place, owner, summary and detail as one paragraph."""
        place = f"{self.file}:{self.line}: " if self.file else ""
        owner = f"{self.address}: " if self.address else ""
        detail = f"\n{self.detail.strip()}" if self.detail.strip() else ""
        return f"{place}{owner}{self.summary}{detail}"


def from_json(record: Mapping[str, Any]) -> Diagnostic:
    """Return the diagnostic in one JSON object, of a stream or of `validate -json`."""
    place = record.get("range") or {}
    return Diagnostic(
        severity="warning" if record.get("severity") == "warning" else "error",
        summary=str(record.get("summary", "")),
        detail=str(record.get("detail", "")),
        file=str(place.get("filename", "")),
        line=int((place.get("start") or {}).get("line", 0)),
        address=str(record.get("address", "")),
    )


def from_text(text: str) -> tuple[Diagnostic, ...]:
    """Return the diagnostics in what a command without JSON wrote, framed and coloured or not, each once."""
    return tuple(dict.fromkeys(_from_lines(lines) for lines in _paragraphs(text)))


def _paragraphs(text: str) -> Iterator[list[str]]:
    current: list[str] = []
    for raw in text.splitlines():
        line = _FRAME.sub("", _ANSI.sub("", raw)).rstrip()
        if _HEAD.match(line) and current:
            yield current
            current = []
        if current or _HEAD.match(line):
            current.append(line)
    if current:
        yield current


def _from_lines(lines: list[str]) -> Diagnostic:
    head = _HEAD.match(lines[0])
    severity, summary = head.groups() if head else ("Error", lines[0])
    file, number, address, detail = "", 0, "", []
    for line in lines[1:]:
        if place := _PLACE.match(line):
            file, number = place[1], int(place[2])
        elif owner := _OWNER.match(line):
            address = owner[1]
        elif not _SOURCE.match(line):
            detail.append(line)
    body = "\n".join(detail).strip()
    return Diagnostic("warning" if severity == "Warning" else "error", summary, body, file, number, address)
