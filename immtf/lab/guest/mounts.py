"""Volumes as the guest sees them: a device appears, is locked, and linked to its place.

The lock is what "in use" means: it is held on the volume from mount to unmount, and the guest's programs inherit it, so
that a volume is in use as long as any of them lives. A blank volume is not formatted by itself: its word is put into
`/run/immtf/volume-SERIAL.status`, and it gets a filesystem (an identity and a directory) only when a first-boot mark
names it, `/run/immtf/first-boot/SERIAL`, which is taken away then. One that has a filesystem is never formatted, and one that has
content but no identity is refused. Where the image checks filesystems before it mounts them, it says `recovering` meanwhile.
While nothing is mounted the image's own directory stands at the place, as a root disk's does.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from immtf.lab.guest.home import device_name, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from immtf.lab.guest.boot import Mount
    from immtf.lab.guest.home import Home

FILESYSTEM = "ext4"
RUN_DIR = "/run/immtf"
BLANK, RECOVERING = "blank", "recovering"


class MountFailed(Exception):
    """The device is there and can't be mounted; `status` is the image's word for it, where it has one."""

    def __init__(self, what: str, status: str = "") -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True, slots=True)
class Mounted:
    """A row of the mount table; `node` is the name under which the guest's kernel knows the device."""

    path: str
    device: str
    node: str
    volume_id: str
    uuid: str
    fstype: str = FILESYSTEM


class Mounts:
    """The guest's mounts: those wanted, and those that are."""

    def __init__(self, home: Home, wanted: Iterable[Mount]) -> None:
        """Begin with nothing mounted; what a guest left that was killed is taken away."""
        self._home = home
        self._wanted = tuple(wanted)
        self._mounted: dict[str, tuple[Mounted, int]] = {}
        self._words: dict[str, Path] = {}
        self._checks: dict[str, float] = {}
        self._run = home.guest_path(RUN_DIR)
        shutil.rmtree(self._run, ignore_errors=True)  # it is a new boot, and `/run` is empty then
        for mount in self._wanted:
            self._uncover(mount.path)

    @property
    def paths(self) -> set[str]:
        """Where something is mounted."""
        return set(self._mounted)

    @property
    def locks(self) -> tuple[int, ...]:
        """The locks held, as descriptors that the guest's programs are to inherit."""
        return tuple(lock for _, lock in self._mounted.values())

    @property
    def missing(self) -> tuple[Mount, ...]:
        """What is wanted and not mounted."""
        return tuple(mount for mount in self._wanted if mount.path not in self._mounted)

    def table(self) -> list[dict[str, str]]:
        """Give the mount table as it is written into the status."""
        return [asdict(row) for row, _ in self._mounted.values()]

    def mount(self, wanted: Mount, now: float = 0.0) -> Mounted | None:
        """Mount a device; not there yet (or just going away): None. There and not mountable (yet): `MountFailed`.

        `now` is the time in seconds on any clock that only grows.
        """
        volume = self._home.dev / device_name(wanted.device)
        lock = _locked(volume / "lock")
        if lock is None:
            self._say(wanted.path, "", "")
            return None
        try:
            identity = read_json(volume / "volume.json")
            serial = identity["volume_id"].replace("-", "")
            try:
                uuid_ = self._filesystem(volume, serial, wanted, now)
            except MountFailed as failed:
                self._say(wanted.path, serial, failed.status)
                raise
            row = Mounted(wanted.path, "/dev/" + volume.name, identity["node"], identity["volume_id"], uuid_)
            self._cover(wanted.path, volume / "fs")
        except BaseException:
            os.close(lock)
            raise
        self._say(wanted.path, "", "")
        self._mounted[wanted.path] = (row, lock)
        return row

    def _filesystem(self, volume: Path, serial: str, wanted: Mount, now: float) -> str:
        """Give the identity of the volume's filesystem; a blank one gets it here if a first-boot mark names its serial."""
        known = _identity(volume)
        if known is None:
            mark = self._run / "first-boot" / serial
            if not mark.exists():
                raise MountFailed(f"{volume.name} is blank and waits for a first-boot mark", BLANK)
            made = _format(volume)
            mark.unlink()
            return made
        if now < self._checks.setdefault(serial, now + wanted.check_s):
            raise MountFailed(f"{volume.name}: its filesystem is being checked", RECOVERING)
        del self._checks[serial]
        return known

    def _say(self, path: str, serial: str, word: str) -> None:
        """Say a word of the volume that belongs at a place, or take back what was said; the file is there whole or not at all."""
        before = self._words.pop(path, None)
        if word:
            self._run.mkdir(parents=True, exist_ok=True)
            self._words[path] = self._run / f"volume-{serial}.status"
            draft = self._run / f".{serial}"
            draft.write_text(f"{word}\n", encoding="utf-8")
            draft.replace(self._words[path])
        if before is not None and before != self._words.get(path):
            before.unlink(missing_ok=True)

    def lost(self) -> list[str]:
        """Where something is mounted whose device was torn out."""
        return [path for path, (row, _) in self._mounted.items() if not (self._home.dev / device_name(row.device)).exists()]

    def unmount(self, path: str) -> None:
        """Give the place back and let the lock go; the deepest paths have to go first."""
        _, lock = self._mounted.pop(path)
        self._uncover(path)
        os.close(lock)

    def unmount_all(self) -> None:
        """Unmount everything, deepest paths first."""
        for path in sorted(self._mounted, key=len, reverse=True):
            self.unmount(path)

    def _cover(self, path: str, content: Path) -> None:
        place = self._home.guest_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            self._home.under.mkdir(exist_ok=True)
            place.rename(self._covered(path))
        place.symlink_to(content)

    def _uncover(self, path: str) -> None:
        place = self._home.guest_path(path)
        if place.is_symlink():
            place.unlink()
        if not place.exists() and self._covered(path).exists():
            self._covered(path).rename(place)
        place.mkdir(parents=True, exist_ok=True)

    def _covered(self, path: str) -> Path:
        return self._home.under / path.strip("/").replace("/", "__")


def _locked(path: Path) -> int | None:
    """Hold the lock of a volume that is really here: between opening and locking it may have been taken away."""
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(lock)):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _identity(volume: Path) -> str | None:
    """Give the identity of the volume's filesystem; None where nothing at all is on it. Damaged is not blank: `MountFailed`."""
    superblock, content = volume / "superblock.json", volume / "fs"
    if superblock.exists():
        known = read_json(superblock).get("uuid")
        if not known or not content.is_dir():
            raise MountFailed(f"{volume.name}: the filesystem is damaged; it is not formatted again")
        return str(known)
    if content.is_dir() and any(content.iterdir()):
        raise MountFailed(f"{volume.name}: there is content without a filesystem's identity; it is not formatted")
    return None


def _format(volume: Path) -> str:
    """Make a filesystem on a blank volume and give its identity."""
    (volume / "fs").mkdir(exist_ok=True)
    made = str(uuid.uuid4())
    write_json(volume / "superblock.json", {"uuid": made, "fstype": FILESYSTEM})
    return made
