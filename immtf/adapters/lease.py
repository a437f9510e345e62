"""The lease of a block where the state is a local file: one run at a time, by a lock that the kernel lets go of with its holder.

The holder writes down who it is, so that the second one can be told; the file's content decides nothing, the lock does.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, LeaseHeld

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def held_lease(path: Path, holder: Mapping[str, str]) -> Iterator[None]:
    """Hold the lease while the body runs. `holder` is told to others: run, who, since.

    Raises `LeaseHeld` with who has it, `ImmtfError` where its file can't be had.
    """
    descriptor = _open(path)
    try:
        _take(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(dict(holder)).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ImmtfError(f"the lease can't be opened: {error.strerror}", where=str(path), next="let this user write there") from error


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LeaseHeld(
            f"another run works on this block: {_told(os.pread(descriptor, 4096, 0))}",
            where=str(path),
            next="wait until it has ended; `immtf status` shows how far it is",
        ) from None


def _told(content: bytes) -> str:
    """Return what the holder wrote of itself, or that it wrote nothing."""
    try:
        holder = json.loads(content)
        return ", ".join(f"{key} {value}" for key, value in holder.items())
    except (ValueError, AttributeError):
        return "it has not said who it is"
