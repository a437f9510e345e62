"""An account cut to what a page has room for; what is left out is said in words, with its number. The figures are never cut.

Of phases and of streaks the longest stay: those that nobody would see in a picture go first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from immtf.report.page.texts import mapped
from immtf.report.wording import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from immtf.report.page.account import Account

    _T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Room:
    """How much a page may hold: signs in a text, rows in a table, nodes, phases, streaks and reports of writes; `names`: name each bar."""

    text: int
    rows: int
    nodes: int
    phases: int
    streaks: int
    writes: int
    names: bool = False


ROOMS: Final = (
    Room(600, 300, 400, 600, 400, 600, names=True),
    Room(240, 120, 200, 1500, 400, 300),
    Room(120, 60, 200, 700, 200, 150),
    Room(80, 40, 120, 500, 100, 60),
    Room(60, 25, 90, 250, 60, 40),
    Room(40, 20, 30, 100, 60, 40),
    Room(16, 4, 4, 10, 10, 10),
)


def trimmed(known: Account, room: Room) -> Account:
    """Return the account with what there is room for."""
    said: list[str] = []
    cut = Cutter(room.text)
    end = known.end and replace(known.end, away_s=dict(_first(list(known.end.away_s.items()), room.nodes, "times away", said)))
    rows: dict[str, Any] = {
        "blocks": _first(known.blocks, room.nodes, "blocks", said),
        "nodes": _first(known.nodes, room.nodes, "nodes", said),
        "sums": _longest(known.sums, room.rows, "phases' sums", said, lambda item: item.total_s),
        "gates": _longest(known.gates, room.rows, "gates", said, lambda item: item.waited_s),
        "problems": _first(known.problems, room.rows, "errors and warnings", said),
        "skips": _first(known.skips, room.rows, "things skipped", said),
        "phases": _longest(known.phases, room.phases, "phases", said, lambda item: item.seconds),
        "streaks": _longest(known.streaks, room.streaks, "gates' answers in a row", said, lambda item: item.end_s - item.begin_s),
        "writes": _thinned(known.writes, room.writes, "reports of writes", said),
        "calls": _every(known.calls, room.writes, "counts of calls", said),
        "costs": _first(known.costs, room.nodes, "owners' calls", said),
    }
    found = mapped(replace(known, end=end, **rows), cut)
    return replace(found, left_out=(*found.left_out, *said, *cut.said()))


def trimmed_rows(rows: Sequence[tuple[str, ...]], room: Room) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the rows of a comparison with what there is room for, and what is left out in words."""
    said: list[str] = []
    cut = Cutter(room.text)
    found = [tuple(map(cut, row)) for row in _first(rows, room.rows, "figures compared", said)]
    return found, [*said, *cut.said()]


class Cutter:
    """Cuts texts and counts those that it cut."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.count = 0

    def __call__(self, text: str) -> str:
        if len(text) <= self.most:
            return text
        self.count += 1
        return text[: self.most - 1] + "…"

    def said(self) -> list[str]:
        """Return in words what was cut."""
        return [f"{counted(self.count, 'text')} cut after {self.most} signs"] if self.count else []


def _first(rows: Sequence[_T], most: int, what: str, said: list[str]) -> tuple[_T, ...]:
    if len(rows) > most:
        said.append(f"{len(rows) - most:,} of {len(rows):,} {what}: the first {most:,} are here")
    return tuple(rows[:most])


def _longest(rows: Sequence[_T], most: int, what: str, said: list[str], length: Callable[[_T], float]) -> tuple[_T, ...]:
    if len(rows) <= most:
        return tuple(rows)
    order = sorted(range(len(rows)), key=lambda place: (-length(rows[place]), place))
    kept = set(order[:most])
    shortest = length(rows[order[most - 1]])
    said.append(f"{len(rows) - most:,} of {len(rows):,} {what}: those of {duration(shortest)} and more are here, of the shortest the first")
    return tuple(row for place, row in enumerate(rows) if place in kept)


def _thinned(rows: Sequence[Any], most: int, what: str, said: list[str]) -> tuple[Any, ...]:
    """Keep reports of the longest gaps, and of the others so many as there is room for."""
    if len(rows) <= most:
        return tuple(rows)
    grew = [row.gap_s if place == 0 or row.gap_s > rows[place - 1].gap_s else 0.0 for place, row in enumerate(rows)]
    length = [max(row.recent_gap_s, growth) for row, growth in zip(rows, grew, strict=True)]
    longest = sorted((place for place in range(len(rows)) if length[place]), key=lambda place: -length[place])
    kept = {0, len(rows) - 1, *longest[: most // 2]}
    every = -(-len(rows) // (most - len(kept)))
    kept.update(range(0, len(rows), every))
    said.append(f"{len(rows) - len(kept):,} of {len(rows):,} {what}: those of the longest gaps are here")
    return tuple(row for place, row in enumerate(rows) if place in kept)


def _every(rows: Sequence[_T], most: int, what: str, said: list[str]) -> tuple[_T, ...]:
    """Keep the first, the last, and of the others one at even distances."""
    if len(rows) <= most:
        return tuple(rows)
    every = -(-len(rows) // (most - 1))
    kept = {*range(0, len(rows), every), len(rows) - 1}
    said.append(f"{len(rows) - len(kept):,} of {len(rows):,} {what}: one of {every} is here")
    return tuple(row for place, row in enumerate(rows) if place in kept)
