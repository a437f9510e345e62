"""Volumes on loop devices, over disks and guests in memory that refuse what the kernel refuses."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from immtf.lab.docker.loop_medium import LoopMedium
from immtf.lab.docker.volumes import Volumes
from immtf.lab.runtime import RuntimeFailed, VolumeBusy


@dataclass
class MemoryDisks:
    """Satisfies `Disks`. `mounted` are the numbers in use; `stuck` those that nobody lets go of, whatever is killed."""

    files: dict[str, str] = field(default_factory=dict)
    loops: dict[int, str] = field(default_factory=dict)
    mounted: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    copied: list[tuple[str, str]] = field(default_factory=list)

    def make(self, name: str, size: int) -> None:
        assert size > 0
        self.files.setdefault(name, "")

    def copy(self, source: str, target: str) -> None:
        self.copied.append((source, target))
        self.files[target] = self.files[source]

    def remove(self, name: str) -> None:
        assert name not in self.loops.values(), "its device would go on without it"
        self.files.pop(name, None)

    def attach(self, name: str) -> int:
        assert name in self.files
        number = next(number for number in range(99) if number not in self.loops and number not in self.late)
        self.loops[number] = name
        return number

    def release(self, number: int, *, force: bool = False) -> bool:
        if number in self.mounted and not force:
            return False
        if number in self.mounted:
            self.late.add(number)
        self.loops.pop(number, None)
        return True

    def busy(self, number: int) -> bool:
        return number in self.mounted


@dataclass
class MemoryGuests:
    """Satisfies `Guests`. Scripts are kept; one that holds a word of `fails` fails; a guest in `off` doesn't run."""

    disks: MemoryDisks
    told: list[tuple[str, str]] = field(default_factory=list)
    off: set[str] = field(default_factory=set)
    fails: str = "\0"
    lets_go: bool = True

    def tell(self, instance_id: str, script: str) -> int | None:
        if instance_id in self.off:
            return None
        self.told.append((instance_id, script))
        if "umount -l" in script and self.lets_go:
            self.disks.mounted.clear()
        return int(self.fails in script)


@pytest.fixture
def disks() -> MemoryDisks:
    return MemoryDisks()


@pytest.fixture
def guests(disks: MemoryDisks) -> MemoryGuests:
    return MemoryGuests(disks)


@pytest.fixture
def volumes(disks: MemoryDisks, guests: MemoryGuests) -> Volumes:
    made = Volumes(LoopMedium(disks, guests), guests)
    made.create("vol-1", None)
    return made


def test_there_once_and_shown_again_after_a_start(volumes: Volumes, guests: MemoryGuests, disks: MemoryDisks) -> None:
    volumes.attach("vol-1", "i-1", "/dev/sdf")
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    assert len(disks.loops) == 1
    assert len(guests.told) == 1
    volumes.show("i-1")
    assert guests.told[0] == guests.told[1]
    with pytest.raises(RuntimeFailed, match="is attached to i-1"):
        volumes.attach("vol-1", "i-2", "/dev/xvdf")
    volumes.create("vol-2", None)
    with pytest.raises(RuntimeFailed, match="is taken"):
        volumes.attach("vol-2", "i-1", "/dev/xvdf")


def test_attached_to_a_stopped_instance_it_appears_at_the_start(volumes: Volumes, guests: MemoryGuests) -> None:
    guests.off.add("i-1")
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    assert guests.told == []
    guests.off.clear()
    volumes.show("i-1")
    assert "mknod" in guests.told[0][1]


def test_a_guest_that_can_not_make_nodes_is_told(volumes: Volumes, guests: MemoryGuests) -> None:
    guests.fails = "mknod"
    with pytest.raises(RuntimeFailed, match="no device can be made in i-1"):
        volumes.attach("vol-1", "i-1", "/dev/xvdf")


def test_torn_out_and_let_go_no_copy_is_needed(volumes: Volumes, guests: MemoryGuests, disks: MemoryDisks) -> None:
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    disks.mounted.add(0)
    with pytest.raises(VolumeBusy, match="i-1 uses vol-1"):
        volumes.detach("vol-1")
    assert "umount" not in guests.told[-1][1]
    volumes.detach("vol-1", force=True)
    assert (disks.loops, disks.copied) == ({}, [])


def test_torn_out_of_who_holds_on_it_goes_on_as_a_copy(volumes: Volumes, guests: MemoryGuests, disks: MemoryDisks) -> None:
    guests.lets_go = False
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    disks.mounted.add(0)
    volumes.detach("vol-1", force=True)
    assert disks.copied == [("vol-1", "vol-1")]
    volumes.attach("vol-1", "i-2", "/dev/xvdf")
    assert [attached.minor for attached in volumes.of("i-2")] == [1]


def test_a_snapshot_of_a_mounted_volume_is_of_one_moment(volumes: Volumes, guests: MemoryGuests, disks: MemoryDisks) -> None:
    volumes.snapshot("snap-0", "vol-1")
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    disks.mounted.add(0)
    volumes.snapshot("snap-1", "vol-1")
    scripts = [script for _, script in guests.told]
    assert ["--freeze" in scripts[1], "--unfreeze" in scripts[2]] == [True, True]
    guests.fails = "--freeze"
    with pytest.raises(RuntimeFailed, match="can't be brought to rest"):
        volumes.snapshot("snap-2", "vol-1")
    with pytest.raises(RuntimeFailed, match="no snapshot snap-2"):
        volumes.create("vol-2", "snap-2")


def test_given_back_when_the_instance_is_gone(volumes: Volumes, guests: MemoryGuests, disks: MemoryDisks) -> None:
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    with pytest.raises(VolumeBusy):
        volumes.delete("vol-1")
    guests.off.add("i-1")
    volumes.give_back("i-1")
    volumes.delete("vol-1")
    volumes.delete("vol-1")
    assert (disks.files, disks.loops, volumes.of("i-1")) == ({}, {}, [])
