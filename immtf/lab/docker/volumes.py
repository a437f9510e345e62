"""Volumes: files of the store that have a loop device while they are attached; the device's node is in one guest only.

What is attached to what is this controller's knowledge: no guest outlives it. A new volume is blank; nothing here makes a filesystem. A
forced detach is what a power cut is: who used the volume is killed, and should anybody hold it still, the volume goes on as a copy, so that
nothing that was late is ever written into what another instance has by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from immtf.lab.docker import devices
from immtf.lab.runtime import RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1 << 30
"""Every volume's size in bytes, whatever the API says: it takes room only as it is written to."""
FREEZE_LIMIT_S = 60


class Disks(Protocol):
    """Where the files are; see `immtf.lab.docker.store.Store`."""

    def make(self, name: str, size: int) -> None:
        """Make a blank file."""

    def copy(self, source: str, target: str) -> None:
        """Copy a file."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def attach(self, name: str) -> int:
        """Give a file a loop device; its number."""

    def release(self, number: int, *, force: bool = False) -> bool:
        """Take a device from its file; false where it is in use."""

    def busy(self, number: int) -> bool:
        """Whether the device is mounted."""


class Guests(Protocol):
    """Where nodes are made: the running guests."""

    def tell(self, instance_id: str, script: str) -> int | None:
        """Carry a script out in a guest; its exit code, None where the guest doesn't run."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A volume in an instance: under which name, and as which loop device."""

    volume_id: str
    instance_id: str
    device: str
    number: int


class Volumes:
    """All volumes and snapshots of a lab."""

    def __init__(self, disks: Disks, guests: Guests) -> None:
        """Keep the content in `disks`; `guests` are shown the devices."""
        self._disks = disks
        self._guests = guests
        self._lock = RLock()
        self._volumes: set[str] = set()
        self._snapshots: set[str] = set()
        self._attached: dict[str, Attached] = {}

    def create(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make a volume, blank or from a snapshot; unknown snapshot: `RuntimeFailed`."""
        with self._lock:
            if volume_id in self._volumes:
                return
            if snapshot_id is None:
                self._disks.make(volume_id, SIZE)
            elif snapshot_id in self._snapshots:
                self._disks.copy(snapshot_id, volume_id)
            else:
                raise RuntimeFailed(f"there is no snapshot {snapshot_id}")
            self._volumes.add(volume_id)

    def delete(self, volume_id: str) -> None:
        """Remove a detached volume; attached: `VolumeBusy`."""
        with self._lock:
            if (attached := self._attached.get(volume_id)) is not None:
                raise VolumeBusy(f"{volume_id} is attached to {attached.instance_id}")
            if volume_id in self._volumes:
                self._disks.remove(volume_id)
                self._volumes.discard(volume_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        """Make a volume appear in an instance; there already: done. Attached elsewhere or the device taken: `RuntimeFailed`."""
        with self._lock:
            self._known(volume_id)
            if (before := self._attached.get(volume_id)) is not None:
                if (before.instance_id, devices.names(before.device)) == (instance_id, devices.names(device)):
                    return
                raise RuntimeFailed(f"{volume_id} is attached to {before.instance_id} as {before.device}")
            if any(devices.names(other.device) == devices.names(device) for other in self.of(instance_id)):
                raise RuntimeFailed(f"{device} of {instance_id} is taken")
            made = Attached(volume_id, instance_id, device, self._disks.attach(volume_id))
            self._attached[volume_id] = made
            self._show(made)

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        """Take a volume out of its instance; mounted and not forced: `VolumeBusy`."""
        with self._lock:
            self._known(volume_id)
            attached = self._attached.get(volume_id)
            if attached is None:
                return
            if not self._disks.release(attached.number):
                if not force:
                    raise VolumeBusy(f"{attached.instance_id} uses {volume_id}")
                self._tear_out(attached)
            del self._attached[volume_id]
            self._guests.tell(attached.instance_id, devices.vanish_script(attached.number, volume_id, attached.device))

    def of(self, instance_id: str) -> list[Attached]:
        """List what is attached to an instance."""
        with self._lock:
            return [attached for attached in self._attached.values() if attached.instance_id == instance_id]

    def show(self, instance_id: str) -> None:
        """Make the devices of an instance appear that has just started."""
        with self._lock:
            for attached in self.of(instance_id):
                self._show(attached)

    def give_back(self, instance_id: str) -> None:
        """Detach all that is attached to an instance whose guest is gone."""
        with self._lock:
            for attached in self.of(instance_id):
                self.detach(attached.volume_id, force=True)

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Copy a volume's content as of one moment, also while it is written to."""
        with self._lock:
            self._known(volume_id)
            for attached in self._mounted(volume_id):
                if self._guests.tell(attached.instance_id, devices.frozen_script(attached.number, FREEZE_LIMIT_S)):
                    raise RuntimeFailed(f"{volume_id}: its filesystem in {attached.instance_id} can't be brought to rest")
            try:
                self._disks.copy(volume_id, snapshot_id)
            finally:
                for attached in self._mounted(volume_id):
                    self._guests.tell(attached.instance_id, devices.thawed_script(attached.number))
            self._snapshots.add(snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot; none there: done."""
        with self._lock:
            if snapshot_id in self._snapshots:
                self._disks.remove(snapshot_id)
                self._snapshots.discard(snapshot_id)

    def _known(self, volume_id: str) -> None:
        if volume_id not in self._volumes:
            raise RuntimeFailed(f"there is no volume {volume_id}")

    def _mounted(self, volume_id: str) -> Iterator[Attached]:
        attached = self._attached.get(volume_id)
        if attached is not None and self._disks.busy(attached.number):
            yield attached

    def _show(self, attached: Attached) -> None:
        script = devices.appear_script(attached.number, attached.volume_id, attached.device)
        if self._guests.tell(attached.instance_id, script):
            raise RuntimeFailed(f"{attached.volume_id}: no device can be made in {attached.instance_id}")

    def _tear_out(self, attached: Attached) -> None:
        script = devices.torn_out_script(attached.number, attached.volume_id, attached.device)
        self._guests.tell(attached.instance_id, script)
        if not self._disks.release(attached.number):
            self._disks.release(attached.number, force=True)
            self._disks.copy(attached.volume_id, attached.volume_id)
