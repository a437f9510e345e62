"""Many blocks, each run to its end by a process of its own, in an order that is given: what is ready begins, at most so many at once.

A block begins when all that it waits for has ended well. One that did not end well stops what waits for it, and nothing else: those are
skipped, and that is told with the reason. A request to end goes to the runs that are under way, once, and a second one too; none is
begun any more, and each ends at its own next safe point, for which there is no limit here: it has its own. A fault of ours (a journal
that can't be written) is treated as such a request, and raised when all have ended: they are at work on the world meanwhile.

Pure but for the ports. Each block is looked at once when it is ready and once for each block that it waits for.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import ExitCode, ImmtfError
from immtf.model.block_events import BlockEnded, BlocksEnded, BlockStarted, BlockTold
from immtf.model.events import Noted, RunFinished
from immtf.model.running import RunEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from immtf.model.events import Event
    from immtf.model.running import RunOrder, Told
    from immtf.run.gates import Patience
    from immtf.run.ports import BlockRuns

LOOK_S = 0.2
WELL = frozenset({"done", "nothing_to_do", "pending"})
TELLING = (
    ExitCode.LEASE_LOST,
    ExitCode.PERSON_NEEDED,
    ExitCode.GATE_FAILED,
    ExitCode.VERSIONS_UNRESOLVED,
    ExitCode.ERROR,
    ExitCode.LEASE_HELD,
    ExitCode.USAGE,
    ExitCode.INTERRUPTED,
    ExitCode.PAUSED,
)
_ENDED = {"failed": "failed", "interrupted": "was interrupted", "skipped": "was skipped"}


@dataclass(frozen=True)
class Tally:
    """What came of a run over many blocks: an end for each in the order of the plan, the exit code, and what each run told of its own end.

    The code is 0 where all is done, 10 where a plan has changes, else that of the most telling failure, in the order of `TELLING`: what a
    person has to act upon goes before what may be tried again, and a wish to end comes last.
    """

    ends: tuple[RunEnd, ...]
    code: ExitCode
    finished: Mapping[str, RunFinished]


def judge(ends: Collection[RunEnd]) -> ExitCode:
    """Return the exit code of a run over blocks that ended so."""
    known = {end.exit_code if end.exit_code in TELLING else int(ExitCode.ERROR) for end in ends if end.ending in {"failed", "interrupted"}}
    if known:
        return next(code for code in TELLING if code in known)
    return ExitCode.CHANGES_PENDING if any(end.ending == "pending" for end in ends) else ExitCode.DONE


def run_blocks(
    runs: BlockRuns,
    orders: Sequence[RunOrder],
    waits_for: Mapping[str, Collection[str]],
    patience: Patience,
    *,
    parallel: int = 1,
    pause: Callable[[], bool] = lambda: True,
    versions: Mapping[str, str] | None = None,
) -> Tally:
    """Run each block to its end, those that are ready in the order in which they are given, at most `parallel` at once.

    `waits_for` are the blocks that must have ended well before; one that is not among the orders is no wait. `pause`: whether a request to
    end came from the machine (SIGTERM is passed on, else SIGINT). `versions` are told. Raises what `patience.emit` raised, at the end.
    """
    course = _Course(runs, {order.block: order for order in orders}, patience, parallel, pause, versions or {})
    course.prepare(waits_for)
    course.perform()
    ends = tuple(course.ends[block] for block in course.orders)
    course.tell(BlocksEnded(tuple(course.told_ends[block] for block in course.orders)))
    if course.failure is not None:
        raise course.failure
    return Tally(ends, judge(ends), course.finished)


@dataclass
class _Course:
    """How far it has come. `left` counts what a block still waits for, `ready` holds places in the order, `pressed` requests passed on."""

    runs: BlockRuns
    orders: Mapping[str, RunOrder]
    patience: Patience
    parallel: int
    pause: Callable[[], bool]
    versions: Mapping[str, str]
    place: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    then: dict[str, list[str]] = field(default_factory=dict)
    ready: list[tuple[int, str]] = field(default_factory=list)
    running: dict[str, float] = field(default_factory=dict)
    ends: dict[str, RunEnd] = field(default_factory=dict)
    told_ends: dict[str, BlockEnded] = field(default_factory=dict)
    finished: dict[str, RunFinished] = field(default_factory=dict)
    begun: int = 0
    pressed: int = 0
    failure: Exception | None = None

    def prepare(self, waits_for: Mapping[str, Collection[str]]) -> None:
        """Count what each block waits for."""
        self.place = {block: index for index, block in enumerate(self.orders)}
        for block in self.orders:
            before = {name for name in waits_for.get(block, ()) if name in self.orders}
            self.left[block] = len(before)
            for name in before:
                self.then.setdefault(name, []).append(block)
            if not before:
                heapq.heappush(self.ready, (self.place[block], block))

    def perform(self) -> None:
        """Go on until nothing is under way and nothing can be begun; then end what never was."""
        while True:
            self._press()
            self._begin()
            if not self.running:
                break
            self.patience.clock.sleep(LOOK_S)
            self._hear()
        for block in self.orders:
            if block not in self.ends:
                self._end(self._never_begun(block))

    def tell(self, event: Event) -> None:
        """Tell an event; the first fault in telling is kept, and nothing is told any more."""
        if self.failure is None:
            try:
                self.patience.emit(event)
            except Exception as error:  # noqa: BLE001 - kept until all runs have ended, then raised
                self.failure = error

    @property
    def _stops(self) -> bool:
        return self.failure is not None or self.patience.cancel.is_set()

    def _press(self) -> None:
        """Pass requests to end on, each once; without a run that is under way there is nobody to pass them to."""
        requests = 2 if self.patience.cancel.is_urgent() else 1 if self._stops else 0
        while self.pressed < requests and self.running:
            self.pressed += 1
            name = "SIGTERM" if self.failure or self.pause() else "SIGINT"
            how = "at their next safe point" if self.pressed == 1 else "at once"
            self.tell(Noted("warning", f"asked to end: no block is begun any more, and {', '.join(self.running)} get {name} to end {how}"))
            self.runs.signal(name)

    def _begin(self) -> None:
        while self.ready and len(self.running) < self.parallel and not self._stops:
            _, block = heapq.heappop(self.ready)
            self.begun += 1
            self.tell(BlockStarted(block, self.versions.get(block, ""), self.begun, len(self.orders)))
            if self.failure is not None:
                return
            self.running[block] = self.patience.clock.monotonic()
            try:
                self.runs.start(self.orders[block])
            except ImmtfError as error:
                what = f"{error.where}: {error.what}" if error.where else error.what
                self._end(RunEnd(block, "failed", int(error.exit_code), f"it could not be begun: {what}", error.next))

    def _hear(self) -> None:
        """Tell what is new, and end what has ended."""
        for told in self.runs.told():
            self._relay(told)
        for end in self.runs.ended():
            self._end(end)

    def _relay(self, told: Told) -> None:
        if isinstance(told.event, RunFinished):
            self.finished[told.block] = told.event
        self.tell(BlockTold(told.block, told.event if told.event is not None else Noted("info", told.line)))

    def _end(self, end: RunEnd) -> None:
        """Keep an end, and what follows: a block that waited for this one alone is ready, or none that waits for it ever will be."""
        self._keep(end)
        if end.ending in WELL:
            for block in self.then.get(end.block, ()):
                self.left[block] -= 1
                if not self.left[block]:
                    heapq.heappush(self.ready, (self.place[block], block))
            return
        waiting = deque((end, block) for block in self.then.get(end.block, ()))
        while waiting:
            cause, block = waiting.popleft()
            if block not in self.ends:
                skipped = RunEnd(block, "skipped", problem=f"it waits for {cause.block}, which {_ENDED[cause.ending]}")
                self._keep(skipped)
                waiting += [(skipped, name) for name in self.then.get(block, ())]

    def _keep(self, end: RunEnd) -> None:
        began = self.running.pop(end.block, None)
        seconds = 0.0 if began is None else round(self.patience.clock.monotonic() - began, 3)
        self.ends[end.block] = end
        self.told_ends[end.block] = BlockEnded(end.block, end.ending, int(end.exit_code), end.problem, end.next, seconds)
        self.tell(self.told_ends[end.block])

    def _never_begun(self, block: str) -> RunEnd:
        if self._stops:
            code = ExitCode.PAUSED if self.failure or self.pause() else ExitCode.INTERRUPTED
            return RunEnd(block, "interrupted", int(code), "not begun, as the run was asked to end")
        return RunEnd(block, "failed", int(ExitCode.ERROR), "not begun: what it waits for waits for it")
