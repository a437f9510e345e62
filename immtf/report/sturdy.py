"""A stream that outlives its reader: who looks at a run may go away, and the run goes on.

`immtf upgrade | head`, a closed terminal or a full log disk must not stop an upgrade between two nodes. What can't be written
is dropped; the journal has it all. Signs that the stream's encoding doesn't know are written with plain letters.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS: Final[Mapping[int, str]] = str.maketrans(
    {"✓": "+", "✗": "x", "↷": ">", "▸": ">", "·": "-", "●": "#", "○": "o", "•": "*", "█": "#", "…": "...", "─": "-"}
)


class SturdyStream(io.TextIOBase):
    """Writes to `stream` as long as that works, and is silent from the first error on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute here
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:  # closed already
            return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not self.lost:
            try:
                self._stream.write(self._written(text))
            except (OSError, ValueError):
                self.lost = True
        return len(text)

    def flush(self) -> None:
        if not self.lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self.lost = True

    def _written(self, text: str) -> str:
        """Return the text as the stream's encoding can hold it."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_LETTERS).encode(self.encoding, "backslashreplace").decode(self.encoding)
        return text
