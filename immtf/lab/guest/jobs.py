"""Commands that are carried out in the guest on request, each with a time limit; its files are in a directory of its own.

A command is over when its first process is: what it leaves in the background stays in the guest and ends with it.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.lab.guest import children

if TYPE_CHECKING:
    from pathlib import Path

TIMED_OUT = 124
NOT_STARTED = 126
STOPPED = 143


@dataclass(slots=True)
class Job:
    """A command under way; `deadline` is a time of the init's clock."""

    name: str
    pid: int
    deadline: float
    timed_out: bool = False


class Jobs:
    """All commands under way, by pid."""

    def __init__(self, cwd: Path) -> None:
        """Run commands in `cwd`."""
        self._cwd = str(cwd)
        self._jobs: dict[int, Job] = {}

    def start(self, name: str, script: Path, deadline: float, *, output: int | None = None) -> None:
        """Run a script; its output goes to `output`, or to files beside it."""
        opened = [] if output is not None else [_create(script.with_name(stream)) for stream in ("stdout", "stderr")]
        stdout, stderr = opened or (output, output)
        try:
            pid = children.start(interpreter(script), cwd=self._cwd, stdout=stdout or 1, stderr=stderr or 2)
        finally:
            for number in opened:
                os.close(number)
        self._jobs[pid] = Job(name, pid, deadline)

    @property
    def names(self) -> set[str]:
        """What is under way."""
        return {job.name for job in self._jobs.values()}

    def next_deadline(self) -> float | None:
        """When the first of them is to be ended."""
        return min((job.deadline for job in self._jobs.values()), default=None)

    def end_overdue(self, now: float) -> None:
        """Kill those whose time is over."""
        for job in self._jobs.values():
            if now >= job.deadline:
                job.timed_out = True
                children.signal_group(job.pid, signal.SIGKILL)

    def end_all(self) -> list[str]:
        """Kill all; their names."""
        for job in self._jobs.values():
            children.signal_group(job.pid, signal.SIGKILL)
        names = [job.name for job in self._jobs.values()]
        self._jobs.clear()
        return names

    def ended(self, pid: int, code: int) -> tuple[str, int] | None:
        """Take a child's end: the command's name and exit code if it was one."""
        job = self._jobs.pop(pid, None)
        if job is None:
            return None
        return job.name, TIMED_OUT if job.timed_out else code


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)


def interpreter(script: Path) -> list[str]:
    """How a script is run: by what its first line names, else by `sh`. It needn't be executable, nor on a disk that allows it."""
    with script.open("rb") as file:
        first = file.readline(512)
    words = first[2:].decode(errors="replace").split(None, 1) if first.startswith(b"#!") else []
    return [*(word.strip() for word in words or ["/bin/sh"]), str(script)]
