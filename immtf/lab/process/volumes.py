"""Volumes on disk: a directory that is in the instance's `dev/` while it is attached and in the store while it isn't.

Where a volume's directory is tells what it is attached to: nothing else is kept, so nothing can disagree. A lock that a guest
holds on it means that it is in use there; see `immtf.lab.guest.mounts`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

from immtf.lab.guest.home import Home, device_name, read_json, write_json
from immtf.lab.process.trees import copy_tree, remove_tree
from immtf.lab.runtime import RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IDENTITY = "volume.json"


class Volumes:
    """All volumes and snapshots of a lab."""

    def __init__(self, store: Path, snapshots: Path, homes: Path) -> None:
        """Keep detached volumes in `store`; attached ones are below `homes`."""
        self._store = store
        self._snapshots = snapshots
        self._homes = homes
        self._lock = RLock()
        for folder in (store, snapshots, homes):
            folder.mkdir(parents=True, exist_ok=True)

    def create(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make a volume, blank or from a snapshot; unknown snapshot: `RuntimeFailed`."""
        with self._lock:
            if self.find(volume_id) is not None:
                return
            made = self._store / volume_id
            if snapshot_id is None:
                made.mkdir()
            elif (self._snapshots / snapshot_id).is_dir():
                copy_tree(self._snapshots / snapshot_id, made)
            else:
                raise RuntimeFailed(f"there is no snapshot {snapshot_id}")
            (made / "lock").touch()
            write_json(made / IDENTITY, {"volume_id": volume_id})

    def delete(self, volume_id: str) -> None:
        """Remove a detached volume; attached: `VolumeBusy`."""
        with self._lock:
            place = self.find(volume_id)
            if place is not None and place.parent != self._store:
                raise VolumeBusy(f"{volume_id} is attached to {place.parent.parent.name}")
            if place is not None:
                remove_tree(place)

    def find(self, volume_id: str) -> Path | None:
        """Give the volume's directory, wherever it is now."""
        if (self._store / volume_id).is_dir():
            return self._store / volume_id
        places = (place for home in self._all_homes() for place in attached(home))
        return next((place for place in places if read_json(place / IDENTITY).get("volume_id") == volume_id), None)

    def attach(self, volume_id: str, home: Home, device: str) -> None:
        """Move a volume to an instance; there already: done. Attached elsewhere or the device taken: `RuntimeFailed`."""
        with self._lock:
            place, target = self._known(volume_id), home.dev / device_name(device)
            if place == target:
                return
            if place.parent != self._store:
                raise RuntimeFailed(f"{volume_id} is attached to {place.parent.parent.name} as {place.name}")
            if target.exists():
                raise RuntimeFailed(f"{device} of {home.path.name} is taken")
            write_json(place / IDENTITY, {"volume_id": volume_id, "node": _free_node(home)})
            place.rename(target)

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        """Move a volume out of its instance's reach; in use and not forced: `VolumeBusy`."""
        with self._lock:
            place = self._known(volume_id)
            if place.parent == self._store:
                return
            with _unused(place, force=force):
                place.rename(self._store / volume_id)

    def give_back(self, home: Home) -> None:
        """Detach all that is attached to an instance whose guest is gone."""
        with self._lock:
            for place in attached(home):
                place.rename(self._store / read_json(place / IDENTITY)["volume_id"])

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Copy a volume's content as it is now."""
        with self._lock:
            copy_tree(self._known(volume_id), self._snapshots / snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot; none there: done."""
        with self._lock:
            if (self._snapshots / snapshot_id).is_dir():
                remove_tree(self._snapshots / snapshot_id)

    def _known(self, volume_id: str) -> Path:
        place = self.find(volume_id)
        if place is None:
            raise RuntimeFailed(f"there is no volume {volume_id}")
        return place

    def _all_homes(self) -> Iterator[Home]:
        return (Home(path) for path in sorted(self._homes.iterdir()))


def attached(home: Home) -> list[Path]:
    """List the directories of the volumes that are attached to an instance."""
    return sorted(home.dev.iterdir()) if home.dev.is_dir() else []


def _free_node(home: Home) -> str:
    """Give the name that the guest's kernel has for the device: the next nvme, whatever letter was asked for, as on EC2."""
    taken = {read_json(place / IDENTITY).get("node") for place in attached(home)}
    return next(node for number in range(1, 100) if (node := f"/dev/nvme{number}n1") not in taken)


@contextmanager
def _unused(place: Path, *, force: bool) -> Iterator[None]:
    """Keep the volume from being mounted meanwhile; in use: `VolumeBusy`, unless forced."""
    lock = os.open(place / "lock", os.O_RDWR)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not force:
                raise VolumeBusy(f"{place.parent.parent.name} uses the volume in {place.name}") from None
        yield
    finally:
        os.close(lock)
