"""A cache that several runs may fill at once: a thing is in it whole, or not at all.

Each thing is made in a directory with a temporary name and renamed when it is complete. Whoever makes one holds a lock on a file;
others wait for it, within a limit, and then find the thing there. A temporary directory that is seen by the holder of the
lock was left by a run that was killed, and is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_TEMPORARY = ".making-"


@dataclass(frozen=True, slots=True)
class Cache:
    """The directory of the cache; `wait_s` is how long to wait for another run that is filling it."""

    directory: Path
    wait_s: float = 900.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the directory of the thing `name`, which `make` fills where it isn't there yet.

        Raises `ImmtfError` where the directory can't be written or the lock isn't free in time, and whatever `make` raises.
        """
        place = self.directory / name
        if place.is_dir():
            return place
        try:
            with self._locked():
                if not place.is_dir():
                    self._make(place, make)
        except OSError as error:
            raise ImmtfError(
                f"can't fill the cache: {error.strerror or error}",
                where=str(self.directory),
                next="make room or name another directory with XDG_CACHE_HOME",
            ) from error
        return place

    def write(self, name: str, text: str) -> Path:
        """Write a small file whole and return its path."""
        place = self.directory / name
        with contextlib.suppress(OSError):
            if place.read_text() == text:
                return place
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            fresh = self.directory / f".{name}.{os.getpid()}"
            fresh.write_text(text)
            fresh.replace(place)
        except OSError as error:
            raise ImmtfError(f"can't write to the cache: {error.strerror}", where=str(place)) from error
        return place

    def _make(self, place: Path, make: Callable[[Path], None]) -> None:
        for left in self.directory.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        fresh = self.directory / f"{_TEMPORARY}{place.name}.{os.getpid()}"
        fresh.mkdir()
        try:
            make(fresh)
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        deadline = self.monotonic() + self.wait_s
        with (self.directory / "lock").open("w") as lock:
            while not _taken(lock.fileno()):
                if self.monotonic() >= deadline:
                    raise ImmtfError(
                        f"another run has been fetching tools for {self.wait_s:g} s",
                        where=str(self.directory / "lock"),
                        next="end that run, or try again when it is done",
                    )
                self.sleep(0.2)
            yield


def cache_directory(environment: Mapping[str, str], home: Path) -> Path:
    """Where tools are kept between runs: below `XDG_CACHE_HOME`, or below `.cache` in `home`."""
    base = environment.get("XDG_CACHE_HOME", "")
    return (home / ".cache" if not base.startswith("/") else home.__class__(base)) / "immtf" / "toolchain"


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
