"""What a container says, gathered from its first word on: a thread of its own reads, since the engine sends when it likes.

Output and errors come apart, so that a line of one is never cut by the other. What is kept is bounded: a line that has no end is
cut, and beyond a number of lines that nobody has asked for yet the oldest are dropped.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 1 << 20
MOST = 100_000
END_S = 10.0


class Output:
    """Reads a stream of (output, errors) pieces until it ends."""

    def __init__(self, stream: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Begin to read; `stream` is ended by `close`, if it can be."""
        self._stream: Any = stream
        self._rest = [b"", b""]
        self._lines: deque[str] = deque(maxlen=MOST)
        self._lock = Lock()
        self._thread = Thread(target=self._read, name="container-output", daemon=True)
        self._thread.start()

    def lines(self) -> list[str]:
        """Return the whole lines since this was asked last."""
        with self._lock:
            found = list(self._lines)
            self._lines.clear()
        return found

    def last_lines(self) -> list[str]:
        """Return what is left of one that has ended, the lines without an end too."""
        self._thread.join(END_S)
        with self._lock:
            for number, rest in enumerate(self._rest):
                if rest:
                    self._lines.append(rest.decode(errors="replace"))
                    self._rest[number] = b""
        return self.lines()

    def close(self) -> None:
        """End the reading, and close the connection also where it has ended by itself. May be repeated."""
        response: Any = getattr(self._stream, "_response", None)  # the SDK's stream cuts its socket, and leaves the answer it is in open
        for ended in (self._stream, response):
            with suppress(OSError, ValueError, AttributeError):  # closed in the same moment by the other side
                ended.close()
        self._thread.join(END_S)

    def _read(self) -> None:
        with suppress(OSError, ValueError):  # the engine went away: how the container ended is asked elsewhere
            for pieces in self._stream:
                for number, piece in enumerate(pieces):
                    if piece:
                        self._take(number, piece)

    def _take(self, number: int, piece: bytes) -> None:
        with self._lock:
            *lines, rest = (self._rest[number] + piece).split(b"\n")
            if len(rest) > LONGEST:
                lines, rest = [*lines, rest[:LONGEST]], b""
            self._rest[number] = rest
            self._lines.extend(line.decode(errors="replace") for line in lines)
