"""What appears in a guest: the scripts are run here by a real shell, in a directory that stands for the guest's `/`."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.lab.docker import devices
from immtf.lab.docker.devices import Attached

if TYPE_CHECKING:
    from pathlib import Path

MOUNTINFO = """\
30 20 0:27 / / rw - overlay overlay rw
31 30 7:3 / /var/lib/data rw,relatime - ext4 /dev/loop3 rw
32 30 7:4 / /var/lib/other rw,relatime - ext4 /dev/loop4 rw
34 30 8:1 /shelf/guests/i-1/vol-3/fs.1 /srv rw - ext4 /dev/sda1 rw
33 30 8:1 /x /etc/hosts rw - ext4 /dev/sda1 rw
torn
"""


LOOP = Attached("vol-0abc", "i-1", "/dev/sdf", node="/dev/loop3", major=7, minor=3)
DIRECTORY = Attached("vol-3", "i-1", "/dev/sdg", node="/dev/vol-3", major=60, minor=0, root="/guests/i-1/vol-3/")


def run(script: str, root: Path) -> str:
    """Run a script whose absolute paths are meant below `root`; making nodes is a matter for root, so a file stands for one."""
    moved = script.replace("/dev/", f"{root}/dev/").replace("/run/", f"{root}/run/").replace("mknod -m 0660", "touch; : ")
    (root / "dev").mkdir(exist_ok=True)
    return subprocess.run(["sh", "-c", moved], capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_device_has_both_names_and_its_id(tmp_path: Path) -> None:
    script = devices.appear_script(LOOP).replace("[ -b", "[ -e").replace("mknod -m 0660", "touch")
    script = script.replace("loop3 b 7 3", "loop3")
    for _ in range(2):
        run(script, tmp_path)
    made = {path.name: path.is_symlink() for path in (tmp_path / "dev").iterdir() if not path.is_dir()}
    assert made == {"loop3": False, "sdf": True, "xvdf": True}
    link = tmp_path / "dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc"
    assert link.resolve() == tmp_path / "dev/loop3"
    assert "E:ID_SERIAL_SHORT=vol0abc" in (tmp_path / "run/udev/data/b7:3").read_text().splitlines()
    run(devices.vanish_script(LOOP), tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()] == []


def test_names_that_are_no_letters() -> None:
    assert devices.names("/dev/nvme1n1") == ("/dev/nvme1n1",)
    assert devices.names("xvdf") == devices.names("/dev/sdf") == ("/dev/xvdf", "/dev/sdf")


def test_mounts_are_told_by_number_or_by_directory_and_only_the_lab_s() -> None:
    other = replace(LOOP, volume_id="vol-2", minor=5)
    assert devices.mounts(MOUNTINFO, [LOOP, other]) == {"/var/lib/data": "vol-0abc"}
    assert devices.mounts(MOUNTINFO, [DIRECTORY]) == {"/srv": "vol-3"}
    assert devices.mounts(MOUNTINFO, [replace(DIRECTORY, root="/guests/i-1/vol-33/")]) == {}
    assert devices.mounts("", [LOOP]) == {}


@pytest.mark.parametrize(("volume", "places"), [(LOOP, "/var/lib/data\n"), (DIRECTORY, "/srv\n")], ids=["loop", "directory"])
def test_awk_finds_the_same_mounts(volume: Attached, places: str, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    words = ["awk", f"{volume.condition} {{print $5}}", str(tmp_path / "mountinfo")]
    assert subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout == places
