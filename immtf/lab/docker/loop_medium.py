"""Volumes on loop devices: a file of the store each, whose device's node is in one guest only."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from immtf.lab.docker import devices
from immtf.lab.docker.devices import Attached
from immtf.lab.docker.loops import MAJOR
from immtf.lab.docker.volumes import NOTHING, SIZE
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.lab.docker.volumes import Furnishing, Teller

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


class LoopMedium:
    """Volumes as files with devices."""

    def __init__(self, disks: Disks, guests: Teller) -> None:
        """Keep the content in `disks`; `guests` are told when a filesystem has to be at rest, or is torn out."""
        self._disks = disks
        self._guests = guests

    def furnish(self, instance_id: str) -> Furnishing:
        """Nothing is needed: nodes are made in the guest."""
        del instance_id
        return NOTHING

    def make(self, name: str) -> None:
        """Make a blank volume."""
        self._disks.make(name, SIZE)

    def copy(self, source: str, target: str) -> None:
        """Copy a volume's content."""
        self._disks.copy(source, target)

    def remove(self, name: str) -> None:
        """Remove a volume; absent is good."""
        self._disks.remove(name)

    def give(self, volume_id: str, instance_id: str, device: str) -> Attached:
        """Give the volume a device."""
        number = self._disks.attach(volume_id)
        return Attached(volume_id, instance_id, device, node=f"/dev/loop{number}", major=MAJOR, minor=number)

    def take(self, attached: Attached, *, force: bool) -> bool:
        """Take the volume's device away; false where it is in use and that isn't forced.

        Should anybody still hold one that is torn out, it goes on as a copy, so that nothing late is written into what another has then.
        """
        if not self._disks.release(attached.minor):
            if not force:
                return False
            self._guests.tell(attached.instance_id, devices.torn_out_script(attached))
            if not self._disks.release(attached.minor):
                self._disks.release(attached.minor, force=True)
                self._disks.copy(attached.volume_id, attached.volume_id)
        self._guests.tell(attached.instance_id, devices.vanish_script(attached))
        return True

    @contextmanager
    def at_rest(self, attached: Attached) -> Iterator[None]:
        """Keep the volume as of one moment; its filesystem can't be brought to rest: `RuntimeFailed`."""
        if self._disks.busy(attached.minor) and self._guests.tell(attached.instance_id, devices.frozen_script(attached, FREEZE_LIMIT_S)):
            raise RuntimeFailed(f"{attached.volume_id}: its filesystem in {attached.instance_id} can't be brought to rest")
        try:
            yield
        finally:
            if self._disks.busy(attached.minor):
                self._guests.tell(attached.instance_id, devices.thawed_script(attached))
