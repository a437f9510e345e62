"""What a way costs, measured from outside: processor time and memory of a tree of processes, Terraform's runs, calls to the cloud."""

from __future__ import annotations

import os
import resource
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab.guest.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from immtf.lab.client import Lab

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.5
JOIN_S = 30.0
SHIM = '#!/bin/sh\necho "$*" >> "{log}"\nexec "{terraform}" "$@"\n'


@dataclass(frozen=True)
class Shim:
    """A program that takes Terraform's place, writes down that it was called, and becomes Terraform."""

    program: Path
    log: Path

    @classmethod
    def made(cls, directory: Path, terraform: Path) -> Shim:
        """Make it in a directory, for this Terraform."""
        directory.mkdir(parents=True, exist_ok=True)
        shim = cls(directory / "terraform", directory / "terraform.calls")
        shim.program.write_text(SHIM.format(log=shim.log, terraform=terraform))
        shim.program.chmod(0o755)
        shim.log.touch()
        return shim

    def runs(self) -> dict[str, int]:
        """Count the runs so far by command; asking for the version isn't one."""
        found: dict[str, int] = {}
        for line in self.log.read_text().splitlines():
            command = next((word for word in line.split() if not word.startswith("-")), "")
            if command != "version":
                found[command] = found.get(command, 0) + 1
        return found


@dataclass
class Meter:
    """The account of one child process with all that it starts."""

    pid: int
    peak_mb: float = 0.0
    cpu_s: float = 0.0

    def look(self) -> None:
        """Take the tree's memory and time as they are now."""
        tree = [self.pid, *descendants(self.pid)]
        self.peak_mb = max(self.peak_mb, sum(map(_memory_mb, tree)))
        self.cpu_s = max(self.cpu_s, sum(map(_cpu_s, tree)))


@contextmanager
def metered(pid: int) -> Iterator[Meter]:
    """Look at a child's tree several times a second while the body runs; whoever ends the child does so in the body."""
    meter, over = Meter(pid), threading.Event()

    def work() -> None:
        while not over.wait(LOOK_S):
            meter.look()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield meter
    finally:
        over.set()
        thread.join(JOIN_S)


@dataclass
class Account:
    """What was spent between two moments: seconds, calls to the cloud, Terraform's runs, and CPU of the children that ended meanwhile."""

    lab: Lab
    shim: Shim
    began: float = field(default_factory=time.monotonic)
    _calls: dict[str, int] = field(default_factory=dict)
    _runs: dict[str, int] = field(default_factory=dict)
    _cpu_s: float = 0.0

    def __post_init__(self) -> None:
        """Begin to count."""
        self._calls, self._runs, self._cpu_s = self.lab.calls(), self.shim.runs(), _children_s()

    def spent(self) -> dict[str, Any]:
        """Return what was spent until now."""
        runs, calls = since(self._runs, self.shim.runs()), since(self._calls, self.lab.calls())
        return {
            "total_s": time.monotonic() - self.began,
            "aws_calls": sum(calls.values()),
            "calls": calls,
            "terraform_runs": sum(runs.values()),
            "terraform": runs,
            "cpu_s": _children_s() - self._cpu_s,
        }


def since(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """Return what came to each count."""
    return {name: left for name, count in now.items() if (left := count - before.get(name, 0))}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory_mb(pid: int) -> float:
    """Return a process's share of the memory that it has (what is shared is counted once over all that share it)."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _cpu_s(pid: int) -> float:
    """Return the time that a process used, with that of its children that ended."""
    with suppress(OSError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS
    return 0.0
