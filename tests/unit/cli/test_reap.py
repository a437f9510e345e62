"""`immtf reap` at the command line, as far as it goes without a cloud: what is refused, and the labs that tests left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters import records, tether
from immtf.cli.orphans import LOCK, RECORD, labs_over
from immtf.plan.reaping import new_record
from tests.unit.cli.program import environment, immtf_program

if TYPE_CHECKING:
    from pathlib import Path

PAST, FUTURE = 1_000_000_000.0, 4_000_000_000.0
DEFINITION = "environment: staging\nclass: production\nbackend: {s3: {bucket: b}}\n"


def lab(home: Path, name: str, *, at: float = PAST, lock: bool = False) -> Path:
    """Make the directory of a lab that a test left, with a disk; its record's time began then."""
    place = home / "labs" / name
    (place / "runtime/instances/i-1").mkdir(parents=True)
    records.write(place / RECORD, new_record(name, ("/b/consul",), at=at, life=60))
    if lock:
        (place / LOCK).touch()
    return place


def test_labs_whose_tests_are_dead_or_whose_time_is_past_are_over(tmp_path: Path) -> None:
    """F43: not one that is kept until later, not one that is at work, not one that a person named."""
    dead, past = lab(tmp_path, "t-dead", at=FUTURE, lock=True), lab(tmp_path, "t-past")
    lab(tmp_path, "t-later", at=FUTURE)
    lab(tmp_path, "mine")
    working = lab(tmp_path, "t-working", lock=True)
    (tmp_path / "labs/t-unknown").mkdir()
    with tether.held(working / LOCK):
        over = labs_over(tmp_path, PAST + 61)
    assert over == [(dead, "its test was killed"), (past, "its time was over at 2001-09-09T01:47:40Z")]


def test_they_are_told_in_a_dry_run_and_taken_down_otherwise(tmp_path: Path) -> None:
    """F43: also where no lab is up to be looked at, and none is started."""
    place, later = lab(tmp_path, "t-past"), lab(tmp_path, "t-later", at=FUTURE)
    seen = immtf_program("reap", "--lab", "--dry-run", "--home", ".", cwd=tmp_path)
    assert (seen.returncode, seen.stderr.splitlines()) == (
        0,
        ["lab t-past goes: its time was over at 2001-09-09T01:47:40Z", "no lab default is up: nothing else to look at"],
    )
    assert (place / RECORD).exists()
    done = immtf_program("reap", "--lab", "--yes", "--home", ".", cwd=tmp_path)
    assert done.returncode == 0
    assert "took down lab t-past" in done.stderr
    assert [(path / "runtime").exists() for path in (place, later)] == [False, True]
    assert not (place / RECORD).exists()
    assert not (tmp_path / "labs/default").exists()


def test_a_lab_that_can_not_be_taken_down_is_for_a_person(tmp_path: Path) -> None:
    place = lab(tmp_path, "t-past")
    (place / "up.lock").mkdir()
    done = immtf_program("reap", "--lab", "--yes", "--home", ".", cwd=tmp_path)
    assert done.returncode == 24
    assert "lab t-past is left" in done.stderr
    assert (place / RECORD).exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--lab-name", "x"), "--lab-name is for a lab"),
        (("--environment", "nowhere"), "no file defines an environment nowhere"),
        (("--environment", "staging"), "this environment is no test's: its class is production"),
    ],
    ids=["no lab", "no definition", "production"],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], what: str) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/staging.yaml").write_text(DEFINITION)
    ended = immtf_program("reap", *arguments, "--yes", cwd=tmp_path, env=environment(tmp_path))
    assert ended.returncode == 2
    assert what in ended.stderr
