"""A recorded run as a picture: the journal is told once more to a console that records, and that is written as SVG.

The picture names no font that would have to be fetched: whoever shows it uses the monospaced font at hand, and every piece of
text has its length written beside it, so that columns stay columns.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from immtf.report.text import TextReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from immtf.model.events import Event

_FONT_FACES: Final = re.compile(r"\s*@font-face \{\{.*?\}\}\n", re.DOTALL)
_FONTS: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"


def to_svg(told: Sequence[tuple[Event, datetime]], *, title: str = "immtf", width: int = 110) -> str:
    """Return a picture of a run from its events, as `read_journal` gives them; `width` in characters."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        force_interactive=False,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    reader = TextReader(console, live=False, waits=False)
    for event, at in told:
        reader(event, at)
    reader.close()
    return console.export_svg(title=title, code_format=_format(), unique_id="immtf")


def _format() -> str:
    """Return rich's own frame without its web fonts."""
    without_fonts = _FONT_FACES.sub("", CONSOLE_SVG_FORMAT)
    return without_fonts.replace("Fira Code, monospace", _FONTS).replace("font-family: arial", "font-family: sans-serif")
