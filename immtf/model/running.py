"""Runs over many blocks: what is to be run for each, what comes of it, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from immtf.errors import ExitCode

if TYPE_CHECKING:
    from immtf.model.events import Event

Ending = Literal["done", "nothing_to_do", "pending", "failed", "skipped", "interrupted"]


@dataclass(frozen=True)
class RunOrder:
    """The run of one block: `argv` is immtf's own command line, without the program."""

    block: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """Something that a run told: an event of it or, where `event` is None, a line that was none."""

    block: str
    event: Event | None
    line: str = ""


@dataclass(frozen=True)
class RunEnd:
    """How the run of a block ended; `problem` is why, in words, where it didn't end well, and `next` what it says to do."""

    block: str
    ending: Ending
    exit_code: int = ExitCode.DONE
    problem: str = ""
    next: str = ""
