"""What GitHub's runner reads in a log: workflow commands for annotations and groups, and how their text is escaped.

A command is a line that begins with `::`. What stands in it is foreign text (a reason, an address), which must neither end the
line nor begin another command: `%`, line ends, and in properties `:` and `,` are written as the runner decodes them.
The commands are read from both streams; they go to stderr, so that `--output json` stays data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from immtf.model import events as e
from immtf.model.block_events import BlockTold
from immtf.report.entries import entry
from immtf.report.wording import duration, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.events import Event

Level: TypeAlias = Literal["error", "warning", "notice"]
_DATA: Final[Mapping[int, str]] = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final[Mapping[int, str]] = {**_DATA, ord(":"): "%3A", ord(","): "%2C"}
END_GROUP: Final = "::endgroup::"


def annotation(level: Level, lines: str, *, title: str = "", file: str = "", line: int = 0, column: int = 0) -> str:
    """Return the line that makes an annotation; `lines` may be several. `file` is relative to the repository, 0 is no line."""
    places = {"file": file, "line": str(line or ""), "col": str(column or ""), "title": plain(title)}
    told = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in places.items() if value)
    text = "\n".join(plain(part) for part in lines.split("\n"))
    return f"::{level}{' ' if told else ''}{told}::{_escaped(text, _DATA)}"


def group(title: str) -> str:
    """Return the line that begins a group. Groups don't nest: `END_GROUP` ends the one that is open."""
    return f"::group::{_escaped(plain(title), _DATA)}"


def annotated(event: Event, command: str) -> list[str]:
    """Return the annotations that an event is worth: a halt, a warning, a check that was let pass, an end that went well."""
    match event:
        case BlockTold():
            return annotated(event.told, f"{command}: {event.block}")
        case e.RunHalted():
            told = [event.what, *([f"safe: {event.safe}"] if event.safe else []), *([f"next: {event.next}"] if event.next else [])]
            at = f" at {event.where}" if event.where else ""
            return [annotation("error", "\n".join(told), title=f"{command}: halted{at} (exit {event.exit_code})")]
        case e.Noted(level="warning"):
            return [annotation("warning", event.message, title=command)]
        case e.CheckOverridden():
            told_as = entry(event)
            return [annotation("warning", f"{told_as.subject}: {told_as.words}", title=f"{command}: {event.node or 'check'}")]
        case e.RunFinished(exit_code=0):
            lost = "" if event.writes_lost is None else f", writes lost: {event.writes_lost}"
            nodes = f"nodes replaced: {event.nodes_replaced}, volumes kept: {event.volumes_kept}{lost}"
            figures = nodes if event.terraform_runs else f"took {duration(event.duration_s)}"
            return [annotation("notice", figures, title=f"{command}: {entry(event).words}")]
        case _:
            return []


def _escaped(text: str, table: Mapping[int, str]) -> str:
    return text.translate(table)
