"""One Terraform run: its output files, its records as they come, its duration, its failure."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.process import Command, Ending, Finished, follow
from immtf.adapters.terraform.diagnostics import Diagnostic, from_text
from immtf.adapters.terraform.failures import Ended, failure
from immtf.adapters.terraform.stream import TerraformEvent, parse_line
from immtf.errors import Interrupted
from immtf.run.ports import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from immtf.run.ports import Watching

_TAIL = 2000  # characters of output shown where Terraform gave no diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class TerraformLimits:
    """Seconds. `patience_s` is what one interrupt may take, `lock_s` what a held lock may, `earlier_s` what an earlier run may."""

    init_s: float = 600.0
    plan_s: float = 900.0
    apply_s: float = 3600.0
    show_s: float = 120.0
    lock_s: float = 60.0
    patience_s: float = 120.0
    earlier_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class TerraformRun:
    """One run that ended, for the report: which command, how many seconds, with which exit code."""

    command: str
    seconds: float
    exit_code: int


@dataclass(frozen=True, slots=True)
class Output:
    """What a run left: its exit code and everything it wrote to its standard output."""

    exit_code: int
    stdout: str


class Runner:
    """Runs Terraform in one directory, for one thread; `interrupt` may be called from any, and from a signal handler."""

    def __init__(
        self,
        *,
        binary: str,
        root: Path,
        environment: Mapping[str, str],
        scratch: Path,
        listen: Callable[[TerraformEvent], None],
        patience_s: float,
    ) -> None:
        """Keep what each run needs; `scratch` is a directory for files that hold secrets, made with mode 0700."""
        self._binary = binary
        self._root = root
        self._environment = environment
        self._scratch = scratch
        self._listen = listen
        self._patience_s = patience_s
        self._asked_to_end = False  # a plain flag: an Event is not safe to set in a signal handler
        self.program = Path(binary).name
        self.runs: list[TerraformRun] = []

    def interrupt(self) -> None:
        """Ask the run in progress to end, with its one SIGINT; if none is, the next that could be interrupted isn't begun."""
        self._asked_to_end = True

    def run(
        self,
        argv: Sequence[str],
        *,
        limit_s: float,
        stream: bool = False,
        interruptible: bool = False,
        fine: frozenset[int] = frozenset({0}),
        watch: Watching = nobody,
    ) -> Output:
        """Run one command to its end; an exit code that isn't `fine` raises.

        `stream`: the output is Terraform's lines of JSON and is told while it comes; `watch` is called all the while with what it has begun.
        Raises what `failures.failure` makes of it.
        """
        name = " ".join(argv[: 2 if argv[0] == "state" else 1])
        if interruptible:
            self._refuse_if_asked_to_end(name)
        diagnostics: list[Diagnostic] = []
        begun: set[tuple[str, str]] = set()
        with _files(self._scratch) as (stdout, stderr):
            finished = follow(
                Command(
                    argv=(self._binary, *argv),
                    cwd=self._root,
                    environment=self._environment,
                    limit_s=limit_s,
                    patience_s=self._patience_s,
                ),
                stdout=stdout,
                stderr=stderr,
                on_line=(lambda line: self._tell(line, diagnostics, begun)) if stream else (lambda _line: None),
                interrupted=lambda: interruptible and self._asked_to_end,
                meanwhile=lambda: watch(begun),
            )
            said, errors = stdout.read_text(errors="replace"), stderr.read_text(errors="replace")
        self.runs.append(TerraformRun(name, finished.seconds, finished.exit_code))
        if finished.ending is Ending.INTERRUPTED:
            self._asked_to_end = False
        if finished.exit_code not in fine:
            found = (*diagnostics, *from_text(errors))
            raise failure(self._ended(name, finished, limit_s, found, errors or said))
        return Output(finished.exit_code, said)

    def _tell(self, line: str, diagnostics: list[Diagnostic], begun: set[tuple[str, str]]) -> None:
        event = parse_line(line)
        if event is None:
            return
        if event.diagnostic is not None:
            diagnostics.append(event.diagnostic)
        if event.kind == "apply_start":
            begun.add((event.address, event.action))
        self._listen(event)

    def _refuse_if_asked_to_end(self, command: str) -> None:
        if self._asked_to_end:
            self._asked_to_end = False
            raise Interrupted(f"{self.program} {command} was not begun: the run was asked to end", where=str(self._root))

    def _ended(self, command: str, finished: Finished, limit_s: float, found: tuple[Diagnostic, ...], said: str) -> Ended:
        return Ended(self.program, command, self._root, finished, limit_s, found, said[-_TAIL:])


def new_file(scratch: Path, kind: str) -> Path:
    """Make an empty file of mode 0600 in the scratch directory, named after this process and its kind."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=scratch, prefix=f"immtf-{os.getpid()}-", suffix=f".{kind}")
    os.close(descriptor)
    return Path(name)


def sweep(scratch: Path, *, proc: Path = Path("/proc")) -> None:
    """Remove what killed runs left in the scratch directory: plan files and outputs hold secrets."""
    for path in scratch.glob("immtf-*-*.*"):
        if not (proc / path.name.split("-")[1]).exists():
            path.unlink(missing_ok=True)


@contextmanager
def _files(scratch: Path) -> Iterator[tuple[Path, Path]]:
    stdout, stderr = new_file(scratch, "stdout"), new_file(scratch, "stderr")
    try:
        yield stdout, stderr
    finally:
        stdout.unlink(missing_ok=True)
        stderr.unlink(missing_ok=True)
