"""The journal of a run: one JSON line an event in `<directory>/<run>/journal.jsonl`, for people and reports.

A run that can't be told of must not be made: `check` proves before the first change that the journal can be written, and from
then on an event that can't be written raises `JournalFailed`, on which the caller halts. It is raised once: what a caller
does to end in order (look once more, remove a test environment) must not fail of the same cause, so it is written where that
works again and is silent where it doesn't. And it is raised between two acts only: news from within one, such as Terraform's
lines during an apply, never raises, as that would cut the act in two; the next event will. `failure` keeps it for the end.
A line that was written in part is cut off again, so that the file stays readable whatever comes after it.
The directory is 0700 and the file 0600: reasons and evidence name addresses and ids. Secrets never get that far: they are
masked in every text of an event.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from immtf.errors import ImmtfError, UsageError
from immtf.model.event_record import to_record
from immtf.model.events import NodeFinished, Noted, ProbeReported, RunFinished, RunHalted, RunStarted, TerraformTold
from immtf.report.record import encode, masked, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from immtf.model.events import Event

FILE: Final = "journal.jsonl"
_ROOM: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TAIL: Final = 1 << 16
_KEPT_FOR_SURE: Final = (RunStarted, NodeFinished, RunHalted, RunFinished)
_NEVER_RAISED_FOR: Final = (TerraformTold, ProbeReported, Noted, RunHalted, RunFinished)


class JournalFailed(ImmtfError):
    """The journal can't be written, so the run must not go on."""


class Journal:
    """Appends the events of one run; one more reader of them, and the only one that may stop it. Thread-safe."""

    def __init__(self, directory: Path, run_id: str, now: Callable[[], datetime], *, secrets: Collection[str] = ()) -> None:
        """`now` gives the runner's time, with a zone. Texts in `secrets` of at least six characters are never written.

        It is the collection itself that is asked each time: what is added to it later isn't written either.
        """
        if not run_id or run_id.startswith(".") or "/" in run_id:
            raise UsageError(f"{run_id!r} can't be the name of a run")
        self.path = directory / run_id / FILE
        self._run = run_id
        self._now = now
        self._secrets = secrets
        self._lock = Lock()
        self._file: int | None = None
        self._seq = 0
        self._size = 0
        self._raised = False
        self.failure: JournalFailed | None = None

    def check(self) -> None:
        """Make the file and prove that there is room for a run; raises `JournalFailed`. To be called before the first change."""
        with self._lock, self._told("the journal can't be written"):
            self._open()
            trial = self.path.with_name("room")
            try:
                trial.write_bytes(b"\0" * _ROOM)
            finally:
                trial.unlink(missing_ok=True)

    def __call__(self, event: Event, at: datetime | None = None) -> None:
        """Write one event; `at` is now where it isn't given. Raises `JournalFailed` once, on which the caller halts."""
        with self._lock:
            try:
                with self._told(f"the journal can't be written any more, so the run can't go on after event {self._seq}"):
                    self._append(event, at or self._now())
            except JournalFailed as failure:
                self.failure = failure
                if not self._raised and not isinstance(event, _NEVER_RAISED_FOR):
                    self._raised = True
                    raise

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _append(self, event: Event, at: datetime) -> None:
        file = self._open()
        record = to_record(masked(event, self._secrets), run=self._run, seq=self._seq + 1, at=stamp(at))
        # A lone surrogate (a file name that is no UTF-8) becomes `\udc..`, which is how JSON writes it.
        line = (encode(record) + "\n").encode("utf-8", "backslashreplace")
        try:
            left = line
            while left:
                left = left[os.write(file, left) :]
            if isinstance(event, _KEPT_FOR_SURE):
                os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, self._size)
            raise
        self._seq += 1
        self._size += len(line)

    def _open(self) -> int:
        if self._file is None:
            folder = self.path.parent
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if os.fstat(file).st_size:
                os.close(file)
                raise FileExistsError(errno.EEXIST, "another run has this id")
            self._file = file
        return self._file

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            mend = "make room on that disk" if error.errno in _FULL else "let this user write there"
            raise JournalFailed(f"{what}: {error.strerror}", where=str(self.path), next=f"{mend}, then run the command again") from error


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run of the past, as far as its journal tells.

    `outcome` is `unfinished` where the run was killed or goes on yet, and `not begun` where it ended before it told anything.
    """

    run_id: str
    path: Path
    started: datetime
    command: str
    block: str
    environment: str
    outcome: str
    exit_code: int | None


def runs(directory: Path) -> list[RunInfo]:
    """Return the runs whose journals are in `directory`, newest first; none where there is no such directory."""
    found = [_info(path) for path in directory.glob(f"*/{FILE}")]
    return sorted(found, key=lambda info: (info.started, info.run_id), reverse=True)


def find(directory: Path, name: str) -> RunInfo:
    """Return the run with this id, or the only one whose id begins so, or the newest for `last`; else raises `UsageError`."""
    known = runs(directory)
    if name == "last" and known:
        return known[0]
    fits = [info for info in known if info.run_id == name] or [info for info in known if name and info.run_id.startswith(name)]
    if len(fits) == 1:
        return fits[0]
    newest = ", ".join(info.run_id for info in (fits or known)[:5])
    what = f"{len(fits)} runs begin with {name!r}" if fits else f"there is no run {name!r}" if known else "there is no run yet"
    raise UsageError(what, where=str(directory), next=f"name one of {newest}" if newest else "")


def at(path: Path) -> RunInfo:
    """Return the run whose journal is this file, wherever it was brought; its id is the one that stands in it."""
    try:
        info = _info(path)
    except OSError as error:
        raise ImmtfError(f"the journal can't be read: {error.strerror}", where=str(path)) from error
    first, last = _ends(path)
    return replace(info, run_id=str(first.get("run") or last.get("run") or info.run_id))


def _info(path: Path) -> RunInfo:
    first, last = _ends(path)
    begun = first.get("at") or last.get("at")
    finished = last if last.get("event") in {"run_finished", "run_halted"} else {}
    return RunInfo(
        run_id=path.parent.name,
        path=path,
        started=_moment(begun) or datetime.fromtimestamp(path.stat().st_mtime, UTC),
        command=first.get("command", "?"),
        block=first.get("block", "?"),
        environment=first.get("environment", "?"),
        outcome=finished.get("outcome", "halted") if finished else "unfinished" if first or last else "not begun",
        exit_code=finished.get("exit_code"),
    )


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None


def _ends(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the first and the last record that can be read; journals grow long, so only the ends are looked at."""
    with path.open("rb") as file:
        head = file.readline()
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read().split(b"\n")
    return _parsed(head), next((record for record in map(_parsed, reversed(tail)) if record), {})


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
