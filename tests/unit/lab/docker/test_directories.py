"""Volumes as directories: the store's own program on real directories, and the medium over guests that say whether they use one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from immtf.errors import LabFailed
from immtf.lab.docker import directories, media
from immtf.lab.docker.directory_medium import SEEN, TOOLS, DirectoryMedium
from immtf.lab.docker.volumes import Volumes
from immtf.lab.runtime import RuntimeFailed, VolumeBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Shelves:
    """Satisfies `Shelves` on a real directory, as the lab's store does."""

    shelf: Path

    def source(self, instance_id: str) -> str:
        self.act("open_shelf", instance_id)
        return str(self.shelf / "guests" / instance_id)

    def act(self, name: str, *words: str) -> None:
        if directories.main(name, str(self.shelf), *words) != 0:
            raise RuntimeFailed(name)

    def of(self, instance_id: str) -> list[str]:
        return sorted(path.name for path in (self.shelf / "guests" / instance_id).iterdir())

    def free(self) -> list[str]:
        return sorted(path.name for path in (self.shelf / "volumes").iterdir())


@dataclass
class SaidGuests:
    """Satisfies `Guests`. `used` says what a guest answers when it is asked whether it uses a volume, None where it doesn't run."""

    used: int | None = 0
    told: list[str] = field(default_factory=list)
    halted: list[str] = field(default_factory=list)

    def tell(self, instance_id: str, script: str) -> int | None:
        assert instance_id == "i-1"
        self.told.append(
            "asked" if "used()" in script else "torn out" if "umount -l" in script else "shown" if "mknod" in script else script
        )
        return self.used if "used()" in script else 0

    @contextmanager
    def paused(self, instance_id: str) -> Iterator[None]:
        self.halted.append(f"{instance_id} halted")
        yield
        self.halted.append(f"{instance_id} goes on")


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    made = Shelves(tmp_path / "shelf")
    for instance in ("i-1", "i-2"):
        made.source(instance)
    return made


@pytest.fixture
def guests() -> SaidGuests:
    return SaidGuests()


@pytest.fixture
def volumes(shelves: Shelves, guests: SaidGuests) -> Volumes:
    made = Volumes(DirectoryMedium(shelves, guests), guests)
    made.create("vol-1", None)
    return made


def test_a_blank_volume_is_zeros_and_is_in_one_place_only(volumes: Volumes, shelves: Shelves) -> None:
    """F20: an instance finds what is attached to it, and nothing of any other's."""
    disk = shelves.shelf / "volumes/vol-1/disk"
    assert (disk.stat().st_size, disk.stat().st_blocks) == (1 << 30, 0)
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    assert (shelves.of("i-1"), shelves.of("i-2"), shelves.free()) == (["vol-1"], [], [])
    with pytest.raises(RuntimeFailed):
        shelves.act("give", "vol-1", "i-2")
    assert (shelves.of("i-1"), shelves.of("i-2")) == (["vol-1"], [])
    volumes.detach("vol-1")
    assert (shelves.of("i-1"), shelves.free()) == ([], ["vol-1"])


def test_what_is_in_use_stays_and_is_shown_again(volumes: Volumes, shelves: Shelves, guests: SaidGuests) -> None:
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    guests.used = 9
    with pytest.raises(VolumeBusy, match="i-1 uses vol-1"):
        volumes.detach("vol-1")
    assert (guests.told, shelves.of("i-1")) == (["shown", "asked", "shown"], ["vol-1"])
    guests.used = None
    volumes.detach("vol-1")
    assert shelves.of("i-1") == []


def test_torn_out_it_goes_on_as_a_copy(volumes: Volumes, shelves: Shelves, guests: SaidGuests) -> None:
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    held = (shelves.shelf / "guests/i-1/vol-1/late").open("w")
    guests.used = 9
    volumes.detach("vol-1", force=True)
    with held:
        held.write("late")
    assert guests.told[-2:] == ["asked", "torn out"]
    assert (shelves.shelf / "volumes/vol-1/late").read_text() == ""
    assert shelves.of("i-1") == []


def test_a_snapshot_has_all_that_is_on_it_and_outlives_it(volumes: Volumes, shelves: Shelves, guests: SaidGuests) -> None:
    volumes.attach("vol-1", "i-1", "/dev/xvdf")
    (shelves.shelf / "guests/i-1/vol-1/fs.1").mkdir(mode=0o750)
    (shelves.shelf / "guests/i-1/vol-1/fs.1/note").write_text("kept")
    volumes.snapshot("snap-1", "vol-1")
    assert guests.halted == ["i-1 halted", "i-1 goes on"]
    volumes.detach("vol-1")
    volumes.delete("vol-1")
    volumes.create("vol-2", "snap-1")
    made = shelves.shelf / "volumes/vol-2"
    assert (made / "fs.1/note").read_text() == "kept"
    assert ((made / "fs.1").stat().st_mode & 0o777, (made / "disk").stat().st_blocks) == (0o750, 0)
    volumes.snapshot("snap-2", "vol-2")
    assert len(guests.halted) == 2
    for _ in range(2):
        volumes.delete_snapshot("snap-1")
    assert shelves.free() == ["snap-2", "vol-2"]


def test_a_draft_that_was_left_is_no_volume(shelves: Shelves) -> None:
    (shelves.shelf / "volumes/.vol-1").mkdir(parents=True)
    for _ in range(2):
        shelves.act("make", "vol-1", "5")
        shelves.act("take", "vol-1")
        shelves.act("carry_off", "vol-1")
    assert shelves.free() == ["vol-1"]
    for name in ("take", "carry_off"):
        with pytest.raises(RuntimeFailed):
            shelves.act(name, "vol-2")


def test_a_guest_sees_its_own_and_has_the_tools(shelves: Shelves, guests: SaidGuests) -> None:
    furnishing = DirectoryMedium(shelves, guests).furnish("i-1")
    assert furnishing.binds == (f"{shelves.shelf}/guests/i-1:{SEEN}",)
    assert set(furnishing.tools) == {f"usr/local/bin/{name}" for name in TOOLS}
    assert all(tool.startswith(b"#!/bin/sh\n# immtf-lab-volume-tool") for tool in furnishing.tools.values())


def no_loops() -> None:
    raise RuntimeFailed("no loop devices")


@pytest.mark.parametrize(
    ("kind", "prove", "made"),
    [("auto", bool, "loop"), ("auto", no_loops, "directory"), ("loop", bool, "loop"), ("directory", bool, "directory")],
    ids=["there", "not-there", "wanted", "not-wanted"],
)
def test_loop_devices_are_taken_where_they_can_be_had(kind: str, prove: Callable[[], None], made: str) -> None:
    assert media.choose(kind, prove) == made


def test_who_wants_loop_devices_is_not_given_directories() -> None:
    with pytest.raises(RuntimeFailed, match="no loop devices"):
        media.choose("loop", no_loops)
    assert media.wanted({}) == media.wanted({"IMMTF_LAB_VOLUMES": ""}) == "auto"
    with pytest.raises(LabFailed, match="no volume is made of tape"):
        media.wanted({"IMMTF_LAB_VOLUMES": "tape"})
