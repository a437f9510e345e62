"""Who is running on this machine, read from /proc, and how all that belong together are ended.

Used inside (an init ends what it started) and outside (the runtime ends a guest, or what a dead lab left). Three signs tell
that a process belongs to a guest: it descends from its init, it is in the init's session, or it carries the lab's mark in
its environment. An init adopts orphans, so whatever it started descends from it as long as it lives.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Process(NamedTuple):
    """A row of /proc."""

    pid: int
    parent: int
    session: int


def running() -> Iterator[Process]:
    """List every process that has not ended; a zombie has."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are all that is wanted
        if name.isdigit() and (process := _read(int(name))):
            yield process


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - /proc has no need of pathlib, which is slower
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    if not fields or fields[0] in (b"Z", b"X"):
        return None
    return Process(pid, int(fields[1]), int(fields[3]))


def descendants(pid: int) -> set[int]:
    """List all that `pid` started, and what those started."""
    table = list(running())
    found = {pid}
    while more := {process.pid for process in table if process.parent in found} - found:
        found |= more
    return found - {pid}


def in_session(session: int) -> set[int]:
    """List all of a session."""
    return {process.pid for process in running() if process.session == session}


def marked(*marks: tuple[str, str]) -> set[int]:
    """List all whose environment holds every one of these names with these values; never the caller itself."""
    wanted = [f"{name}={value}".encode() for name, value in marks]
    return {process.pid for process in running() if process.pid != os.getpid() and _carries(process.pid, wanted)}


def _carries(pid: int, wanted: Iterable[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - as above
            entries = file.read().split(b"\0")
    except OSError:
        return False
    return all(entry in entries for entry in wanted)


def kill_until_gone(who: Callable[[], set[int]], pause: Callable[[float], None], *, limit_s: float = 10.0) -> set[int]:
    """Kill all that `who` names until it names none, for they may be starting others; what is left after `limit_s` is returned."""
    left = who()
    for _ in range(int(limit_s / 0.02)):
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        pause(0.02)
        left = who()
    return left
