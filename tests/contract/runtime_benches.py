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

    import pytest

    from immtf.lab.docker.runtime import DockerRuntime

LIMIT_S = 120.0
LABS = {"docker": "docker_lab", "docker-directories": "directory_lab"}
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

    def spec(self, instance_id: str = "i-1", *, image_id: str = "ami-1", host: int = 11, user_data: str = "") -> InstanceSpec:
        """Return what an instance is made from, with an address of the runtime's network."""

    def image(self, image_id: str = "ami-1", **boot: Any) -> None:
        """Register an image whose service beats on the data volume, or one with another boot file."""

    def mounted(self, volume_id: str, instance_id: str) -> None:
        """Wait until (or make that) the volume is mounted in the instance."""

    def close(self) -> None:
        """End what runs."""


class GuestBench:
    """A runtime in which programs really run; `lab` is its directory, `network` its addresses but for the last two numbers."""

    def __init__(self, folder: Path, lab: Path, runtime: Runtime, network: str) -> None:
        self._folder = folder
        self.lab = lab
        self.runtime = runtime
        self._network = network

    def spec(self, instance_id: str = "i-1", *, image_id: str = "ami-1", host: int = 11, user_data: str = "") -> InstanceSpec:
        return make_spec(instance_id, image_id=image_id, address=f"{self._network}.10.{host}", user_data=user_data)

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

    def close(self) -> None:
        """Take away what the test left."""
        self.runtime.close()


class ProcessBench(GuestBench):
    def __init__(self, folder: Path) -> None:
        lab = folder / "a lab"  # a blank in the path shows what isn't quoted
        super().__init__(folder, lab, ProcessRuntime(lab, path=os.environ["PATH"]), "127.254")

    def home(self, instance_id: str = "i-1") -> Path:
        return self.lab / "runtime/instances" / instance_id


class DockerBench(GuestBench):
    """All tests use one lab, for it takes seconds to make one; each finds it empty."""

    def __init__(self, folder: Path, lab: Path, runtime: DockerRuntime) -> None:
        super().__init__(folder, lab, runtime, runtime.cidr.removesuffix(".0.0/16"))

    def close(self) -> None:
        """Take away what the test left; the lab itself goes on."""
        for row in self.runtime.instances():
            self.runtime.stop(row.instance_id, force=True)
            self.runtime.terminate(row.instance_id)
        for volume in ("vol-1", "vol-2", "vol-0abc"):
            self.runtime.delete_volume(volume)
        for image in ("ami-1", "ami-2"):
            self.runtime.delete_image(image)
        for log in (self.lab / "logs").iterdir():
            log.unlink()


class FakeBench:
    def __init__(self) -> None:
        self.runtime = FakeRuntime()

    def spec(self, instance_id: str = "i-1", *, image_id: str = "ami-1", host: int = 11, user_data: str = "") -> InstanceSpec:
        return make_spec(instance_id, image_id=image_id, address=f"127.254.10.{host}", user_data=user_data)

    def close(self) -> None:
        self.runtime.close()

    def image(self, image_id: str = "ami-1", **boot: Any) -> None:
        del boot
        self.runtime.register_image(image_id, f"/images/{image_id}")

    def mounted(self, volume_id: str, instance_id: str) -> None:
        del instance_id
        self.runtime.mount(volume_id)


def make_bench(name: str, request: pytest.FixtureRequest) -> FakeBench | GuestBench:
    """Return the bench of a runtime by its name."""
    if name == "fake":
        return FakeBench()
    folder = request.getfixturevalue("tmp_path")
    return ProcessBench(folder) if name == "process" else DockerBench(folder, *request.getfixturevalue(LABS[name]))


def with_volume(bench: Bench, instance_id: str = "i-1", volume_id: str = "vol-1") -> None:
    """Boot an instance whose volume is mounted."""
    bench.image()
    bench.runtime.boot(bench.spec(instance_id))
    bench.runtime.create_volume(volume_id)
    bench.runtime.attach(volume_id, instance_id, "/dev/xvdf")
    bench.mounted(volume_id, instance_id)
