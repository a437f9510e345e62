"""A runtime in memory that refuses whatever a real one would refuse, and can be made to wait in the middle of anything."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.lab.runtime import Executed, InstanceSpec, InstanceStatus, RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HOLD_LIMIT_S = 60.0


@dataclass
class _Volume:
    content: str = ""
    instance_id: str | None = None
    device: str | None = None
    mounted: bool = False


@dataclass
class _Instance:
    spec: InstanceSpec
    running: bool = True
    starts: int = 1
    interfaces: dict[int, str] = field(default_factory=dict)


@dataclass
class FakeRuntime:
    """Satisfies `immtf.lab.runtime.Runtime`.

    `log` holds every call as words. `hold(operation)` makes calls of that name wait until the block ends; `entered` tells when one
    does. Operations in `broken` fail. `answers` says what `execute` gives. Two calls about one instance at the same time are a fault
    and are kept in `faults`.
    """

    images: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    answers: Callable[[str, str], Executed] = field(default=lambda _instance, _script: Executed(0, "", ""))
    volumes: dict[str, _Volume] = field(default_factory=dict)
    guests: dict[str, _Instance] = field(default_factory=dict)
    snapshots: dict[str, str] = field(default_factory=dict)
    entered: dict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))
    _gates: dict[str, threading.Event] = field(default_factory=dict)
    _at_work: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def hold(self, operation: str) -> Iterator[threading.Event]:
        """Make calls of this name wait inside the block; gives the event that is set when one has come."""
        self.entered[operation] = threading.Event()
        self._gates[operation] = threading.Event()
        try:
            yield self.entered[operation]
        finally:
            self._gates.pop(operation).set()

    def mount(self, volume_id: str) -> None:
        """Let the guest mount the volume: from now on it is busy."""
        volume = self._volume(volume_id)
        if volume.instance_id is None or not self.guests[volume.instance_id].running:
            raise RuntimeFailed(f"{volume_id} is in no running guest")
        volume.mounted = True

    def unmount(self, volume_id: str) -> None:
        """Let the guest give the volume back."""
        self._volume(volume_id).mounted = False

    def power_off(self, instance_id: str) -> None:
        """Let the guest end by itself."""
        self._guest(instance_id).running = False
        self._let_go(instance_id)

    def boot(self, spec: InstanceSpec) -> None:
        with self._work("boot", spec.instance_id, spec.image_id, spec.address):
            if spec.image_id not in self.images:
                raise RuntimeFailed(f"there is no image {spec.image_id}")
            if spec.instance_id in self.guests:
                raise RuntimeFailed(f"{spec.instance_id} is there already")
            if any(
                (guest.spec.address == spec.address and guest.running) or spec.address in guest.interfaces.values()
                for guest in self.guests.values()
            ):
                raise RuntimeFailed(f"{spec.address} is in use")
            self.guests[spec.instance_id] = _Instance(spec)

    def start(self, instance_id: str) -> None:
        with self._work("start", instance_id):
            guest = self._guest(instance_id)
            if guest.running:
                raise RuntimeFailed(f"{instance_id} runs already")
            guest.running = True
            guest.starts += 1

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        with self._work("stop", instance_id, *(["force"] if force else [])):
            self._guest(instance_id).running = False
            self._let_go(instance_id)

    def terminate(self, instance_id: str) -> None:
        with self._work("terminate", instance_id):
            self.guests.pop(instance_id, None)
            for volume in self.volumes.values():
                if volume.instance_id == instance_id:
                    volume.instance_id, volume.device, volume.mounted = None, None, False

    def is_running(self, instance_id: str) -> bool:
        return self._guest(instance_id).running

    def create_volume(self, volume_id: str, *, snapshot_id: str | None = None) -> None:
        with self._work("create_volume", volume_id, *([snapshot_id] if snapshot_id else [])):
            if snapshot_id is not None and snapshot_id not in self.snapshots:
                raise RuntimeFailed(f"there is no snapshot {snapshot_id}")
            self.volumes.setdefault(volume_id, _Volume(self.snapshots.get(snapshot_id or "", "")))

    def delete_volume(self, volume_id: str) -> None:
        with self._work("delete_volume", volume_id):
            volume = self.volumes.get(volume_id)
            if volume is not None and volume.instance_id is not None:
                raise VolumeBusy(f"{volume_id} is attached to {volume.instance_id}")
            self.volumes.pop(volume_id, None)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        with self._work("attach", instance_id, volume_id, device):
            self._guest(instance_id)
            volume = self._volume(volume_id)
            if volume.instance_id is not None:
                raise RuntimeFailed(f"{volume_id} is attached to {volume.instance_id}")
            if any(other.instance_id == instance_id and other.device == device for other in self.volumes.values()):
                raise RuntimeFailed(f"{device} of {instance_id} is taken")
            volume.instance_id, volume.device = instance_id, device

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        with self._work("detach", volume_id, *(["force"] if force else [])):
            volume = self._volume(volume_id)
            if volume.mounted and not force:
                raise VolumeBusy(f"{volume_id} is mounted in {volume.instance_id}")
            volume.instance_id, volume.device, volume.mounted = None, None, False

    def attach_interface(self, instance_id: str, address: str, index: int) -> None:
        with self._work("attach_interface", instance_id, address, str(index)):
            guest = self._guest(instance_id)
            if guest.interfaces.get(index) == address:
                return
            if index < 1 or index in guest.interfaces:
                raise RuntimeFailed(f"interface {index} of {instance_id} is taken")
            if any(address in {other.spec.address, *other.interfaces.values()} for other in self.guests.values()):
                raise RuntimeFailed(f"{address} is in use")
            guest.interfaces[index] = address

    def detach_interface(self, instance_id: str, index: int) -> None:
        with self._work("detach_interface", instance_id, str(index)):
            if index < 1:
                raise RuntimeFailed(f"the primary interface of {instance_id} stays")
            self._guest(instance_id).interfaces.pop(index, None)

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        with self._work("snapshot", snapshot_id, volume_id):
            self.snapshots[snapshot_id] = self._volume(volume_id).content

    def delete_snapshot(self, snapshot_id: str) -> None:
        with self._work("delete_snapshot", snapshot_id):
            self.snapshots.pop(snapshot_id, None)

    def create_image(self, image_id: str, instance_id: str) -> None:
        with self._work("create_image", instance_id, image_id):
            self._guest(instance_id)
            self.images.add(image_id)

    def register_image(self, image_id: str, tree: str) -> None:
        with self._work("register_image", image_id, tree):
            if not tree.startswith("/images/"):
                raise RuntimeFailed(f"there is no directory {tree}")
            self.images.add(image_id)

    def delete_image(self, image_id: str) -> None:
        with self._work("delete_image", image_id):
            self.images.discard(image_id)

    def execute(self, instance_id: str, script: str, *, timeout_s: float) -> Executed:
        if timeout_s <= 0:
            raise ValueError(timeout_s)
        if not self._guest(instance_id).running:
            raise RuntimeFailed(f"{instance_id} does not run")
        return self.answers(instance_id, script)

    def instances(self) -> Sequence[InstanceStatus]:
        with self._lock:
            return [
                InstanceStatus(
                    instance_id=instance_id,
                    image_id=guest.spec.image_id,
                    address=guest.spec.address,
                    running=guest.running,
                    pid=1 if guest.running else None,
                    mounts={
                        volume.device or "": volume_id
                        for volume_id, volume in self.volumes.items()
                        if volume.instance_id == instance_id and volume.mounted
                    },
                    services={},
                    log="",
                    interfaces={str(index): address for index, address in guest.interfaces.items()},
                )
                for instance_id, guest in self.guests.items()
            ]

    def close(self) -> None:
        with self._lock:
            self.log.append("close")
            self.guests.clear()

    def _guest(self, instance_id: str) -> _Instance:
        guest = self.guests.get(instance_id)
        if guest is None:
            raise RuntimeFailed(f"there is no instance {instance_id}")
        return guest

    def _volume(self, volume_id: str) -> _Volume:
        volume = self.volumes.get(volume_id)
        if volume is None:
            raise RuntimeFailed(f"there is no volume {volume_id}")
        return volume

    def _let_go(self, instance_id: str) -> None:
        for volume in self.volumes.values():
            if volume.instance_id == instance_id:
                volume.mounted = False

    @contextmanager
    def _work(self, operation: str, *words: str) -> Iterator[None]:
        """Note the call, wait if its operation is held, and see that calls about one thing come one after the other."""
        thing = words[0]
        with self._lock:
            self.log.append(" ".join([operation, *words]))
            if thing in self._at_work:
                self.faults.append(f"{operation} {thing} beside another call")
            self._at_work.add(thing)
        try:
            gate = self._gates.get(operation)
            self.entered[operation].set()
            if gate is not None and not gate.wait(HOLD_LIMIT_S):
                raise RuntimeFailed(f"{operation} was held for too long")
            if operation in self.broken:
                raise RuntimeFailed(f"{operation} is broken")
            with self._lock:
                yield
        finally:
            with self._lock:
                self._at_work.discard(thing)
