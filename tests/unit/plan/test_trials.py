"""The scripts of a trial, in a real shell on a directory like the lab's instances have; and what is made of their answers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.model.guest import GuestFacts, Mount
from immtf.plan.facts import BLANK
from immtf.plan.trials import (
    NOTHING,
    Look,
    canary_script,
    foreign_script,
    judge_absent,
    judge_blank,
    judge_foreign,
    judge_mounted,
    judge_returned,
    look_script,
    parse_look,
    ready_script,
)

if TYPE_CHECKING:
    from pathlib import Path

MOUNT, VOLUME, SERIAL = "/var/lib/consul", "vol-0a1", "vol0a1"
EMPTY = min(NOTHING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A guest's root with a blank volume beside it, and a `findmnt` that knows what the test says is mounted."""
    (tmp_path / "root/var/lib/consul").mkdir(parents=True)
    volume = tmp_path / "dev/xvdf"
    volume.mkdir(parents=True)
    (volume / "volume.json").write_text(json.dumps({"volume_id": VOLUME, "node": "/dev/nvme1n1"}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/findmnt").write_text("#!/bin/sh\ntest -e \"$IMMTF_ROOT/mounted\" && echo '/var/lib/consul /dev/nvme1n1 ext4 uuid-1'\n")
    (tmp_path / "bin/findmnt").chmod(0o755)
    return tmp_path / "root"


def run(root: Path, script: str) -> tuple[int, str]:
    path = f"{root.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path, "IMMTF_ROOT": str(root)}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def look(root: Path, volume_id: str = VOLUME) -> Look:
    code, output = run(root, look_script(MOUNT, volume_id))
    assert code == 0
    return parse_look(output, MOUNT)


def test_a_blank_volume_is_seen_untouched_then_with_foreign_bytes(root: Path) -> None:
    assert run(root, ready_script())[0] == 0
    first = look(root)
    assert first.bytes in NOTHING
    assert (first.here, first.canary, first.facts.problem) == ("", "", "")
    assert run(root, foreign_script(VOLUME))[0] == 0
    second = look(root)
    assert second.bytes
    assert second.bytes not in NOTHING
    assert look(root) == second, "a look changes nothing"
    (root.parent / "dev/xvdf/superblock.json").write_text("{}")
    assert run(root, foreign_script(VOLUME))[0] != 0, "never over a filesystem"
    assert run(root, foreign_script("vol-0ff"))[0] != 0, "never on another volume"


def test_the_canary_goes_only_where_something_is_mounted(root: Path) -> None:
    assert run(root, canary_script(MOUNT, "it's r1"))[0] != 0
    (root / "mounted").touch()
    assert run(root, canary_script(MOUNT, "it's r1"))[0] == 0
    seen = look(root, "")
    assert seen.canary == "it's r1"
    assert seen.here == ".immtf-canary"
    assert seen.facts.mount(MOUNT) == Mount(MOUNT, mounted=True, source="/dev/nvme1n1", kind="ext4", filesystem="uuid-1")


def test_a_torn_answer_is_a_problem_and_nothing_else() -> None:
    assert parse_look("mount\t/var/lib/consul\t\n", MOUNT).facts.problem
    torn = parse_look(f"mount\t{MOUNT}\t\nfacts-end\nbytes\tx\n", MOUNT)
    assert torn == Look(GuestFacts(problem="the instance's answer is not whole"))
    for verdict in (
        judge_absent(torn, MOUNT),
        judge_blank(torn, MOUNT, VOLUME),
        judge_foreign(torn, MOUNT, VOLUME, "x"),
        judge_mounted(torn, MOUNT, VOLUME),
        judge_returned(torn, MOUNT, VOLUME, filesystem="uuid-1", token="r1"),
    ):
        assert (verdict.held, verdict.final) == (False, False)
        assert "not whole" in verdict.reason
        assert verdict.unknown


def seen(*, mounted: bool = False, word: str = "", serial: str = SERIAL, bytes_: str = "x", canary: str = "", here: str = "") -> Look:
    mount = Mount(MOUNT, mounted=mounted, serial=serial if mounted else "", filesystem="uuid-1" if mounted else "")
    return Look(GuestFacts(mounts=(mount,), statuses={SERIAL: word} if word else {}), bytes_, here, canary)


def test_without_its_volume_nothing_is_there() -> None:
    assert judge_absent(seen(), MOUNT).held
    assert judge_absent(seen(mounted=True), MOUNT).final
    assert judge_absent(seen(here="data"), MOUNT).final


def test_a_blank_volume_is_called_so_and_left_alone() -> None:
    assert judge_blank(seen(word=BLANK, bytes_=EMPTY), MOUNT, VOLUME).held
    assert judge_blank(seen(mounted=True), MOUNT, VOLUME).final
    assert judge_blank(seen(word=BLANK, bytes_="ext4"), MOUNT, VOLUME).final
    for waits in (seen(bytes_=EMPTY), seen(word="recovering", bytes_=EMPTY), seen(word=BLANK, bytes_="")):
        verdict = judge_blank(waits, MOUNT, VOLUME)
        assert (verdict.held, verdict.final) == (False, False)


def test_foreign_bytes_are_left_alone() -> None:
    assert judge_foreign(seen(word="foreign"), MOUNT, VOLUME, "x").reason == "it is left alone and called `foreign`"
    assert judge_foreign(seen(), MOUNT, VOLUME, "x").held
    for bad in (seen(mounted=True), seen(bytes_="y"), seen(word=BLANK)):
        assert judge_foreign(bad, MOUNT, VOLUME, "x").final
    assert not judge_foreign(seen(bytes_=""), MOUNT, VOLUME, "x").held


def test_data_stay_on_their_own_filesystem() -> None:
    back = {"filesystem": "uuid-1", "token": "r1"}
    assert judge_returned(seen(mounted=True, canary="r1"), MOUNT, VOLUME, **back).held
    assert judge_returned(seen(mounted=True, canary=""), MOUNT, VOLUME, **back).final
    assert judge_returned(seen(mounted=True, canary="r1"), MOUNT, VOLUME, filesystem="uuid-0", token="r1").final
    assert judge_mounted(seen(mounted=True, serial=""), MOUNT, VOLUME).held, "older machines tell no serial"
    assert judge_mounted(seen(mounted=True, serial="vol0ff"), MOUNT, VOLUME).final
    assert judge_mounted(seen(word="recovering"), MOUNT, VOLUME).reason.endswith("the image says `recovering`")
    assert not judge_mounted(seen(word="recovering"), MOUNT, VOLUME).unknown
    silent = judge_mounted(Look(), MOUNT, VOLUME)
    assert silent.reason.startswith("nothing is mounted at /var/lib/consul, and the image says nothing")
    assert silent.unknown, "it may be mounted where nobody looks"
