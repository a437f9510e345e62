"""A mistake in a block's file, and the error that carries all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at one place: `line` and `column` count from 1, `path` is like `clusters.server.gates[1].consul`.

    `hint` says what was probably meant, or how to write it; it may be empty.
    """

    file: Path
    line: int
    column: int
    path: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        """Write one line, in the form that editors and CI systems find places by."""
        subject = f"{self.path}: " if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return printable(f"{self.file}:{self.line}:{self.column}: {subject}{self.what}{hint}")


class ConfigInvalid(UsageError):
    """A file can't be used; `mistakes` are all that are in it, in the order of the file."""

    def __init__(self, mistakes: tuple[Mistake, ...], schema: str = "immtf schema") -> None:
        """Keep the mistakes, of which there is at least one, each once; `schema` is the command that prints the file's schema."""
        self.mistakes = tuple(sorted(dict.fromkeys(mistakes), key=lambda mistake: (mistake.line, mistake.column, mistake.path)))
        count = f"{len(self.mistakes)} mistakes" if len(self.mistakes) > 1 else "1 mistake"
        lines = "".join(f"\n  {mistake}" for mistake in self.mistakes)
        super().__init__(
            f"{count}{lines}",
            where=printable(str(self.mistakes[0].file)),
            next=f"mend the file and run the command again; `{schema}` prints its JSON schema",
        )


def printable(text: str) -> str:
    """Show what can't be printed by its escape, so that a file never moves the reader's cursor."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


def dotted(path: tuple[str | int, ...]) -> str:
    """Write the path to a place as people do: `clusters.server.gates[1]`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")
