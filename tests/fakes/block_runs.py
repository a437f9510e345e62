"""A strict fake of runs on single blocks: each says and ends what a test has scripted, on a virtual clock.

It refuses what must never happen: a block that is begun twice, or while another that it waits for has not ended well, or more at once
than is allowed; a signal while nothing runs. What a run told is handed on before its end, as the port says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError
from immtf.model.running import RunEnd, RunOrder, Told

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.events import Event
    from immtf.run.ports import Clock

WELL = frozenset({"done", "nothing_to_do", "pending"})


@dataclass(frozen=True)
class Course:
    """What the run of a block does: after so many seconds it ends so; `told` comes at its beginning. `on_signal`: how many seconds after
    a first signal it ends as interrupted, None if it takes no notice. `refuses`: it can't even be begun.
    """

    end: str = "done"
    code: int = 0
    after_s: float = 1.0
    told: Sequence[Event] = ()
    lines: Sequence[str] = ()
    on_signal: float | None = 1.0
    refuses: str = ""


@dataclass
class _Under:
    order: RunOrder
    course: Course
    ends_at: float
    end: str
    code: int
    told: bool = False


@dataclass
class FakeBlockRuns:
    """The runs. `waits_for` and `parallel` are what the caller has promised to keep to; `most` is how many were under way at once."""

    clock: Clock
    courses: Mapping[str, Course] = field(default_factory=dict)
    waits_for: Mapping[str, Collection[str]] = field(default_factory=dict)
    parallel: int = 1
    under_way: dict[str, _Under] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    ends: dict[str, str] = field(default_factory=dict)
    signals: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    most: int = 0
    looks: int = 0

    def start(self, order: RunOrder) -> None:
        assert order.block not in self.begun, f"{order.block} is begun twice"
        missing = [name for name in self.waits_for.get(order.block, ()) if self.ends.get(name) not in WELL]
        assert not missing, f"{order.block} is begun before {missing}"
        self.begun.append(order.block)
        course = self.courses.get(order.block, Course())
        if course.refuses:
            self.ends[order.block] = "failed"
            raise ImmtfError(course.refuses, where="here", next="mend it")
        self.under_way[order.block] = _Under(order, course, self.clock.monotonic() + course.after_s, course.end, course.code)
        self.most = max(self.most, len(self.under_way))
        assert len(self.under_way) <= self.parallel, f"{len(self.under_way)} at once"

    def told(self) -> Sequence[Told]:
        self.looks += 1
        found = []
        for name, run in self.under_way.items():
            if not run.told:
                run.told = True
                found += [Told(name, event) for event in run.course.told] + [Told(name, None, line) for line in run.course.lines]
        return found

    def ended(self) -> Sequence[RunEnd]:
        over = [name for name, run in self.under_way.items() if run.told and run.ends_at <= self.clock.monotonic()]
        ends = []
        for name in over:
            run = self.under_way.pop(name)
            self.ends[name] = run.end
            ends.append(RunEnd(name, run.end, run.code, "" if run.end in WELL else "it broke"))  # type: ignore[arg-type]  # a test's text
        return ends

    def signal(self, name: str) -> None:
        assert self.under_way, "a signal to nobody"
        self.signals.append((name, tuple(self.under_way)))
        for run in self.under_way.values():
            soon = run.course.on_signal
            if soon is not None and self.clock.monotonic() + soon < run.ends_at:
                run.ends_at, run.end, run.code = self.clock.monotonic() + soon, "interrupted", 21
