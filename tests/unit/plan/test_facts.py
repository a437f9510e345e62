"""The scripts that run inside an instance, run here by a real shell: their output read back, their mark really written.

`findmnt` and `lsblk` are shims in a directory of the test that answer as the real ones do, from a table; the paths are under `IMMTF_ROOT`.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.guest import Mark
from immtf.plan.facts import MARK_FILE, facts_script, first_boot_script, mark_script, parse_facts, parse_mark, remark_script
from tests.fakes.builders import make_mark

if TYPE_CHECKING:
    from pathlib import Path

FINDMNT = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --mountpoint ] && path=$2; shift; done
while IFS='|' read -r target rest; do
  if [ "$target" = "$path" ]; then echo "$target $rest"; exit 0; fi
done <"$TABLE"
exit 1
"""
LSBLK = """#!/bin/sh
case "$*" in *--nodeps*SERIAL*/dev/nvme1n1) echo vola ;; *) exit 32 ;; esac
"""


@dataclass
class Guest:
    """A root directory, a table of mounts, and a shell."""

    root: Path
    shims: Path
    table: Path

    def mount(self, path: str, rest: str = "/dev/nvme1n1 ext4 fs-a") -> None:
        """Have something mounted at a path."""
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        with self.table.open("a") as table:
            table.write(f"{path}|{rest}\n")

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as it is run on an instance."""
        environment = {"PATH": f"{self.shims}{os.pathsep}{os.defpath}", "IMMTF_ROOT": str(self.root), "TABLE": str(self.table)}
        return subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    made = Guest(tmp_path / "root", tmp_path / "bin", tmp_path / "mounts")
    made.root.mkdir()
    made.shims.mkdir()
    made.table.touch()
    for name, text in {"findmnt": FINDMNT, "lsblk": LSBLK}.items():
        (made.shims / name).write_text(text)
        (made.shims / name).chmod(0o755)
    return made


def test_facts_of_a_mounted_and_marked_volume(guest: Guest) -> None:
    guest.mount("/var/lib/consul")
    (guest.root / "var/lib/consul" / MARK_FILE).write_text(json.dumps(asdict(make_mark())))
    done = guest.run(facts_script(["/var/lib/consul"]))
    assert done.returncode == 0
    facts = parse_facts(done.stdout, ["/var/lib/consul"])
    assert facts.problem == ""
    mount = facts.mount("/var/lib/consul")
    assert mount is not None
    assert (mount.mounted, mount.source, mount.kind, mount.filesystem) == (True, "/dev/nvme1n1", "ext4", "fs-a")
    assert mount.serial == "vola"
    assert mount.mark == make_mark()


def test_a_directory_is_no_mount_even_with_a_mark_in_it(guest: Guest) -> None:
    """F20: the service came up on the root disk."""
    (guest.root / "data").mkdir()
    (guest.root / "data" / MARK_FILE).write_text(json.dumps(asdict(make_mark())))
    facts = parse_facts(guest.run(facts_script(["/data"])).stdout, ["/data"])
    mount = facts.mount("/data")
    assert mount is not None
    assert (mount.mounted, mount.mark) == (False, None)


def test_several_mounts_do_not_mix(guest: Guest) -> None:
    guest.mount("/data")
    guest.mount("/wal", "/dev/xvdg xfs fs-b")
    facts = parse_facts(guest.run(facts_script(["/data", "/wal", "/none"])).stdout, ["/data", "/wal", "/none"])
    assert [(mount.path, mount.filesystem, mount.serial) for mount in facts.mounts] == [
        ("/data", "fs-a", "vola"),
        ("/wal", "fs-b", ""),
        ("/none", "", ""),
    ]


def test_a_filesystem_without_an_identity_has_none(guest: Guest) -> None:
    guest.mount("/data", "tmpfs tmpfs")
    mount = parse_facts(guest.run(facts_script(["/data"])).stdout, ["/data"]).mount("/data")
    assert mount is not None
    assert (mount.mounted, mount.filesystem) == (True, "")


def say(guest: Guest, serial: str, word: str) -> None:
    """Have the image say a word of a volume that it doesn't mount."""
    (guest.root / "run/immtf").mkdir(parents=True, exist_ok=True)
    (guest.root / f"run/immtf/volume-{serial}.status").write_text(f"{word}\n")


def test_what_the_image_says_of_volumes_that_it_does_not_mount(guest: Guest) -> None:
    """F21, F22: blank, or being checked."""
    say(guest, "vola", "blank")
    say(guest, "volb", "recovering")
    facts = parse_facts(guest.run(facts_script(["/data"])).stdout, ["/data"])
    assert facts.statuses == {"vola": "blank", "volb": "recovering"}
    assert (facts.status("vol-a"), facts.status("vol-b"), facts.status("vol-c")) == ("blank", "recovering", "")


def test_an_image_that_says_nothing_has_no_statuses(guest: Guest) -> None:
    facts = parse_facts(guest.run(facts_script(["/data"])).stdout, ["/data"])
    assert (facts.statuses, facts.problem) == ({}, "")


def given_marks(guest: Guest) -> list[str]:
    folder = guest.root / "run/immtf/first-boot"
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []


def test_a_first_boot_mark_names_the_blank_volume(guest: Guest) -> None:
    """F21: one mark for one volume, whole, and no other file beside it."""
    say(guest, "vol0abc", "blank")
    done = guest.run(first_boot_script("/data", "vol-0abc"))
    assert done.returncode == 0, done.stderr
    assert given_marks(guest) == ["vol0abc"]
    assert (guest.root / "run/immtf/first-boot/vol0abc").read_text() == "vol-0abc\n"


@pytest.mark.parametrize("word", ["", "recovering", "damaged", "blank but not sure"])
def test_no_first_boot_mark_for_what_is_not_called_blank(guest: Guest, word: str) -> None:
    """F21: also not where the image says nothing at all."""
    if word:
        say(guest, "vol0abc", word)
    assert guest.run(first_boot_script("/data", "vol-0abc")).returncode != 0
    assert given_marks(guest) == []


def test_no_first_boot_mark_where_something_is_mounted(guest: Guest) -> None:
    say(guest, "vol0abc", "blank")
    guest.mount("/data")
    assert guest.run(first_boot_script("/data", "vol-0abc")).returncode == 3
    assert given_marks(guest) == []


@pytest.mark.parametrize("path", ["/data", "/with blank/x", "/it's", "/$(touch gone)", "/a;b"])
def test_a_mark_is_written_once_and_read_back(guest: Guest, path: str) -> None:
    guest.mount(path)
    mark = make_mark(volume="vol-'$(x)\"", node="ä b")
    done = guest.run(mark_script(path, mark))
    assert done.returncode == 0, done.stderr
    written = guest.root / path.lstrip("/") / MARK_FILE
    assert json.loads(written.read_text()) == asdict(mark)
    assert [entry.name for entry in written.parent.iterdir()] == [MARK_FILE]


def test_no_mark_is_written_over_another(guest: Guest) -> None:
    guest.mount("/data")
    guest.run(mark_script("/data", make_mark()))
    assert guest.run(mark_script("/data", make_mark(node="b"))).returncode != 0
    assert json.loads((guest.root / "data" / MARK_FILE).read_text())["node"] == "a"


def test_no_mark_is_written_where_nothing_is_mounted(guest: Guest) -> None:
    """Else a mark on the root disk would vouch for a volume that is not there."""
    (guest.root / "data").mkdir()
    assert guest.run(mark_script("/data", make_mark())).returncode != 0
    assert list((guest.root / "data").iterdir()) == []


def test_a_killed_write_leaves_no_half_mark(guest: Guest) -> None:
    guest.mount("/data")
    (guest.root / "data" / f"{MARK_FILE}.new").write_text('{"block": "con')
    assert guest.run(mark_script("/data", make_mark())).returncode == 0
    assert parse_mark((guest.root / "data" / MARK_FILE).read_text())[0] == make_mark()


def test_a_written_mark_is_found_by_the_facts(guest: Guest) -> None:
    guest.mount("/data")
    guest.run(mark_script("/data", make_mark()))
    mount = parse_facts(guest.run(facts_script(["/data"])).stdout, ["/data"]).mount("/data")
    assert mount is not None
    assert mount.mark == make_mark()


@pytest.mark.parametrize("text", ["", "status\tvola\tblank\n", "mount\t/data\t/data /dev/x ext4 fs\nfacts-en"])
def test_a_torn_answer_is_a_problem_and_no_fact(text: str) -> None:
    facts = parse_facts(text, ["/data"])
    assert facts.problem == "the instance's answer is not whole"
    assert facts.mounts == ()


def test_a_mount_point_that_was_not_answered_is_not_mounted() -> None:
    mount = parse_facts("facts-end\n", ["/data"]).mount("/data")
    assert mount is not None
    assert not mount.mounted


def test_an_answer_about_another_path_is_not_taken() -> None:
    mount = parse_facts("mount\t/data\t/ /dev/root ext4 fs\nfacts-end\n", ["/data"]).mount("/data")
    assert mount is not None
    assert not mount.mounted


@pytest.mark.parametrize("text", ["{", "[]", "null", "7", '"x"', '{"block": "consul"}'])
def test_a_mark_that_can_not_be_read_is_a_problem(text: str) -> None:
    mark, problem = parse_mark(text)
    assert mark is None
    assert problem.startswith("the mark can't be read")


def test_no_mark_is_no_problem() -> None:
    assert parse_mark("") == (None, "")


@given(st.builds(Mark, *[st.text(max_size=20)] * 5))
def test_any_mark_comes_back_as_it_was(mark: Mark) -> None:
    assert parse_mark(json.dumps(asdict(mark), sort_keys=True)) == (mark, "")


@given(st.text(max_size=300))
def test_any_answer_is_read_without_an_error(text: str) -> None:
    facts = parse_facts(text, ["/data"])
    assert facts.problem or facts.mount("/data") is not None


def test_a_mark_takes_the_place_of_the_one_that_came_with_the_data(guest: Guest) -> None:
    """F21: written whole; the other one stays beside it, for whoever wants to know where the data are from."""
    guest.mount("/data")
    old, new = make_mark(volume="vol-old"), make_mark()
    assert guest.run(mark_script("/data", old)).returncode == 0
    done = guest.run(remark_script("/data", old, new))
    assert (done.returncode, done.stderr) == (0, "")
    assert parse_mark((guest.root / "data" / MARK_FILE).read_text())[0] == new
    assert parse_mark((guest.root / "data" / f"{MARK_FILE}.restored").read_text())[0] == old
    assert guest.run(remark_script("/data", old, new)).returncode != 0, "the mark is another by now"


def test_no_mark_is_replaced_where_nothing_is_mounted(guest: Guest) -> None:
    """F20: what looks like the data may lie on the root disk."""
    (guest.root / "data").mkdir()
    text = json.dumps(asdict(make_mark(volume="vol-old")), sort_keys=True)
    (guest.root / "data" / MARK_FILE).write_text(text)
    assert guest.run(remark_script("/data", make_mark(volume="vol-old"), make_mark())).returncode != 0
    assert (guest.root / "data" / MARK_FILE).read_text() == text
