"""The one place where a child process starts.

A child's output goes to files that are read as they grow, never into a pipe: were this program killed, a child with a pipe would
die of SIGPIPE in the middle of its work, while one that writes to a file carries on to its end. The child has a session and a
process group of its own, so neither Ctrl-C nor the end of the terminal reaches it. Its input is empty.

Every child has a time limit. One that is asked to end, or is past its limit, gets exactly one SIGINT and then patience:
Terraform loses what it has just made at the second one. Only when its patience is over too, the whole group is killed, and
`Finished.ending` says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from immtf.errors import ImmtfError, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOOK_S = 0.1


class Ending(Enum):
    """Why a child ended."""

    BY_ITSELF = "by itself"
    INTERRUPTED = "after one interrupt that was asked for"
    LATE = "after one interrupt, as it was past its time limit"
    KILLED = "killed, as it did not end within its patience after one interrupt"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended. `exit_code` is negative for a signal, as in `subprocess`; `late` says that the time limit was passed."""

    exit_code: int
    seconds: float
    ending: Ending
    late: bool = False


@dataclass(frozen=True, slots=True)
class Captured:
    """What a short child left."""

    exit_code: int
    seconds: float
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and where. `environment` is complete; `limit_s` and `patience_s` are seconds.

    `whole_group`: what the child leaves running in its group when it ends is killed.
    """

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    limit_s: float
    patience_s: float = 10.0
    whole_group: bool = False


def follow(
    command: Command,
    *,
    stdout: Path,
    stderr: Path,
    on_line: Callable[[str], None] = lambda _line: None,
    interrupted: Callable[[], bool] = lambda: False,
    meanwhile: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Finished:
    """Run a command to its end and hand each line of its standard output to `on_line` while it runs.

    The two files are made with mode 0600. `interrupted` is asked ten times a second, from this thread; the first true sends the one
    SIGINT. `meanwhile` is called as often, until it's asked to end. An exception out of `on_line` or `meanwhile` is kept until the
    child has ended: nothing is left running unseen. Raises `ToolMissing` where the program can't be started, `ImmtfError` where the
    files or the directory can't be had.
    """
    with _create(stdout) as out, _create(stderr) as err:
        child = _start(command, out, err)
    watch = _Watch(child, started=monotonic(), command=command)
    with stdout.open("rb") as grown:
        lines = _Lines(grown, on_line)
        while not watch.ended(_LOOK_S):
            lines.read()
            watch.press(monotonic(), asked=interrupted())
            if watch.ending is Ending.BY_ITSELF:
                lines.hand_out(meanwhile)
        if command.whole_group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        lines.read(last=True)
    if lines.failure is not None:
        raise lines.failure
    return Finished(child.returncode, monotonic() - watch.started, watch.ending, watch.late)


def capture(command: Command) -> Captured:
    """Run a short command and return all of its output; past its limit it ends with a negative exit code.

    Raises `ToolMissing` where the program can't be started.
    """
    with tempfile.TemporaryDirectory(prefix="immtf-") as scratch:
        stdout, stderr = Path(scratch, "stdout"), Path(scratch, "stderr")
        done = follow(command, stdout=stdout, stderr=stderr)
        said = stderr.read_text(errors="replace")
        if done.late:
            said += f"\n{command.argv[0]} was ended after its limit of {command.limit_s:g} s"
        return Captured(-1 if done.late else done.exit_code, done.seconds, stdout.read_text(errors="replace"), said)


class Child:
    """A command that goes on by itself and is looked at now and then; it has no limit here. Its two files are made with mode 0600.

    Raises `ToolMissing` where the program can't be started, `ImmtfError` where the files or the directory can't be had.
    """

    def __init__(self, command: Command, *, stdout: Path, stderr: Path) -> None:
        """Start it."""
        with _create(stdout) as out, _create(stderr) as err:
            self._child = _start(command, out, err)
        self._grown = stdout.open("rb")
        self._new: list[str] = []
        self._lines = _Lines(self._grown, self._new.append)

    def exit_code(self) -> int | None:
        """Return how it ended, negative for a signal; None while it runs."""
        return self._child.poll()

    def lines(self, *, last: bool = False) -> list[str]:
        """Return the whole lines of its standard output since this was asked last; with `last` the unfinished one too."""
        self._lines.read(last=last)
        found = list(self._new)
        self._new.clear()
        return found

    def signal(self, number: int) -> None:
        """Send it a signal, if it hasn't ended."""
        self._child.send_signal(number)

    def close(self) -> None:
        """Let go of its output."""
        self._grown.close()


def _create(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), "wb")
    except OSError as error:
        raise ImmtfError(f"can't write a program's output: {error.strerror}", where=str(path)) from error


def _start(command: Command, out: BinaryIO, err: BinaryIO) -> subprocess.Popen[bytes]:
    if not command.cwd.is_dir():
        raise ImmtfError("there is no such directory to run a program in", where=str(command.cwd))
    try:
        return subprocess.Popen(
            list(command.argv),
            cwd=command.cwd,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissing(
            f"can't start {command.argv[0]}: {error.strerror}",
            next=f"install {Path(command.argv[0]).name}, or name its path; `immtf doctor` shows what was found",
        ) from error


@dataclass(slots=True)
class _Watch:
    """One child and how far it was pressed to end: not at all, one interrupt, killed."""

    child: subprocess.Popen[bytes]
    started: float
    command: Command
    ending: Ending = Ending.BY_ITSELF
    late: bool = False
    _pressed_at: float = field(default=0.0)

    def ended(self, wait_s: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(wait_s)
            return True
        return False

    def press(self, now: float, *, asked: bool) -> None:
        self.late = self.late or now - self.started > self.command.limit_s
        if self.ending is Ending.BY_ITSELF and (asked or self.late):
            self.ending = Ending.INTERRUPTED if asked else Ending.LATE
            self._pressed_at = now
            self.child.send_signal(signal.SIGINT)
        elif self.ending in {Ending.INTERRUPTED, Ending.LATE} and self.late and now - self._pressed_at > self.command.patience_s:
            self.ending = Ending.KILLED
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)


class _Lines:
    """Whole lines of a file that is still written to."""

    def __init__(self, grown: BinaryIO, on_line: Callable[[str], None]) -> None:
        self._grown = grown
        self._on_line = on_line
        self._rest = b""
        self.failure: Exception | None = None

    def read(self, *, last: bool = False) -> None:
        *lines, self._rest = (self._rest + self._grown.read()).split(b"\n")
        if last and self._rest:
            lines.append(self._rest)
        for line in lines:
            self.hand_out(partial(self._on_line, line.decode(errors="replace")))

    def hand_out(self, call: Callable[[], None]) -> None:
        """Make a call, unless one has failed already."""
        if self.failure is not None:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001 - kept until the child has ended, then raised
            self.failure = error
