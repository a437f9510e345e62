"""`DockerRuntime`: the port `Runtime` carried out with containers, loop devices and a network of the lab's own.

An instance is a container from the Docker image that its AMI's id names (`images`), with the private address that the API gave it
(`guests`, `network`). A volume is a file of the lab's store (`store`, `loops`) that has a loop device while it is attached (`volumes`); its
node is made in the one container that it is attached to (`devices`). Where there are no loop devices it is a directory (`media`). All of it
carries labels (`scope`), by which a guard (`guard`) and the next lab in this directory find what a killed controller left (`leftovers`).
What runs inside is the image's own: see `base_image`.

Calls for one instance are carried out one after the other, calls for different ones side by side.
"""

from __future__ import annotations

import secrets
from functools import partial
from threading import Lock, RLock
from time import monotonic, sleep
from typing import TYPE_CHECKING

from immtf.lab.docker import base_image, devices, media, status
from immtf.lab.docker.console import Console
from immtf.lab.docker.directory_medium import DirectoryMedium
from immtf.lab.docker.engine import VARIABLES, reach
from immtf.lab.docker.guard import Guard
from immtf.lab.docker.guests import Guests
from immtf.lab.docker.images import OWN, Images
from immtf.lab.docker.interfaces import Interfaces
from immtf.lab.docker.leftovers import clear, note, patiently
from immtf.lab.docker.loop_medium import LoopMedium
from immtf.lab.docker.network import make_network
from immtf.lab.docker.scope import Scope
from immtf.lab.docker.store import Store
from immtf.lab.docker.volumes import Volumes
from immtf.lab.place import Place
from immtf.lab.runtime import Executed, InstanceSpec, InstanceStatus, RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STOP_PATIENCE_S = 60.0


class DockerRuntime:
    """Instances as containers. `cidr` is the network of their addresses, `source` the place of the image that stands for Debian's own."""

    def __init__(self, lab: Path, *, environment: Mapping[str, str], stop_patience_s: float = STOP_PATIENCE_S) -> None:
        """Make network and store of the lab in `lab`; `environment` names the engine (DOCKER_HOST …) and has the programs' PATH.

        No engine that answers, no base image, no free network: `LabFailed`. What the engine refuses: `RuntimeFailed`. Nothing is left then.
        """
        self._lab = lab.resolve()
        self._environment = dict(environment)
        self._stop_patience_s = stop_patience_s
        self._logs = self._lab / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._scope = Scope(self._lab, secrets.token_hex(4))
        self._specs: dict[str, InstanceSpec] = {}
        self._consoles: dict[str, Console] = {}
        self._locks: dict[str, RLock] = {}
        self._lock = Lock()
        self._closed = False
        self._client = reach(self._environment)
        note(Place(self._lab), self._environment, VARIABLES, self._scope.run)
        self._guard = Guard(self._scope.mine, self._environment)
        try:
            self._furnish()
        except BaseException:
            self._guard.leave()
            self._client.close()
            raise

    def _furnish(self) -> None:
        kind = media.wanted(self._environment)
        base = base_image.ensure(self._client, progress=lambda _text: None)
        self.source = f"{OWN}{base}"
        _, subnet = make_network(self._client, self._scope)
        self.cidr = str(subnet)
        store = Store.made(self._client, self._scope, base)
        self._guests = Guests(self._client, self._scope, self._scope.name, lambda limit_s: reach(self._environment, limit_s=limit_s))
        self._images = Images(self._client, self._scope, base=base, path=self._environment.get("PATH", ""))
        self._interfaces = Interfaces(self._client, self._scope, self._guests, base=base, prefix=subnet.prefixlen)
        looped = media.choose(kind, store.prove) == media.LOOP
        self._volumes = Volumes(LoopMedium(store, self._guests) if looped else DirectoryMedium(store, self._guests), self._guests)

    def boot(self, spec: InstanceSpec) -> None:
        with self._one(spec.instance_id):
            if spec.instance_id in self._specs:
                raise RuntimeFailed(f"there is an instance {spec.instance_id} already")
            if holder := self._interfaces.holder(spec.address):
                raise RuntimeFailed(f"{spec.address} is in use by {holder}")
            try:
                container = self._guests.make(spec, self._images.find(spec.image_id), self._volumes.furnish(spec.instance_id))
                self._consoles[spec.instance_id] = Console(self._client, container, self._logs / f"{spec.instance_id}.log")
                self._start(spec.instance_id)
            except BaseException:
                self._guests.remove(spec.instance_id)
                raise
            self._specs[spec.instance_id] = spec

    def start(self, instance_id: str) -> None:
        with self._one(instance_id):
            self._known(instance_id)
            if not self.is_running(instance_id):
                self._start(instance_id)

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        with self._one(instance_id):
            self._known(instance_id)
            self._guests.stop(instance_id, 0 if force else self._stop_patience_s)

    def terminate(self, instance_id: str) -> None:
        with self._one(instance_id):
            if instance_id in self._specs:
                self._guests.stop(instance_id, self._stop_patience_s)
                self._volumes.give_back(instance_id)
                self._interfaces.give_back(instance_id)
                self._consoles.pop(instance_id).finish()
                self._guests.remove(instance_id)
                del self._specs[instance_id]

    def is_running(self, instance_id: str) -> bool:
        return instance_id in self._specs and self._guests.pid(instance_id) is not None

    def create_volume(self, volume_id: str, *, snapshot_id: str | None = None) -> None:
        self._volumes.create(volume_id, snapshot_id)

    def delete_volume(self, volume_id: str) -> None:
        self._volumes.delete(volume_id)

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        self._known(instance_id)
        self._volumes.attach(volume_id, instance_id, device)

    def detach(self, volume_id: str, *, force: bool = False) -> None:
        self._volumes.detach(volume_id, force=force)

    def attach_interface(self, instance_id: str, address: str, index: int) -> None:
        with self._one(instance_id):
            self._known(instance_id)
            if taken := [other.instance_id for other in self._specs.values() if other.address == address]:
                raise RuntimeFailed(f"{address} is in use by {taken[0]}")
            self._interfaces.attach(instance_id, address, index)

    def detach_interface(self, instance_id: str, index: int) -> None:
        with self._one(instance_id):
            self._known(instance_id)
            self._interfaces.detach(instance_id, index)

    def snapshot(self, snapshot_id: str, volume_id: str) -> None:
        self._volumes.snapshot(snapshot_id, volume_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._volumes.delete_snapshot(snapshot_id)

    def create_image(self, image_id: str, instance_id: str) -> None:
        self._known(instance_id)
        self._images.create(image_id, self._guests.container(instance_id))

    def register_image(self, image_id: str, tree: str) -> None:
        self._images.register(image_id, tree)

    def delete_image(self, image_id: str) -> None:
        self._images.delete(image_id)

    def execute(self, instance_id: str, script: str, *, timeout_s: float) -> Executed:
        self._known(instance_id)
        if not self.is_running(instance_id):
            raise RuntimeFailed(f"{instance_id} is not running")
        return self._guests.execute(instance_id, script, timeout_s)

    def instances(self) -> Sequence[InstanceStatus]:
        specs = [self._specs[instance_id] for instance_id in sorted(self._specs)]
        pids = {spec.instance_id: self._guests.pid(spec.instance_id) for spec in specs}
        said = self._guests.ask_all([name for name, pid in pids.items() if pid is not None], status.SCRIPT)
        return [self._status(spec, pids[spec.instance_id], said.get(spec.instance_id, "")) for spec in specs]

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            patiently(partial(clear, self._client, self._scope.mine), monotonic, sleep)
        except RuntimeFailed:
            self._guard.leave()
            raise
        else:
            self._guard.dismiss()  # the note stays: whoever ends the lab looks once more for what was just being made
        finally:
            for console in self._consoles.values():
                console.finish()
            self._client.close()

    def _one(self, instance_id: str) -> RLock:
        with self._lock:
            if self._closed:
                raise RuntimeFailed("the lab is going down")
            return self._locks.setdefault(instance_id, RLock())

    def _known(self, instance_id: str) -> None:
        if instance_id not in self._specs:
            raise RuntimeFailed(f"there is no instance {instance_id}")

    def _start(self, instance_id: str) -> None:
        self._guests.start(instance_id)
        self._consoles[instance_id].follow()
        self._volumes.show(instance_id)
        self._interfaces.show(instance_id)
        if self._closed:  # the lab went down while this guest came up
            raise RuntimeFailed("the lab is going down")

    def _status(self, spec: InstanceSpec, pid: int | None, said: str) -> InstanceStatus:
        mountinfo, services = status.read(said)
        return InstanceStatus(
            instance_id=spec.instance_id,
            image_id=spec.image_id,
            address=spec.address,
            running=pid is not None,
            pid=pid,
            mounts=devices.mounts(mountinfo, self._volumes.of(spec.instance_id)) if pid is not None else {},
            services=services,
            log=str(self._logs / f"{spec.instance_id}.log"),
            interfaces={str(index): address for index, address in self._interfaces.of(spec.instance_id).items()},
        )
