"""What is looked at while tests run: whether somebody wants them to end, and which one is under way."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TELL_EVERY_S = 15.0
_TAIL = 20_000


def read_tail(path: Path) -> str:
    """Return the last part of a file, "" where there is none."""
    with suppress(OSError), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL))
        return stream.read().decode(errors="replace")
    return ""


@dataclass(frozen=True, slots=True)
class Watch:
    """`interrupted` is asked all the time; `tell` hears every `every_s` seconds which test of `node` is under way."""

    interrupted: Callable[[], bool] = lambda: False
    tell: Callable[[str], None] = lambda _text: None
    node: str = ""
    monotonic: Callable[[], float] = time.monotonic
    every_s: float = TELL_EVERY_S

    def over(self, under_way: Path) -> Callable[[], bool]:
        """Return what is asked ten times a second while tests run; `under_way` is the file that holds the name of the present one."""
        told_at = self.monotonic()

        def asked() -> bool:
            nonlocal told_at
            if self.monotonic() - told_at >= self.every_s:
                told_at = self.monotonic()
                test = read_tail(under_way).strip()
                self.tell(f"{self.node}: the tests go on" + (f", {test} is under way" if test else ""))
            return self.interrupted()

        return asked
