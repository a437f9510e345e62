from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from immtf.lab.guest.boot import Mount
from immtf.lab.guest.home import Home, write_json
from immtf.lab.guest.mounts import MountFailed, Mounts
from immtf.lab.guest.shims import answer

if TYPE_CHECKING:
    from pathlib import Path

DATA = Mount("/dev/sdf", "/data")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in ("root", "dev"):
        (tmp_path / name).mkdir()
    return Home(tmp_path)


def plug_in(home: Home) -> Path:
    volume = home.dev / "xvdf"
    volume.mkdir()
    (volume / "lock").touch()
    write_json(volume / "volume.json", {"volume_id": "vol-0abc", "node": "/dev/nvme1n1"})
    return volume


def first_boot(home: Home, serial: str = "vol0abc") -> Path:
    """Give a first-boot mark."""
    mark = home.root / "run/immtf/first-boot" / serial
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return mark


def make_mounts(home: Home) -> Mounts:
    """Return the mounts of a boot in which the volume may be formatted."""
    mounts = Mounts(home, [DATA])
    first_boot(home)
    return mounts


def word(home: Home) -> str:
    """Return the image's word for the volume."""
    said = home.root / "run/immtf/volume-vol0abc.status"
    return said.read_text() if said.exists() else ""


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def is_locked(volume: Path) -> bool:
    with (volume / "lock").open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_no_device_no_mount(home: Home) -> None:
    mounts = Mounts(home, [DATA])
    assert mounts.mount(DATA) is None
    assert mounts.missing == (DATA,)
    assert not (home.root / "data").is_symlink()


def test_a_mount_covers_what_the_image_has_there_and_gives_it_back(home: Home) -> None:
    (home.root / "data").mkdir()
    (home.root / "data/of-the-image").touch()
    volume = plug_in(home)
    mounts = make_mounts(home)
    row = mounts.mount(DATA)
    assert row is not None
    assert (row.path, row.device, row.node, row.volume_id) == ("/data", "/dev/xvdf", "/dev/nvme1n1", "vol-0abc")
    assert is_locked(volume)
    (home.root / "data/of-the-volume").touch()
    mounts.unmount_all()
    assert names(home.root / "data") == ["of-the-image"]
    assert names(volume / "fs") == ["of-the-volume"]
    assert not is_locked(volume)


def test_a_filesystem_is_made_once(home: Home) -> None:
    """F21: neither a further boot nor a further mark makes it anew."""
    plug_in(home)
    identities = set()
    for _ in range(3):
        mounts = make_mounts(home)
        row = mounts.mount(DATA)
        assert row is not None
        identities.add(row.uuid)
        mounts.unmount_all()
    assert len(identities) == 1


def test_a_blank_volume_waits_for_a_mark_that_names_it(home: Home) -> None:
    """F21: nothing is formatted unless immtf says so, and names the very volume."""
    volume = plug_in(home)
    mounts = Mounts(home, [DATA])
    other = first_boot(home, "vol0abd")
    for _ in range(2):
        with pytest.raises(MountFailed, match="waits for a first-boot mark"):
            mounts.mount(DATA)
    assert names(volume).count("superblock.json") == 0
    assert word(home) == "blank\n"
    mark = first_boot(home)
    assert mounts.mount(DATA) is not None
    assert (mark.exists(), other.exists(), word(home)) == (False, True, "")


def test_marks_and_words_are_gone_with_the_boot(home: Home) -> None:
    plug_in(home)
    with pytest.raises(MountFailed):
        Mounts(home, [DATA]).mount(DATA)
    first_boot(home)
    again = Mounts(home, [DATA])
    assert word(home) == ""
    with pytest.raises(MountFailed):
        again.mount(DATA)


def test_the_word_goes_with_the_device(home: Home) -> None:
    volume = plug_in(home)
    mounts = Mounts(home, [DATA])
    with pytest.raises(MountFailed):
        mounts.mount(DATA)
    volume.rename(home.path / "away")
    assert mounts.mount(DATA) is None
    assert word(home) == ""


def test_a_filesystem_is_checked_before_it_is_mounted(home: Home) -> None:
    """F22: it says so meanwhile; one that was just made needs no check."""
    plug_in(home)
    slow = Mount("/dev/sdf", "/data", check_s=20)
    mounts = Mounts(home, [slow])
    first_boot(home)
    assert mounts.mount(slow, 5.0) is not None
    mounts.unmount_all()
    mounts = Mounts(home, [slow])
    for now in (100.0, 110.0):
        with pytest.raises(MountFailed, match="being checked"):
            mounts.mount(slow, now)
        assert word(home) == "recovering\n"
    assert mounts.mount(slow, 120.0) is not None
    assert word(home) == ""


@pytest.mark.parametrize("damage", ["superblock gone", "superblock broken", "content gone"])
def test_what_was_formatted_is_never_formatted_again(home: Home, damage: str) -> None:
    """F21: a volume that can't be read is not a blank one."""
    volume = plug_in(home)
    mounts = make_mounts(home)
    mounts.mount(DATA)
    (home.root / "data/kept").touch()
    mounts.unmount_all()
    if damage == "superblock gone":
        (volume / "superblock.json").unlink()
    elif damage == "superblock broken":
        (volume / "superblock.json").write_text("{")
    else:
        (volume / "fs").rename(volume / "elsewhere")
    with pytest.raises(MountFailed):
        make_mounts(home).mount(DATA)
    assert not is_locked(volume)
    assert word(home) == "", "what can't be read is not called blank"


def test_a_lock_that_someone_holds_is_waited_for(home: Home) -> None:
    volume = plug_in(home)
    with (volume / "lock").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert make_mounts(home).mount(DATA) is None
    assert make_mounts(home).mount(DATA) is not None


def test_what_a_killed_guest_left_is_taken_away(home: Home) -> None:
    (home.root / "data").mkdir()
    (home.root / "data/of-the-image").touch()
    volume = plug_in(home)
    left = make_mounts(home)
    left.mount(DATA)
    volume.rename(home.path / "away")
    assert left.lost() == ["/data"]
    again = Mounts(home, [DATA])
    assert again.paths == set()
    assert names(home.root / "data") == ["of-the-image"]
    for lock in left.locks:
        os.close(lock)


class TestShims:
    @pytest.fixture
    def mounted(self, home: Home) -> Home:
        plug_in(home)
        mounts = make_mounts(home)
        mounts.mount(DATA)
        write_json(home.status, {"mounts": mounts.table(), "pid": 1})
        mounts.unmount_all()
        return home

    def test_findmnt(self, mounted: Home) -> None:
        code, text = answer("findmnt", mounted, ["--noheadings", "--raw", "--output", "TARGET,SOURCE,FSTYPE", "--mountpoint", "/data"])
        assert (code, text) == (0, "/data /dev/nvme1n1 ext4\n")

    def test_a_path_is_answered_as_it_was_given(self, mounted: Home) -> None:
        asked = f"{mounted.root}/data"
        assert answer("findmnt", mounted, ["-n", "-o", "TARGET", f"--mountpoint={asked}"]) == (0, asked + "\n")

    def test_not_mounted_is_an_exit_code_and_no_line(self, mounted: Home) -> None:
        assert answer("findmnt", mounted, ["-M", "/elsewhere"]) == (1, "")

    @pytest.mark.parametrize("device", ["/dev/nvme1n1", "/dev/xvdf", "/dev/sdf"])
    def test_lsblk_gives_the_volume_as_ec2_does(self, mounted: Home, device: str) -> None:
        assert answer("lsblk", mounted, ["--noheadings", "--raw", "--output", "SERIAL", device]) == (0, "vol0abc\n")

    def test_lsblk_of_no_device(self, mounted: Home) -> None:
        assert answer("lsblk", mounted, ["-n", "-o", "SERIAL", "/dev/sdz"])[0] == 32

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [("findmnt", "--json"), ("findmnt", "/data"), ("findmnt", "-o"), ("findmnt", "-o PROPAGATION"), ("lsblk", "--bytes")],
    )
    def test_what_the_shims_do_not_know_they_refuse(self, mounted: Home, name: str, arguments: str) -> None:
        code, text = answer(name, mounted, arguments.split())
        assert code == 2
        assert "(lab)" in text
