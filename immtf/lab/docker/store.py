"""The lab's store: a container that has the volumes and may make loop devices of files; it never runs anything of a guest's.

So nobody who uses the lab needs root, and the files are where the Docker engine is, also where that is in another machine. The files lie
in a Docker volume of the lab's own, below the name by which the kernel's list of loop devices tells whose they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab.docker import directories, loops
from immtf.lab.docker.engine import asked
from immtf.lab.docker.scope import STORE
from immtf.lab.runtime import RuntimeFailed

if TYPE_CHECKING:
    from immtf.lab.docker.scope import Scope

RULES = (f"b {loops.MAJOR}:* rmw", "c {}:{} rmw".format(*loops.CONTROL_NUMBER))
CAPABILITIES = ("SYS_ADMIN", "MKNOD", "DAC_OVERRIDE", "CHOWN", "FOWNER", "FSETID", "SETFCAP")


class Store:
    """A lab's volumes and snapshots: files and their loop devices, or directories."""

    def __init__(self, container: Any, shelf: str) -> None:
        """Use a store's container; all that it has is below `shelf`."""
        self._container = container
        self._shelf = shelf

    @classmethod
    def made(cls, client: Any, scope: Scope, image: str) -> Store:
        """Start the store of a lab."""
        with asked("the lab's store"):
            client.volumes.create(scope.name, labels=scope.labels(STORE))
            container = client.containers.create(
                image,
                name=f"{scope.name}-store",
                entrypoint=["sleep", "infinity"],
                command=[],
                init=True,
                network_mode="none",
                cap_drop=["ALL"],
                cap_add=list(CAPABILITIES),
                device_cgroup_rules=list(RULES),
                security_opt=["apparmor=unconfined"],
                volumes={scope.name: {"bind": scope.shelf, "mode": "rw"}},
                labels=scope.labels(STORE),
            )
            container.start()
        return cls(container, scope.shelf)

    def prove(self) -> None:
        """See that a loop device can be had; none: `RuntimeFailed` with the way out."""
        try:
            self.make("proof", 1 << 20)
            self.release(self.attach("proof"))
            self.remove("proof")
        except RuntimeFailed as failed:
            raise RuntimeFailed(
                f"the Docker engine's machine gives no loop devices, which volumes were to be made of: {failed}."
                " There, as root: modprobe loop; or make them of directories: IMMTF_LAB_VOLUMES=directory"
            ) from failed

    def make(self, name: str, size: int) -> None:
        """Make a blank file of `size` bytes, if it isn't there."""
        self._ask("make", self._path(name), str(size))

    def copy(self, source: str, target: str) -> None:
        """Copy a file, over another one too."""
        self._ask("copy", self._path(source), self._path(target))

    def remove(self, name: str) -> None:
        """Remove a file; absent is good."""
        self._ask("remove", self._path(name))

    def attach(self, name: str) -> int:
        """Give a file a loop device; its number."""
        return int(self._ask("attach", self._path(name)))

    def release(self, number: int, *, force: bool = False) -> bool:
        """Take a device from its file; false where it is in use and that isn't forced."""
        return bool(self._ask("release", str(number), *(["forced"] if force else [])))

    def busy(self, number: int) -> bool:
        """Whether the device is mounted by anybody on its machine."""
        return bool(self._ask("busy", str(number)))

    def release_all(self) -> int:
        """Take away every device of the lab; how many there were."""
        return int(self._ask("release_all", self._shelf))

    def _path(self, name: str) -> str:
        return f"{self._shelf}/{name}"

    def act(self, name: str, *words: str) -> None:
        """Do one act of `immtf.lab.docker.directories` on the volumes that are directories."""
        self._run(DIRECTORIES, name, self._shelf, *words)

    def source(self, instance_id: str) -> str:
        """Make the directory of what an instance sees of them; its path on the engine's machine."""
        self.act("open_shelf", instance_id)
        with asked("the lab's store"):
            self._container.reload()
            (mount,) = (found for found in self._container.attrs["Mounts"] if found["Destination"] == self._shelf)
        return f"{mount['Source']}/{directories.GIVEN}/{instance_id}"

    def _ask(self, *words: str) -> Any:
        return self._run(LOOPS, *words)

    def _run(self, program: str, *words: str) -> Any:
        with asked(f"the lab's store: {' '.join(words)}"):
            code, (said, wrong) = self._container.exec_run(["python3", "-I", "-c", program, *words], demux=True)
        if code != 0:
            raise RuntimeFailed(f"{' '.join(words)}: {(wrong or b'').decode(errors='replace').strip()}")
        return json.loads(said)


LOOPS, DIRECTORIES = (Path(str(module.__file__)).read_text(encoding="utf-8") for module in (loops, directories))
