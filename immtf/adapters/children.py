"""The `BlockRuns` port: each run is a process of its own, this very immtf on one block, whose events are read as they come.

What a child says goes to files, which are read as they grow: were this process killed, a child goes on to its next safe point and is not
cut off in the middle of its work by a pipe that nobody reads. That it ends there is the tether's doing (`immtf.adapters.tether`), which is
held as long as there are children. Each has a process group of its own, so Ctrl-C at the terminal reaches it through this process only.

How a child ended is known by its exit code and by what it said of its own end, both: an exit code of 0 alone, without a last event, is
not taken for a success. Nothing of its environment names what to do: options that stand there for this process are taken out.
"""

from __future__ import annotations

import math
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from immtf.adapters import tether
from immtf.adapters.process import Child, Command
from immtf.errors import ExitCode
from immtf.model.events import RunFinished, RunHalted
from immtf.model.running import RunEnd, Told
from immtf.report.relay import Texts, read_line
from immtf.report.wording import without_escapes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.running import Ending, RunOrder

PROGRAM: Final = (sys.executable, "-m", "immtf")
TAIL: Final = 1 << 14
_LOCKS: Final = ("*/tether", "*/variables/tether", "*/*/variables/tether", "*/create/tether", "*/destroy/tether")
_VARIABLES: Final = ".tfvars.json"
_NEXT: Final = "next: "
_OWN: Final = "immtf: "


@dataclass(slots=True)
class _Run:
    """A child: what it said of its end, whether all that it said was handed on, and the signals that it was sent."""

    order: RunOrder
    child: Child
    stderr: Path
    texts: Texts = field(default_factory=Texts)
    halted: RunHalted | None = None
    finished: RunFinished | None = None
    code: int | None = None
    signals: set[int] = field(default_factory=set)
    spelled: Callable[[str], str] = str


class Children:
    """Runs of immtf on single blocks. Their output is kept in `directory` while they run; `environment` is theirs, complete."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        program: Sequence[str] = PROGRAM,
        cwd: Path | None = None,
        spelled: Callable[[str], str] = str,
    ) -> None:
        """`program` is what an order's command line is given to, `cwd` where paths in it begin: here. `spelled` mends what runs say."""
        self._directory = directory
        self._environment = environment
        self._program = tuple(program)
        self._cwd = cwd or Path.cwd()
        self._spelled = spelled
        self._runs: dict[str, _Run] = {}

    def start(self, order: RunOrder) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stdout, stderr = (self._directory / f"{order.block}.{name}" for name in ("stdout", "stderr"))
        argv = (*self._program, *order.argv)
        command = Command(argv=argv, cwd=self._cwd, environment=self._environment, limit_s=math.inf)
        self._runs[order.block] = _Run(order, Child(command, stdout=stdout, stderr=stderr), stderr, spelled=self._spelled)

    def clear(self) -> None:
        """Remove what the children wrote, once there are none: what they told of it is told."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def told(self) -> Sequence[Told]:
        found: list[Told] = []
        for run in self._runs.values():
            code = run.child.exit_code()  # before its last lines are read: it says nothing after that
            found += (told for line in run.child.lines(last=code is not None) if (told := _told(run, line)) is not None)
            run.code = code
        return found

    def ended(self) -> Sequence[RunEnd]:
        over = [run for run in self._runs.values() if run.code is not None]
        for run in over:
            run.child.close()
            del self._runs[run.order.block]
        return [_end(run) for run in over]

    def signal(self, name: str) -> None:
        for run in self._runs.values():
            run.signals.add(signal.Signals[name])
            run.child.signal(signal.Signals[name])


def sweep_left(runs: Path) -> None:
    """Remove what runs over many blocks left in the directory of the runs that were killed: variables of theirs may be secret.

    A run of a test has directories of its own inside of the test's. Journals stay.
    """
    for lock in [path for pattern in _LOCKS for path in runs.glob(pattern)]:
        with tether.of_the_dead(lock) as dead:
            if not dead:
                continue
            for directory in [path for path in lock.parent.iterdir() if path.is_dir()]:
                shutil.rmtree(directory, ignore_errors=True)
            for file in lock.parent.glob(f"*{_VARIABLES}"):
                file.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)


def _told(run: _Run, line: str) -> Told | None:
    found = read_line(run.spelled(line))
    if isinstance(found, str):
        words = run.texts(found)
        return Told(run.order.block, None, words) if words else None
    if isinstance(found, RunHalted):
        run.halted = found
    elif isinstance(found, RunFinished):
        run.finished = found
    return Told(run.order.block, found)


def _end(run: _Run) -> RunEnd:
    """Judge how a run ended by its exit code and its last words."""
    code, block = run.code or 0, run.order.block
    if code == ExitCode.DONE and run.finished is not None:
        return RunEnd(block, "nothing_to_do" if run.finished.outcome == "nothing_to_do" else "done")
    if code == ExitCode.CHANGES_PENDING and run.finished is not None:
        return RunEnd(block, "pending", code)
    problem, following = _problem(run, code)
    asked = -code in run.signals  # it had not begun to listen to signals, so it had not begun anything
    ending: Ending = "interrupted" if asked or code in {ExitCode.INTERRUPTED, ExitCode.PAUSED} else "failed"
    if asked:
        code = ExitCode.PAUSED if -code == signal.SIGTERM else ExitCode.INTERRUPTED
    return RunEnd(block, ending, int(code) if code > 0 else int(ExitCode.ERROR), problem, following)


def _problem(run: _Run, code: int) -> tuple[str, str]:
    """Return why a run ended and what it says to do next: by its last words, else by the end of its errors."""
    if run.halted is not None:
        where = f"{run.halted.where}: " if run.halted.where else ""
        return f"{where}{run.halted.what}", run.halted.next
    how = f"it was killed by {_signal_name(-code)}" if code < 0 else f"it ended with exit code {code}"
    if code == ExitCode.DONE:
        how += ", without a word of its end: whether it is done is not known"
    said, following = map(run.spelled, _last_words(run.stderr))
    return (said or how) if code > 0 else f"{how}{f'; {said}' if said else ''}", following


def _last_words(path: Path) -> tuple[str, str]:
    """Return what was written to a child's errors last and, as it tells it, what to do next. Progress in front of it is left out."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            text = without_escapes(file.read().decode(errors="replace"))
    except OSError as error:
        return f"what it said can't be read: {error.strerror}", ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    begins = max((place for place, line in enumerate(lines) if line.startswith(_OWN)), default=max(0, len(lines) - 3))
    said = [line for line in lines[begins:] if not line.startswith(_NEXT)]
    following = [line.removeprefix(_NEXT) for line in lines[begins:] if line.startswith(_NEXT)]
    return "; ".join(said).removeprefix(_OWN), " ".join(following)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
