"""The tether between a run and another one that works for it in a container: a file that the first holds locked as long as it lives.

However the first ends, the kernel lets go of the lock. The other one looks at it each second; once it is free nobody is there any more
who would take it down, so it ends itself in good order, as if it had been sent SIGTERM, and two minutes later at once. A lock is
seen through a mount, as long as both are on the same kernel. That it is not held from the beginning is an error: then the two don't
see the same file, and what the other one made would be found by nobody.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

VARIABLE = "IMMTF_TETHER"
LOOK_S = 1.0
AGAIN_S = 120.0
TRIES, TRY_S = 20, 0.05


@contextmanager
def held(path: Path, says: str = "") -> Iterator[Path]:
    """Hold the tether while the body runs; its file, which `says` this, is gone afterwards. Raises `ImmtfError` where it can't be had."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _locked(path)
        os.ftruncate(descriptor, os.pwrite(descriptor, says.encode(errors="surrogateescape"), 0))
    except OSError as error:
        raise ImmtfError(f"the file that tells that this run lives can't be made: {error.strerror}", where=str(path)) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """Return a descriptor with the lock on the file that has this path. One who only looks has it for a moment, or removes a dead one's."""
    for _ in range(TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _free(descriptor, fcntl.LOCK_EX):
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
        os.close(descriptor)
        time.sleep(TRY_S)
    raise ImmtfError("another test works in this environment", where=str(path), next="wait until it has ended")


def _free(descriptor: int, kind: int) -> bool:
    """Lock it, if nobody else has."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Return whether the run that a tether belongs to lives, or may live: a file that can't be looked at is not taken for a dead one's."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        return not _free(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def of_the_dead(path: Path) -> Iterator[bool]:
    """Give whether the run that a tether's file is left of is dead for certain; if so, nobody can hold it while the body runs."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _free(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


@contextmanager
def tethered(
    path: Path | None, *, end: Callable[[], None] | None = None, look_s: float = LOOK_S, again_s: float = AGAIN_S
) -> Iterator[None]:
    """Ask this process to end, once and later once more, when the tether is let go of while the body runs; None: there is none.

    `end` is how it is asked: by SIGTERM to itself. Raises `ImmtfError` where the tether isn't held to begin with.
    """
    if path is None:
        yield
        return
    if not (os.access(path, os.R_OK) and is_held(path)):
        raise ImmtfError(
            "the run that this one works for can't be seen from here",
            where=str(path),
            next=f"its home must be mounted at the same path, on the same machine; a run of your own needs no {VARIABLE}",
        )
    over = Event()
    watch = Thread(target=_watch, args=(path, end or _terminate, over, look_s, again_s), name="tether", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()


def tether_of(environment: Mapping[str, str]) -> Path | None:
    """Return the path of the tether that this process was given, or None."""
    return Path(environment[VARIABLE]) if environment.get(VARIABLE) else None


def _watch(path: Path, end: Callable[[], None], over: Event, look_s: float, again_s: float) -> None:
    while not over.wait(look_s):
        if not is_held(path):
            end()
            if not over.wait(again_s):
                end()
            return


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
