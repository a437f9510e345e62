"""The instance's log: every line with its time and the name of the service that wrote it; lines are never mixed.

A service writes into a pipe that the init reads, so that its lines can be named. A line that has no end yet is held back, and
one beyond 8 KiB is written in pieces.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 8192


class Journal:
    """Names lines and writes them to one descriptor."""

    def __init__(self, output: int, wall_clock: Callable[[], float]) -> None:
        """Write to `output`, with times (seconds since the epoch) of `wall_clock`."""
        self._output = output
        self._wall_clock = wall_clock
        self._held: dict[int, tuple[str, bytes]] = {}

    def say(self, name: str, text: str) -> None:
        """Write a line."""
        self._write(name, text.encode())

    def open(self, name: str) -> tuple[int, int]:
        """Open a pipe for a service's output: the end to read (then to be given to `read`) and the end that the service writes to."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._held[reader] = (name, b"")
        return reader, writer

    @property
    def readers(self) -> tuple[int, ...]:
        """The pipes that are open."""
        return tuple(self._held)

    def read(self, reader: int) -> bool:
        """Take what a pipe holds; False, and closed, when its writers are gone."""
        name, held = self._held[reader]
        try:
            data = os.read(reader, 65536)
        except BlockingIOError:
            return True
        *lines, rest = (held + data).split(b"\n")
        while len(rest) > _LONGEST or (rest and not data):
            lines.append(rest[:_LONGEST])
            rest = rest[_LONGEST:]
        for line in lines:
            self._write(name, line)
        self._held[reader] = (name, rest)
        if not data:
            del self._held[reader]
            os.close(reader)
        return bool(data)

    def _write(self, name: str, line: bytes) -> None:
        time = datetime.fromtimestamp(self._wall_clock(), tz=UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        os.write(self._output, f"{time}Z {name}: ".encode() + line.rstrip(b"\r") + b"\n")
