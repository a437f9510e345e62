"""Runs by a lock, real ones over blocks that need no cloud: copies are run, the lock is what people are told; and what is at stake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.app.target import Target
from immtf.cli.many import at_stake
from tests.unit.cli.infrastructure import make_block
from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

FAILS = 'resource "terraform_data" "acts" {\n  provisioner "local-exec" { command = "false" }\n}\n'


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """Return a lock of two blocks, the second of which can't be made."""
    make_block(tmp_path / "infra", "base", {})
    make_block(tmp_path / "infra", "consul", {"base": "~> 1.0"}, more=FAILS)
    done = immtf_program("resolve", "consul", "--published", "infra", "--lock", "x.lock", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "x.lock"


def run(lock: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return immtf_program(arguments[0], "x.lock", "--output", "lines", *arguments[1:], cwd=lock.parent, env=env)


def test_a_lock_is_run_from_copies_and_named_in_what_is_to_be_done_next(locked: Path, env: dict[str, str]) -> None:
    done = run(locked, env, "create", "--yes", "--environment", "e")
    assert done.returncode == 1, done.stderr
    (copy,) = locked.parent.glob(".immtf/blocks/base/1.0.0-*/tree/immtf.yaml")
    assert copy.is_file()
    (end,) = [line for line in done.stderr.splitlines() if "consul: ✗ failed" in line and "next: " in line]
    following = end.partition("next: ")[2]
    assert "immtf create x.lock --only=consul --environment=e" in following
    assert ".immtf/blocks" not in following


@pytest.mark.parametrize("lacks", ["region", "environment"])
def test_what_would_fail_for_each_block_alike_is_told_once(locked: Path, env: dict[str, str], lacks: str) -> None:
    """Without an environment the states of the blocks would be beside copies, and the next version's beside another."""
    place = ("--environment", "e") if lacks == "region" else ()
    given = {name: value for name, value in env.items() if (lacks, name) != ("region", "AWS_REGION")}
    done = run(locked, given, "create", "--yes", *place)
    told = {"region": (1, "no AWS region is set"), "environment": (2, "keep their states beside their HCL, and of a lock's blocks copies")}
    assert (done.returncode, told[lacks][1] in done.stderr) == (told[lacks][0], True), done.stderr
    listed = immtf_program("report", "--list", cwd=locked.parent, env=env)
    assert listed.stdout == "", "nothing was begun, and none of it is a run"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("# more\n", "was changed since it was locked"),
        (None, "the lock file can't be read"),
        ("version", "the lock has base 1.0.0, and here"),
    ],
    ids=["drifted", "gone", "another"],
)
def test_every_fault_of_a_lock_ends_alike(locked: Path, env: dict[str, str], change: str | None, told: str) -> None:
    if change is None:
        locked.unlink()
    elif change == "version":
        make_block(locked.parent / "infra", "base", {}, version="1.1.0")
    else:
        with (locked.parent / "infra/base/main.tf").open("a") as more:
            more.write(change)
    done = run(locked, env, "plan", "--environment", "e")
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_without_an_environment_the_blocks_themselves_are_what_is_at_stake(tmp_path: Path, env: dict[str, str]) -> None:
    """F44: `default` would be the answer for every infrastructure."""
    for name in ("base", "other"):
        make_block(tmp_path / "infra", name, {})
    assert immtf_program("create", "infra", "--yes", cwd=tmp_path, env=env).returncode == 0
    states = [tmp_path / f"infra/{name}/terraform.tfstate" for name in ("base", "other")]
    before = [path.read_text() for path in states]
    for confirmed in ("default", "infra", "base"):
        refused = immtf_program("destroy", "infra", "--yes", "--confirm", confirmed, cwd=tmp_path, env=env)
        assert (refused.returncode, "--confirm base,other" in " ".join(refused.stderr.split())) == (2, True), refused.stderr
    assert [path.read_text() for path in states] == before
    gone = immtf_program("destroy", "infra", "--confirm", "base,other", cwd=tmp_path, env=env)
    assert gone.returncode == 0, gone.stderr
    assert [json.loads(path.read_text())["resources"] for path in states] == [[], []]


def test_an_environment_is_at_stake_by_its_name() -> None:
    target = Target(cloud="aws", environment="live", is_test=False, home=Path(), process={}, directory=Path("d"))
    assert at_stake(target, ("b", "a")) == ("live", "the environment's name")
