"""What the runtime's contract needs of an implementation besides the port: images for it, and a volume that gets mounted."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Protocol

from immtf.lab.process import ProcessRuntime
from immtf.lab.runtime import InstanceSpec, InstanceStatus, Runtime
from immtf.plan.facts import facts_script, first_boot_script, parse_facts
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIMIT_S = 60.0
DATA = "/var/lib/data"
MOUNTS = [{"device": "/dev/xvdf", "path": DATA}]
BEAT = {"name": "beat", "after": [DATA], "command": ["sh", "-c", 'while :; do date >> "{root}/var/lib/data/beat"; sleep 0.05; done']}


def eventually(check: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait until something holds, and fail if it doesn't within its time."""
    deadline = time.monotonic() + limit_s
    while not check():
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.02)


def make_tree(folder: Path, *, mounts: list[Any] | None = None, services: list[Any] | None = None) -> Path:
    (folder / "etc/lab").mkdir(parents=True)
    boot = {"mounts": MOUNTS if mounts is None else mounts, "services": [BEAT] if services is None else services}
    (folder / "etc/lab/boot.json").write_text(json.dumps(boot))
    (folder / "etc/image-version").write_text("1.0.0\n")
    return folder


def make_spec(instance_id: str = "i-1", *, image_id: str = "ami-1", address: str = "127.254.10.11", user_data: str = "") -> InstanceSpec:
    return InstanceSpec(instance_id, image_id, address, "eu-west-1a", user_data.encode(), {"Name": instance_id})


class Bench(Protocol):
    runtime: Runtime

    def image(self, image_id: str = "ami-1", **boot: Any) -> None:
        """Register an image whose service beats on the data volume, or one with another boot file."""

    def mounted(self, volume_id: str, instance_id: str) -> None:
        """Wait until (or make that) the volume is mounted in the instance."""


class ProcessBench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lab = folder / "a lab"  # a blank in the path shows what isn't quoted
        self.runtime = ProcessRuntime(self.lab, path=os.environ["PATH"])

    def image(self, image_id: str = "ami-1", **boot: Any) -> None:
        self.runtime.register_image(image_id, str(make_tree(self._folder / f"tree-{image_id}", **boot)))

    def mounted(self, volume_id: str, instance_id: str) -> None:
        eventually(lambda: volume_id in self.status(instance_id).mounts.values() or self.first_boot(volume_id, instance_id))
        eventually(lambda: volume_id in self.status(instance_id).mounts.values())

    def first_boot(self, volume_id: str, instance_id: str = "i-1") -> bool:
        """Give a first-boot mark as immtf does; return whether the guest called the volume blank."""
        return self.runtime.execute(instance_id, first_boot_script(DATA, volume_id), timeout_s=LIMIT_S).exit_code == 0

    def word(self, volume_id: str, instance_id: str = "i-1") -> str:
        """Return what the image says of a volume that it doesn't mount."""
        told = self.runtime.execute(instance_id, facts_script([DATA]), timeout_s=LIMIT_S).stdout
        return parse_facts(told, [DATA]).status(volume_id)

    def status(self, instance_id: str = "i-1") -> InstanceStatus:
        return next(row for row in self.runtime.instances() if row.instance_id == instance_id)

    def sh(self, script: str, instance_id: str = "i-1") -> str:
        done = self.runtime.execute(instance_id, script, timeout_s=LIMIT_S)
        assert done.exit_code == 0, done
        return done.stdout

    def log(self, instance_id: str = "i-1") -> str:
        return (self.lab / "logs" / f"{instance_id}.log").read_text()

    def home(self, instance_id: str = "i-1") -> Path:
        return self.lab / "runtime/instances" / instance_id


class FakeBench:
    def __init__(self) -> None:
        self.runtime = FakeRuntime()

    def image(self, image_id: str = "ami-1", **boot: Any) -> None:
        del boot
        self.runtime.register_image(image_id, f"/images/{image_id}")

    def mounted(self, volume_id: str, instance_id: str) -> None:
        del instance_id
        self.runtime.mount(volume_id)


def with_volume(bench: Bench, instance_id: str = "i-1", volume_id: str = "vol-1") -> None:
    """Boot an instance whose volume is mounted."""
    bench.image()
    bench.runtime.boot(make_spec(instance_id))
    bench.runtime.create_volume(volume_id)
    bench.runtime.attach(volume_id, instance_id, "/dev/xvdf")
    bench.mounted(volume_id, instance_id)
