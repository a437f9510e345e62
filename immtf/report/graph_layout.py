"""Where the blocks of a graph stand in a picture: rows from the top down, and lanes for the edges that pass rows by.

A stage is a row, or several where it has many blocks. An edge that leads past a row goes through a lane in it, one for all edges from the
same producer, so that it never runs behind a block. Within a row everything stands below what it hangs on, so that few edges cross. Each
row is looked at once with what is in it. Sizes are pixels, of a monospaced font.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from immtf.report.graphs import head, need_words, standing_words
from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.drawing import Drawing, DrawnBlock, Need

CHAR: Final = 7.8  # the width of one character at the size of 13
LINE: Final = 18
PAD: Final = 12
GAP: Final = 28
BETWEEN: Final = 72  # room for edges and their words between two rows
IN_A_ROW: Final = 12  # blocks, unless a stage would then be more than so many rows, each with the lanes of those above
ROWS: Final = 4


@dataclass(frozen=True, slots=True)
class Spot:
    """A block's box with its lines, or, without any, a lane: both are left at the lower side and met at the upper one."""

    name: str
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The middle of it, from the left."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower side, from the top."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an edge: from the lower side of one spot to the upper side of another.

    `need` is what the edge stands for where the stretch meets the consumer, at `place` of `of` on its upper side; None before that.
    """

    start: Spot
    end: Spot
    need: Need | None = None
    place: int = 1
    of: int = 1

    @property
    def meets(self) -> float:
        """Where it meets the end, from the left."""
        return self.end.x + self.end.width * self.place / (self.of + 1) if self.need else self.end.middle


@dataclass
class Layout:
    """Boxes by block, lanes, and the stretches between them; `width` and `height` are those of the whole."""

    boxes: dict[str, Spot] = field(default_factory=dict)
    lanes: list[Spot] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def lay_out(drawing: Drawing) -> Layout:
    """Return where everything of a drawing stands."""
    rows = [row for stage in drawing.stages() for row in _rows(stage)]
    last = {need.name: number for number, row in enumerate(rows) for block in row for need in block.needs}  # the last row that needs it
    layout = Layout()
    above: dict[str, Spot] = {}  # by producer: where its edges come from, for those that are needed further down
    widest = max((sum(_width(lines_of(block)) + GAP for block in row) - GAP for row in rows), default=0.0)
    for number, row in enumerate(rows):
        passing = {name: spot for name, spot in above.items() if last.get(name, 0) > number}
        here = _row(row, passing, above, layout.height, widest)
        _connect(row, passing, here, above, layout)
        layout.height = max(spot.bottom for spot in here.values()) + BETWEEN
        layout.width = max([layout.width, *(spot.x + spot.width for spot in here.values())])
        above = {name: spot for name, spot in here.items() if last.get(name, 0) > number}
    layout.height -= BETWEEN if rows else 0
    return layout


def _rows(stage: Sequence[DrawnBlock]) -> list[Sequence[DrawnBlock]]:
    size = max(IN_A_ROW, -(-len(stage) // ROWS))
    return [stage[start : start + size] for start in range(0, len(stage), size)]


def lines_of(block: DrawnBlock) -> tuple[str, ...]:
    """Return what is written in a block's box."""
    elsewhere = (plain(f"requires {need.name} {need_words(need)}") for need in block.needs if not (need.version and need.is_drawn))
    return (head(block), *elsewhere, *standing_words(block.standing))


def words_of(need: Need) -> str:
    """Return what is written beside an edge."""
    return need_words(need)


def _row(row: Sequence[DrawnBlock], passing: Mapping[str, Spot], above: Mapping[str, Spot], y: float, widest: float) -> dict[str, Spot]:
    """Place a row's blocks and the lanes through it, from left to right."""
    lines = {block.name: lines_of(block) for block in row}
    wanted = {block.name: _below(block, above) for block in row} | {name: spot.middle for name, spot in passing.items()}
    widths = {name: _width(lines[name]) if name in lines else 0.0 for name in wanted}
    height = max(2 * PAD + LINE * len(found) for found in lines.values())
    x = GAP + max(0.0, (widest - sum(width + GAP for width in widths.values()) + GAP) / 2)
    placed = {}
    for name in sorted(wanted, key=lambda name: (wanted[name], name)):
        placed[name] = Spot(name, lines.get(name, ()), x, y, widths[name], height)
        x += widths[name] + GAP
    return placed


def _connect(
    row: Sequence[DrawnBlock], passing: Mapping[str, Spot], here: Mapping[str, Spot], above: Mapping[str, Spot], layout: Layout
) -> None:
    """Add a row with the stretches that lead into it."""
    for name, spot in passing.items():
        layout.lanes.append(here[name])
        layout.stretches.append(Stretch(spot, here[name]))
    for block in row:
        box = layout.boxes[block.name] = here[block.name]
        needs = sorted((need for need in block.needs if need.name in above), key=lambda need: above[need.name].middle)
        layout.stretches += [Stretch(above[need.name], box, need, place, len(needs)) for place, need in enumerate(needs, 1)]


def _below(block: DrawnBlock, above: Mapping[str, Spot]) -> float:
    """Return the middle of what a block hangs on."""
    places = [above[need.name].middle for need in block.needs if need.name in above]
    return sum(places) / len(places) if places else 0.0


def _width(lines: Sequence[str]) -> float:
    return 2 * PAD + CHAR * max(map(len, lines), default=0)
