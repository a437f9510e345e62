"""A bench's world: instances of one image, small volumes, and how the image treats them. Strict where EC2 is.

It satisfies `Trial` and `Sweeper`, and what a bench asks of `Cloud` and `Guest`. `habits` are the ways in which the image is bad.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, GuestFailed
from immtf.model.cloud import Attachment, Instance, Stray, Volume
from immtf.plan.facts import first_boot_script
from immtf.plan.trials import NOTHING, canary_script, foreign_script, look_script, ready_script
from tests.fakes.calls import Calls
from tests.fakes.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.imaging import TrialOrder
    from immtf.model.reaping import Kind

MOUNT, ZONE = "/var/lib/consul", "eu-west-1a"
STEP_S = 1.0
BLANK_BYTES = min(NOTHING)


@dataclass
class FakeVolume:
    """A volume: what stands on it (`bytes`), its filesystem once it has one, and a canary."""

    tags: Mapping[str, str]
    state: str = "available"
    owner: str = ""
    bytes: str = BLANK_BYTES
    filesystem: str = ""
    canary: str = ""
    marked: bool = False
    mounted: bool = False
    word: str = ""


@dataclass
class FakeMachine:
    """An instance."""

    tags: Mapping[str, str]
    state: str = "pending"
    answers: bool = False


@dataclass
class TrialWorld:
    """Everything of one trial."""

    habits: frozenset[str] = frozenset()
    clock: VirtualClock = field(default_factory=VirtualClock)
    calls: Calls = field(default_factory=Calls)
    machines: dict[str, FakeMachine] = field(default_factory=dict)
    disks: dict[str, FakeVolume] = field(default_factory=dict)
    orders: list[TrialOrder] = field(default_factory=list)
    log: str = "kernel\n\nsystemd: stuck\n"

    def launch(self, order: TrialOrder) -> str:
        return self.calls.do("trial.launch", lambda: self._launch(order))

    def console(self, instance_id: str) -> str:
        assert instance_id in self.machines
        return self.calls.do("trial.console", lambda: self.log)

    def make_volume(self, zone: str, tags: Mapping[str, str]) -> str:
        assert zone == ZONE
        name = f"vol-{len(self.disks) + 1}"
        self.disks[name] = FakeVolume(dict(tags), "creating")
        self.clock.after(STEP_S, lambda: setattr(self.disks[name], "state", "available"))
        return name

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        disk, machine = self.disks[volume_id], self.machines[instance_id]
        assert device == "/dev/xvdf"
        if disk.state != "available" or machine.state != "running" or any(other.owner == instance_id for other in self.disks.values()):
            raise CloudFailed("the volume or the device is in use", code="VolumeInUse")
        disk.owner, disk.state = instance_id, "in-use"
        self.clock.after(STEP_S, lambda: self._tend(disk))

    def found(self, kind: Kind, tags: Mapping[str, str]) -> list[Stray]:
        assert tags
        if kind == "instance":
            return [Stray(name, item.state, item.tags) for name, item in self.machines.items() if item.state != "terminated"]
        assert kind in {"volume", "snapshot"}, "a trial makes nothing else"
        return [Stray(name, item.state, item.tags) for name, item in self.disks.items()] if kind == "volume" else []

    def remove(self, kind: Kind, identity: str) -> None:
        assert kind in {"instance", "volume"}, f"a trial makes no {kind}"
        (self.terminate if kind == "instance" else self.delete)(identity)

    def now(self) -> float:
        return self.clock.monotonic()

    def instances(self, ids: Collection[str]) -> dict[str, Instance]:
        found = {name: Instance(name, item.state, "ami-1", ZONE, "10.0.0.1") for name, item in self.machines.items()}
        return self.calls.do("cloud.instances", lambda: {name: found[name] for name in ids if name in found})

    def volumes(self, ids: Collection[str]) -> dict[str, Volume]:
        return {name: self._volume(name) for name in ids if name in self.disks}

    def stop(self, instance_id: str) -> None:
        self._ends(instance_id, "stopped")

    def detach(self, volume_id: str, instance_id: str) -> None:
        disk = self.disks[volume_id]
        assert disk.owner == instance_id
        assert not disk.mounted, "a mounted volume would be busy"
        disk.owner, disk.state, disk.word = "", "available", ""

    def terminate(self, instance_id: str) -> None:
        self._ends(instance_id, "terminated")
        for disk in self.disks.values():
            if disk.owner == instance_id:
                disk.owner, disk.state = "", "available"

    def delete(self, volume_id: str) -> None:
        if self.disks[volume_id].owner:
            raise CloudFailed("in use", code="VolumeInUse")
        del self.disks[volume_id]

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        assert timeout_s > 0
        return self.calls.do("guest.run", lambda: self._run(instance_id, script))

    def _launch(self, order: TrialOrder) -> str:
        name = f"i-{len(self.machines) + 1}"
        self.orders.append(order)
        machine = self.machines[name] = FakeMachine(dict(order.tags))
        if "ends" in self.habits:
            self.clock.after(STEP_S, lambda: setattr(machine, "state", "terminated"))
            return name
        self.clock.after(STEP_S, lambda: setattr(machine, "state", "running"))
        if "hangs" not in self.habits:
            self.clock.after(2 * STEP_S, lambda: setattr(machine, "answers", True))
        return name

    def _ends(self, instance_id: str, state: str) -> None:
        machine = self.machines[instance_id]
        machine.state, machine.answers = state, False
        for disk in self.disks.values():
            if disk.owner == instance_id:
                disk.mounted = False

    def _volume(self, name: str) -> Volume:
        disk = self.disks[name]
        ties = (Attachment(disk.owner, "/dev/xvdf", "attached"),) if disk.owner else ()
        return Volume(name, disk.state, ZONE, 1, ties)

    def _tend(self, disk: FakeVolume) -> None:
        """Do what the image does with a volume that is there."""
        if disk.filesystem:
            disk.mounted = True
            if "formats data" in self.habits:
                disk.filesystem = "uuid-new"
            if "empties" in self.habits:
                self.clock.after(STEP_S, lambda: setattr(disk, "canary", ""))
        elif disk.bytes == BLANK_BYTES and ("formats" in self.habits or disk.marked):
            disk.filesystem, disk.bytes, disk.mounted, disk.word = "uuid-1", "ext4", "silent" not in self.habits, ""
        elif disk.bytes == BLANK_BYTES:
            disk.word = "" if "silent" in self.habits else "blank"
            disk.bytes = "scribbled" if "scribbles" in self.habits else disk.bytes
        elif "overwrites" in self.habits:
            disk.bytes = "ext4"
        elif "mounts anything" in self.habits:
            disk.mounted = True
        else:
            disk.word = "blank" if "calls it blank" in self.habits else "foreign"

    def _run(self, instance_id: str, script: str) -> tuple[int, str, str]:
        machine = self.machines[instance_id]
        if machine.state != "running" or "hangs" in self.habits:
            raise GuestFailed("no agent", where=instance_id)
        if script == ready_script():
            return (0, "", "") if machine.answers else (3, "12 cloud-init start\n", "")
        if script == look_script(MOUNT, ""):
            return 0, self._look(None, ""), ""
        for name, disk in self.disks.items():
            if script == look_script(MOUNT, name):
                return 0, self._look(disk if disk.owner == instance_id else None, name), ""
            if script == foreign_script(name):
                disk.bytes = "foreign"
                return 0, "", ""
            if script == first_boot_script(MOUNT, name):
                disk.marked = True
                self.clock.after(STEP_S, lambda disk=disk: self._tend(disk))  # type: ignore[misc]  # a default binds it
                return 0, "", ""
        (disk,) = (disk for disk in self.disks.values() if disk.owner == instance_id)
        assert script == canary_script(MOUNT, "r1"), script
        disk.canary = "r1"
        return (1, "", "read-only") if "read-only" in self.habits else (0, "", "")

    def _look(self, disk: FakeVolume | None, name: str) -> str:
        serial = name.replace("-", "")
        lines = [f"mount\t{MOUNT}\t" + (f"{MOUNT} /dev/nvme1n1 ext4 {disk.filesystem}" if disk and disk.mounted else "")]
        lines += [f"serial\t{MOUNT}\t{serial}"] if disk and disk.mounted else []
        lines += [f"status\t{serial}\t{disk.word}"] if disk and disk.word else []
        here = "data" if "root disk" in self.habits else ""
        bytes_ = disk.bytes if disk else ""
        return "\n".join(
            [*lines, "facts-end", f"bytes\t{bytes_}", f"here\t{here}", f"canary\t{disk.canary if disk else ''}", "look-end", ""]
        )
