"""`ProcessRuntime`: the port `Runtime` carried out with processes and directories.

On disk, below the lab's directory: `runtime/images`, `runtime/volumes`, `runtime/snapshots`, `runtime/instances/<id>` (see
`immtf.lab.guest.home`) and `logs/<id>.log`, which outlives its instance. Calls for one instance are carried out one after the
other, calls for different ones side by side.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any

from immtf.lab.guest.home import INSTANCE_MARK, LAB_MARK, Home, read_json, write_json
from immtf.lab.guest.interfaces import given
from immtf.lab.guest.shims import write_shims
from immtf.lab.process.images import Images
from immtf.lab.process.interfaces import Interfaces
from immtf.lab.process.machine import GUEST, Machine
from immtf.lab.process.trees import remove_tree
from immtf.lab.process.volumes import Volumes
from immtf.lab.runtime import Executed, InstanceSpec, InstanceStatus, RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP_PATIENCE_S = 60.0
LOOK_PAUSE_S = 0.005


class ProcessRuntime:
    """Instances as supervised processes on loopback addresses."""

    def __init__(self, lab: Path, *, path: str, stop_patience_s: float = STOP_PATIENCE_S) -> None:
        """Keep everything below `lab`; `path` is the PATH of the guests' programs; a stop that takes longer is made."""
        self._lab = lab.resolve()
        self._path = path
        self._stop_patience_s = stop_patience_s
        self._homes = self._lab / "runtime" / "instances"
        self._logs = self._lab / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._images = Images(self._lab / "runtime" / "images")
        self._volumes = Volumes(self._lab / "runtime" / "volumes", self._lab / "runtime" / "snapshots", self._homes)
        self._interfaces = Interfaces(self._homes)
        self._machines: dict[str, Machine] = {}
        self._locks: dict[str, RLock] = {}
        self._lock = Lock()
        self._closed = False

    def boot(self, spec: InstanceSpec) -> None:
        with self._one(spec.instance_id):
            home = Home(self._homes / spec.instance_id)
            if home.path.exists():
                raise RuntimeFailed(f"there is an instance {spec.instance_id} already")
            if taken := [row.instance_id for row in self.instances() if _has(row, spec.address)]:
                raise RuntimeFailed(f"{spec.address} is in use by {taken[0]}")
            try:
                self._furnish(home, spec)
                self._start(spec.instance_id, home)
            except BaseException:
                remove_tree(home.path)
                raise

    def start(self, instance_id: str) -> None:
        with self._one(instance_id):
            home = self._known(instance_id)
            if not self.is_running(instance_id):
                self._stop(instance_id, force=True)  # one that powered itself off may still be being cleared away
                self._start(instance_id, home)

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        with self._one(instance_id):
            self._known(instance_id)
            self._stop(instance_id, force=force)

    def terminate(self, instance_id: str) -> None:
        with self._one(instance_id):
            home = Home(self._homes / instance_id)
            if home.path.exists():
                self._stop(instance_id, force=False)
                self._volumes.give_back(home)
                gone = self._lab / "runtime" / f"gone-{instance_id}"
                home.path.rename(gone)  # in one step, so that nobody sees half an instance
                remove_tree(gone)

    def is_running(self, instance_id: str) -> bool:
        machine = self._machines.get(instance_id)
        return machine is not None and machine.alive

    def create_volume(self, volume_id: str, *, snapshot_id: str | None = None) -> None:
        self._volumes.create(volume_id, snapshot_id)

    def delete_volume(self, volume_id: str) -> None:
        self._volumes.delete(volume_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        self._volumes.attach(volume_id, self._known(instance_id), device)
        if machine := self._machines.get(instance_id):
            machine.wake()

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        self._volumes.detach(volume_id, force=force)

    def attach_interface(self, instance_id: str, address: str, index: int) -> None:
        with self._one(instance_id):
            home = self._known(instance_id)
            self._wait_until_seen(instance_id, home, index, self._interfaces.attach(home, address, index))

    def detach_interface(self, instance_id: str, index: int) -> None:
        with self._one(instance_id):
            home = self._known(instance_id)
            self._wait_until_seen(instance_id, home, index, self._interfaces.detach(home, index))

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._volumes.snapshot(snapshot_id, volume_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._volumes.delete_snapshot(snapshot_id)

    def create_image(self, image_id: str, instance_id: str) -> None:
        self._images.create(image_id, self._known(instance_id))

    def register_image(self, image_id: str, tree: str) -> None:
        self._images.register(image_id, Path(tree))

    def delete_image(self, image_id: str) -> None:
        self._images.remove(image_id)

    def execute(self, instance_id: str, script: str, *, timeout_s: float) -> Executed:
        self._known(instance_id)
        machine = self._machines.get(instance_id)
        if machine is None or not machine.alive:
            raise RuntimeFailed(f"{instance_id} is not running")
        return machine.run(script, timeout_s)

    def instances(self) -> Sequence[InstanceStatus]:
        homes = [Home(path) for path in sorted(self._homes.iterdir())]
        return [self._status(home, facts) for home in homes if (facts := read_json(home.instance))]

    def close(self) -> None:
        with self._lock:
            self._closed = True
            machines = list(self._machines.values())
        if machines:
            with ThreadPoolExecutor(len(machines)) as pool:
                list(pool.map(Machine.kill, machines))

    def _one(self, instance_id: str) -> RLock:
        with self._lock:
            if self._closed:
                raise RuntimeFailed("the lab is going down")
            return self._locks.setdefault(instance_id, RLock())

    def _known(self, instance_id: str) -> Home:
        home = Home(self._homes / instance_id)
        if not home.instance.exists():
            raise RuntimeFailed(f"there is no instance {instance_id}")
        return home

    def _furnish(self, home: Home, spec: InstanceSpec) -> None:
        for folder in (home.path, home.dev, home.jobs):
            folder.mkdir(parents=True)
        self._images.unpack(spec.image_id, home.root)
        (home.root / "tmp").mkdir(exist_ok=True)
        home.user_data.write_bytes(spec.user_data)
        write_shims(home, GUEST)
        facts: dict[str, Any] = asdict(spec)
        del facts["user_data"]
        write_json(home.instance, facts)

    def _start(self, instance_id: str, home: Home) -> None:
        home.status.unlink(missing_ok=True)
        for left in home.jobs.iterdir():
            remove_tree(left) if left.is_dir() else left.unlink()
        marks = {LAB_MARK: str(self._lab), INSTANCE_MARK: instance_id}
        machine = Machine(home, marks, self._path, self._logs / f"{instance_id}.log")
        with self._lock:
            self._machines[instance_id] = machine
            closed = self._closed
        if closed:  # the lab went down while this guest came up
            machine.kill()
            raise RuntimeFailed("the lab is going down")

    def _stop(self, instance_id: str, *, force: bool) -> None:
        machine = self._machines.get(instance_id)
        if machine is not None:
            machine.kill() if force else machine.stop(self._stop_patience_s)
            self._machines.pop(instance_id, None)

    def _wait_until_seen(self, instance_id: str, home: Home, index: int, change: int) -> None:
        """Wait until the guest, if it runs, has the interface or has let it go; it doesn't: `RuntimeFailed`."""
        wanted = given(home)[1].get(str(index))
        deadline = time.monotonic() + self._stop_patience_s
        if machine := self._machines.get(instance_id):
            machine.wake()
        while self.is_running(instance_id):
            said = read_json(home.status).get("interfaces", {})
            if said.get("change", -1) >= change and said["addresses"].get(str(index)) == wanted:
                return
            if time.monotonic() > deadline:
                raise RuntimeFailed(f"{instance_id}: its guest did not take note of interface {index} within {self._stop_patience_s:g} s")
            time.sleep(LOOK_PAUSE_S)
        self._stop(instance_id, force=True)  # one that powered itself off may still be being cleared away

    def _status(self, home: Home, facts: dict[str, Any]) -> InstanceStatus:
        instance_id = facts["instance_id"]
        machine = self._machines.get(instance_id)
        running = machine is not None and machine.alive
        said = read_json(home.status) if running else {}
        return InstanceStatus(
            instance_id=instance_id,
            image_id=facts["image_id"],
            address=facts["address"],
            running=running,
            pid=machine.pid if machine is not None and running else None,
            mounts={row["path"]: row["volume_id"] for row in said.get("mounts", [])},
            services=dict(said.get("services", {})),
            log=str(self._logs / f"{instance_id}.log"),
            interfaces=given(home)[1],
        )


def _has(row: InstanceStatus, address: str) -> bool:
    """Tell whether an address is an instance's: a further one also while it is stopped."""
    return (row.running and row.address == address) or address in row.interfaces.values()
