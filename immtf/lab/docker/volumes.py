"""Volumes and snapshots of a lab, whatever they are made of: who has which, and what may not be done with it.

What is attached to what is this controller's knowledge: no guest outlives it. A new volume is blank; nothing here makes a filesystem. A
forced detach is what a power cut is: who used the volume is killed, and nothing that was late is ever written into what another instance
has by then.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from immtf.lab.docker import devices
from immtf.lab.runtime import RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from immtf.lab.docker.devices import Attached

SIZE = 1 << 30
"""Every volume's size in bytes, whatever the API says: it takes room only as it is written to."""


@dataclass(frozen=True, slots=True)
class Furnishing:
    """What a guest is made with for its volumes: binds in Docker's words, and programs by their paths."""

    binds: tuple[str, ...] = ()
    tools: dict[str, bytes] = field(default_factory=dict)


NOTHING = Furnishing()


class Medium(Protocol):
    """What volumes are made of; see `loop_medium` and `directory_medium`."""

    def furnish(self, instance_id: str) -> Furnishing:
        """Tell what a guest is to be made with."""

    def make(self, name: str) -> None:
        """Make a blank volume."""

    def copy(self, source: str, target: str) -> None:
        """Copy a volume's content."""

    def remove(self, name: str) -> None:
        """Remove a volume that no instance has; absent is good."""

    def give(self, volume_id: str, instance_id: str, device: str) -> Attached:
        """Hand a volume to an instance; its node isn't there yet."""

    def take(self, attached: Attached, *, force: bool) -> bool:
        """Take a volume with its node out of an instance; false where it is in use and that isn't forced."""

    def at_rest(self, attached: Attached) -> AbstractContextManager[None]:
        """Nothing is written to the volume meanwhile; can't be: `RuntimeFailed`."""


class Teller(Protocol):
    """Where nodes are made: the running guests."""

    def tell(self, instance_id: str, script: str) -> int | None:
        """Carry a script out in a guest; its exit code, None where the guest doesn't run."""


class Volumes:
    """All volumes and snapshots of a lab."""

    def __init__(self, medium: Medium, guests: Teller) -> None:
        """Make them of `medium`; `guests` are shown the devices."""
        self._medium = medium
        self._guests = guests
        self._lock = RLock()
        self._volumes: set[str] = set()
        self._snapshots: set[str] = set()
        self._attached: dict[str, Attached] = {}

    def furnish(self, instance_id: str) -> Furnishing:
        """Tell what a guest is to be made with."""
        return self._medium.furnish(instance_id)

    def create(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make a volume, blank or from a snapshot; unknown snapshot: `RuntimeFailed`."""
        with self._lock:
            if volume_id in self._volumes:
                return
            if snapshot_id is None:
                self._medium.make(volume_id)
            elif snapshot_id in self._snapshots:
                self._medium.copy(snapshot_id, volume_id)
            else:
                raise RuntimeFailed(f"there is no snapshot {snapshot_id}")
            self._volumes.add(volume_id)

    def delete(self, volume_id: str) -> None:
        """Remove a detached volume; attached: `VolumeBusy`."""
        with self._lock:
            if (attached := self._attached.get(volume_id)) is not None:
                raise VolumeBusy(f"{volume_id} is attached to {attached.instance_id}")
            if volume_id in self._volumes:
                self._medium.remove(volume_id)
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
            made = self._medium.give(volume_id, instance_id, device)
            self._attached[volume_id] = made
            self._show(made)

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        """Take a volume out of its instance; in use and not forced: `VolumeBusy`."""
        with self._lock:
            self._known(volume_id)
            attached = self._attached.get(volume_id)
            if attached is None:
                return
            if not self._medium.take(attached, force=force):
                raise VolumeBusy(f"{attached.instance_id} uses {volume_id}")
            del self._attached[volume_id]

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
            attached = self._attached.get(volume_id)
            with nullcontext() if attached is None else self._medium.at_rest(attached):
                self._medium.copy(volume_id, snapshot_id)
            self._snapshots.add(snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot; none there: done."""
        with self._lock:
            if snapshot_id in self._snapshots:
                self._medium.remove(snapshot_id)
                self._snapshots.discard(snapshot_id)

    def _known(self, volume_id: str) -> None:
        if volume_id not in self._volumes:
            raise RuntimeFailed(f"there is no volume {volume_id}")

    def _show(self, attached: Attached) -> None:
        if self._guests.tell(attached.instance_id, devices.appear_script(attached)):
            raise RuntimeFailed(f"{attached.volume_id}: no device can be made in {attached.instance_id}")
