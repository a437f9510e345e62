"""The one hook that every call of every fake port goes through, so that a test can end the run or answer an error anywhere.

`watch` looks at the world after every call, whatever came of it. A `Crash` is a SIGKILL: it is no `Exception`, and after it the process
is dead, so any further call raises it again. A test that starts the next process calls `revive`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Crash(BaseException):
    """The process was killed here."""


@dataclass
class Fault:
    """What goes wrong at the `nth` call (from 1) whose name matches: before its effect, or after it and before its answer."""

    error: BaseException
    name: str = "*"
    nth: int = 1
    when: Literal["before", "after"] = "before"
    times: int = 1
    seen: int = 0

    def hits(self, name: str) -> bool:
        """Count the call, and say whether this one fails."""
        if not fnmatchcase(name, self.name):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass
class Calls:
    """All calls so far, by name, and the faults to come."""

    log: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    dead: bool = False
    watch: Callable[[], None] = lambda: None

    def do(self, name: str, effect: Callable[[], T]) -> T:
        """Carry a call out, unless a fault is planned for it."""
        if self.dead:
            raise Crash(name)
        self.log.append(name)
        hit = [fault for fault in self.faults if fault.hits(name)]
        self._fail(hit, "before")
        try:
            answer = effect()
        finally:
            self.watch()
        self._fail(hit, "after")
        return answer

    def kill(self, where: str) -> NoReturn:
        """Kill the process here."""
        self.dead = True
        raise Crash(where)

    def revive(self) -> None:
        """Start the next process: nothing of the last one's faults is left."""
        self.dead = False
        self.faults.clear()

    def count(self, pattern: str) -> int:
        """Return how many calls of this name there were."""
        return sum(fnmatchcase(name, pattern) for name in self.log)

    def _fail(self, hit: list[Fault], when: str) -> None:
        for fault in hit:
            if fault.when == when:
                self.dead = self.dead or isinstance(fault.error, Crash)
                raise fault.error
