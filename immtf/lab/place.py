"""A lab's directory: the names in it, its locks, and the file that says where the lab answers.

    lab.json          there while the lab answers: endpoint, cidr, pid, token (readable by its owner only)
    up.lock           held by a command that starts, ends or clears the lab
    controller.lock   held by the controller as long as it lives: the kernel lets go of it however the controller ends
    controller.log    what the controller says
    docker.json       there while the lab may have things in Docker, which are to be removed
    logs/             a log per instance, kept until the next lab but one
    runtime/          the disks; gone with the lab
    environments/     for the commands that use the lab: Terraform's states, worthless without the cloud they speak of

A pid is shown to people and never believed: the lock tells whether the controller lives.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.errors import LabFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of a lab; `directory` is absolute."""

    directory: Path

    @property
    def record(self) -> Path:
        """Where the lab answers."""
        return self.directory / "lab.json"

    @property
    def log(self) -> Path:
        """The controller's log."""
        return self.directory / "controller.log"

    @property
    def up_lock(self) -> Path:
        """Held while the lab is being started, ended or cleared."""
        return self.directory / "up.lock"

    @property
    def controller_lock(self) -> Path:
        """Held as long as the controller lives."""
        return self.directory / "controller.lock"

    @property
    def logs(self) -> Path:
        """The instances' logs."""
        return self.directory / "logs"

    @property
    def runtime(self) -> Path:
        """The disks."""
        return self.directory / "runtime"

    @property
    def docker_note(self) -> Path:
        """Says that the lab may have things in Docker."""
        return self.directory / "docker.json"

    @property
    def environments(self) -> Path:
        """What commands keep about environments in this lab."""
        return self.directory / "environments"

    def read(self) -> dict[str, Any] | None:
        """Read what the lab says of itself; None if there is no (whole) record."""
        try:
            value = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write(self, record: dict[str, Any]) -> None:
        """Say where the lab answers, in one step."""
        draft = self.record.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(record, file)
        draft.replace(self.record)

    def is_held(self) -> bool:
        """Whether a controller lives here."""
        try:
            lock = os.open(self.controller_lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)


@contextmanager
def held(path: Path, limit_s: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[None]:
    """Hold a lock; not to be had within `limit_s` seconds: `TimeoutError`. A directory that can't be written to: `LabFailed`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        what = f"the lab can't be kept here: {error.strerror}"
        raise LabFailed(what, where=str(path.parent), next="let this user write there, or name another place with --home") from error
    try:
        deadline = clock() + limit_s
        while not _try(lock, fcntl.LOCK_EX):
            if clock() >= deadline:
                raise TimeoutError(str(path))
            sleep(LOCK_PAUSE_S)
        yield
    finally:
        os.close(lock)


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
