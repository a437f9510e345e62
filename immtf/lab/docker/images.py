"""Images: Docker images under the AMI's id. A directory tree becomes a layer over the lab's base; an instance's root disk is committed.

The trees expect the lab's programs (Consul, etcd) on PATH, as they are in runtime `process`: those, and what a tree's services name, are
copied from this machine where the base hasn't them and they are on the lab's PATH. etcd may be fetched when the lab has images already,
so each image is looked at anew. `docker:NAME:TAG` is an image of the engine's own, taken as it is; it must boot
as a machine does (`/sbin/init`).

What belongs to one instance is taken out of an image that is made of it: cloud-init's state, the machine's id, the host's SSH keys.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import docker.errors

from immtf.lab.docker import directory_medium
from immtf.lab.docker.engine import asked
from immtf.lab.docker.scope import IMAGE
from immtf.lab.docker.trees import packed_files, packed_tree
from immtf.lab.process.images import boot_plan
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from immtf.lab.docker.scope import Scope

OWN = "docker:"
PROGRAMS = ("consul", "etcd")
PLACES = ("/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin")
INIT = ["/sbin/init"]
CLEANED = f"rm -rf /var/lib/cloud /etc/ssh/ssh_host_*; rm -f /etc/.pwd.lock; {directory_medium.CLEANED}; : >/etc/machine-id"
CLEAN_LIMIT_S = 120


class Images:
    """All images of a lab."""

    def __init__(self, client: Any, scope: Scope, *, base: str, path: str) -> None:
        """Lay trees over the image `base`; `path` is the PATH that the lab's programs are found on."""
        self._client = client
        self._scope = scope
        self._base = base
        self._path = path
        self._ground = ""
        self._known: dict[str, str] = {}
        self._lock = Lock()

    def find(self, image_id: str) -> str:
        """Give Docker's id of an image; unknown: `RuntimeFailed`."""
        with self._lock:
            if image_id not in self._known:
                raise RuntimeFailed(f"there is no image {image_id}")
            return self._known[image_id]

    def register(self, image_id: str, tree: str) -> None:
        """Make a tree an image, or name one of the engine's; no such, or a boot file that can't be carried out: `RuntimeFailed`."""
        self._unknown(image_id)
        if tree.startswith(OWN):
            self._keep(image_id, self._own(tree.removeprefix(OWN).removeprefix("//")))
            return
        place = Path(tree)
        if not place.is_dir():
            raise RuntimeFailed(f"{tree}: the image's tree isn't there")
        wanted = {*PROGRAMS, *(service.command[0] for service in boot_plan(place).services)}
        with self._lock:
            self._ground = self._ground or self._layer(self._base, "ground", lambda made: self._programs(made, PROGRAMS))
        made = self._layer(self._ground, image_id, lambda made: [*self._programs(made, sorted(wanted)), packed_tree(place)])
        self._keep(image_id, made)

    def create(self, image_id: str, container_id: str) -> None:
        """Make an image of a container's root disk, without what is mounted in it and what is that instance's own."""
        self._unknown(image_id)
        with asked(f"{image_id} from {container_id[:12]}"):
            copied = self._client.containers.get(container_id).commit(**self._named(f"{image_id}-raw"))
            cleaner = self._client.containers.create(
                copied.id, entrypoint=["/bin/sh", "-c", CLEANED], command=[], network_mode="none", labels=self._scope.labels(IMAGE)
            )
            try:
                cleaner.start()
                cleaner.wait(timeout=CLEAN_LIMIT_S)
                made = cleaner.commit(**self._named(image_id))
            finally:
                cleaner.remove(force=True)
        self._keep(image_id, made.id)

    def delete(self, image_id: str) -> None:
        """Forget an image, and remove it if the lab made it and no instance is made of it; those that are keep what they have."""
        with self._lock:
            known = self._known.pop(image_id, None)
        if known is not None:
            with asked(image_id):
                for name in (f"{self._scope.repository}:{image_id}", f"{self._scope.repository}:{image_id}-raw"):
                    try:
                        self._client.images.remove(name, force=True)
                    except docker.errors.NotFound:
                        continue

    def _own(self, name: str) -> str:
        try:
            with asked(name):
                return str(self._client.images.get(name).id)
        except RuntimeFailed as failed:
            raise RuntimeFailed(f"the Docker engine has no image {name}: {failed}") from failed

    def _layer(self, below: str, name: str, archives: Any) -> str:
        """Lay archives over an image; `archives` is told the container they are for."""
        with asked(f"the image {name}"):
            container = self._client.containers.create(below, entrypoint=INIT, command=[], labels=self._scope.labels(IMAGE))
            try:
                for archive in archives(container):
                    container.put_archive("/", archive)
                return str(container.commit(**self._named(name)).id)
            finally:
                container.remove(force=True)

    def _programs(self, container: Any, names: Iterable[str]) -> Iterator[bytes]:
        """Pack the programs that the container hasn't and this machine has."""
        for name in names:
            found = None if "/" in name else shutil.which(name, path=self._path)
            if found is not None and not any(_has(container, f"{place}/{name}") for place in PLACES):
                yield packed_files({f"usr/local/bin/{name}": Path(found).read_bytes()}, mode=0o755)

    def _named(self, tag: str) -> dict[str, Any]:
        labels = self._scope.labels(IMAGE)
        changes = [f'LABEL "{name}"="{value}"' for name, value in labels.items()]
        return {"repository": self._scope.repository, "tag": tag, "changes": [*changes, 'ENTRYPOINT ["/sbin/init"]', "CMD []"]}

    def _unknown(self, image_id: str) -> None:
        with self._lock:
            if image_id in self._known:
                raise RuntimeFailed(f"there is an image {image_id} already")

    def _keep(self, image_id: str, docker_id: str) -> None:
        with self._lock:
            self._known[image_id] = docker_id


def _has(container: Any, path: str) -> bool:
    try:
        stream, _ = container.get_archive(path)
    except docker.errors.NotFound:
        return False
    stream.close()
    return True
