"""The lease on this machine: one run at a time, by a lock that the kernel lets go of with its holder.

The holder writes down who it is, so that the second one can be told; the file's content decides nothing, the lock does. A lock
is lost when its file is removed: the next run would lock a new one.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.errors import ImmtfError, LeaseHeld, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(slots=True)
class LocalLease:
    """A lease that is held: its file and the descriptor that the lock hangs on. `lent`: it was let go of, and is not back."""

    path: Path
    descriptor: int
    lent: bool = False

    @contextmanager
    def lend(self, holder: Mapping[str, str]) -> Iterator[None]:
        """Let another process take the lease while the body runs, one that works for this run. `holder` is written down anew then.

        Raises `LeaseLost` where somebody has it afterwards: then this run makes no further change.
        """
        self.lent = True
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        try:
            yield
        finally:
            self._take_back(holder)

    def _take_back(self, holder: Mapping[str, str]) -> None:
        try:
            _take(self.descriptor, self.path)
        except LeaseHeld as error:
            raise LeaseLost(f"the lease was lent and is not back: {error.what}", where=error.where, next=error.next) from error
        _write(self.descriptor, holder)
        self.lent = False

    def confirm(self) -> None:
        """Make sure that the lease is this run's still. Raises `LeaseLost` where its file was removed or replaced."""
        try:
            there = os.stat(self.path)  # noqa: PTH116 - as the other one, by descriptor
        except OSError:
            there = None
        mine = os.fstat(self.descriptor)
        if self.lent:
            raise LeaseLost("the lease was lent and is not back", where=str(self.path), next="look with `immtf status` who has it")
        if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            raise LeaseLost(
                "the lease was lost: its file was removed, so another run may have begun",
                where=str(self.path),
                next="look with `immtf status`; when no other run is at work: `immtf upgrade`",
            )


@contextmanager
def held_lease(path: Path, holder: Mapping[str, str]) -> Iterator[LocalLease]:
    """Hold the lease while the body runs. `holder` is told to others: run, who, since.

    Raises `LeaseHeld` with who has it, `ImmtfError` where its file can't be had.
    """
    descriptor = _open(path)
    try:
        _take(descriptor, path)
        _write(descriptor, holder)
        yield LocalLease(path, descriptor)
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Mapping[str, Any] | None:
    """Return what the process that holds a lease wrote of itself ({} for nothing that can be read), or None where none holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(os.pread(descriptor, 4096, 0))
    else:
        return None
    finally:
        os.close(descriptor)


def lease_file(name: str, root: Path, environment: Mapping[str, str]) -> Path:
    """Return where the lease of a root module is, wherever a command is run from: in the user's state directory.

    Where there is no such directory (no HOME, as in some containers), it is beside what Terraform keeps in the root module.
    """
    state = Path(environment.get("XDG_STATE_HOME") or "")
    if not state.is_absolute():  # the standard says to ignore such a one; it would be another place from each directory
        home = Path(environment.get("HOME") or "")
        state = home / ".local" / "state"
        if not home.is_absolute():
            return root.resolve() / ".terraform" / "immtf-lease"
    return state / "immtf" / "leases" / name


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ImmtfError(f"the lease can't be opened: {error.strerror}", where=str(path), next="let this user write there") from error


def _write(descriptor: int, holder: Mapping[str, str]) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(dict(holder)).encode(), 0)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LeaseHeld(
            f"another run works on this block: {told(_read(os.pread(descriptor, 4096, 0)))}",
            where=str(path),
            next="wait until it has ended; `immtf status` shows how far it is",
        ) from None


def _read(content: bytes) -> Mapping[str, Any]:
    try:
        holder = json.loads(content)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def told(holder: Mapping[str, Any]) -> str:
    """Return a holder as a sentence, or that it wrote nothing."""
    return ", ".join(f"{key} {value}" for key, value in holder.items()) or "it has not said who it is"
