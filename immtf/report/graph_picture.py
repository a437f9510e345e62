"""The graph of an infrastructure as SVG: stages from the top down, an edge from each block up to what it requires.

Made by hand, of boxes, curves and texts: it needs no font and no program from elsewhere, and the same graph gives the same picture. What
is written beside an edge, right above the consumer, is the constraint; an edge that isn't met is red and thick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from immtf.report.graph_layout import BETWEEN, CHAR, GAP, LINE, PAD, lay_out, words_of
from immtf.report.graphs import fill
from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.drawing import Drawing, Mood
    from immtf.report.graph_layout import Spot, Stretch

_FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
_INK: Final = "#57606a"
_RED: Final = "#cf222e"
_STAGGER: Final = 3  # heights at which the words of neighbouring edges stand


def graph_svg(drawing: Drawing) -> str:
    """Return the picture of a graph."""
    layout = lay_out(drawing)
    title = plain(drawing.title)
    top = GAP * 2 if title else GAP
    width, height = max(layout.width, CHAR * len(title) + GAP) + GAP, layout.height + top + GAP
    size = f'width="{width:.0f}" height="{height:.0f}"'
    moods = {block.name: block.mood for block in drawing.blocks}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img">',
        f"<title>{escape(title or 'blocks')}</title>",
        f'<g font-family={quoteattr(_FONT)} font-size="13">',
        f'<rect {size} fill="#ffffff"/>',
        *([f'<text x="{GAP}" y="{GAP}" font-weight="bold">{escape(title)}</text>'] if title else []),
        f'<g transform="translate(0 {top})">',
        *(_line(spot.middle, spot.y, spot.middle, spot.bottom, _INK) for spot in layout.lanes),
        *(part for stretch in layout.stretches for part in _stretch(stretch)),
        *(part for name, spot in layout.boxes.items() for part in _box(spot, moods[name])),
        "</g>",
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(spot: Spot, mood: Mood) -> Iterator[str]:
    height = 2 * PAD + LINE * len(spot.lines)
    place = f'x="{spot.x:.1f}" y="{spot.y:.1f}" width="{spot.width:.1f}" height="{spot.height:.1f}"'
    yield f'<rect {place} rx="6" fill="{fill(mood)}" stroke="{_INK}"/>'
    for number, line in enumerate(spot.lines):
        weight = ' font-weight="bold"' if number == 0 else ""
        y = spot.y + (spot.height - height) / 2 + PAD + LINE * (number + 0.75)
        yield f'<text x="{spot.middle:.1f}" y="{y:.1f}" text-anchor="middle"{weight}>{escape(line)}</text>'


def _stretch(stretch: Stretch) -> Iterator[str]:
    """Draw a stretch as a curve, and where it meets the consumer the constraint above that place."""
    need = stretch.need
    is_met = need is None or need.fits
    yield _line(stretch.start.middle, stretch.start.bottom, stretch.meets, stretch.end.y, _INK if is_met else _RED, thick=not is_met)
    if need is not None:
        x, y = stretch.meets, stretch.end.y - 8 - 14 * ((stretch.place - 1) % _STAGGER)
        halo = 'stroke="#ffffff" stroke-width="4" paint-order="stroke"'
        words = escape(words_of(need))
        yield f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" text-anchor="middle" fill="{_INK if is_met else _RED}" {halo}>{words}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, *, thick: bool = False) -> str:
    bend = min(BETWEEN, y2 - y1) / 2
    curve = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
    return f'<path d="{curve}" fill="none" stroke="{colour}" stroke-width="{3 if thick else 1.5}"/>'
