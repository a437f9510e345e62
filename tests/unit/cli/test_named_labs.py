"""A lab that is named and isn't up: no command that only looks, or changes what is there, starts it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from immtf.lab.place import Place, held
from tests.unit.cli.program import immtf_program, make_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD = {"endpoint": "http://127.0.0.1:9", "cidr": "127.0.0.0/16", "pid": 1, "region": "eu-west-1", "delays": "none", "token": "t"}


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Path]:
    """Give the directory of labs: `rehearsal` is up as far as can be seen, `gone` died."""
    make_tiny(tmp_path / "tiny")
    folder = tmp_path / ".immtf" / "labs"
    for name in ("rehearsal", "gone"):
        (folder / name).mkdir(parents=True)
        (folder / name / "lab.json").write_text(json.dumps(RECORD))
    with held(Place(folder / "rehearsal").controller_lock, 5.0, time.monotonic, time.sleep):
        yield folder


@pytest.mark.parametrize(
    ("command", "name", "told"),
    [
        ("plan", "reharsal", "did you mean --lab-name rehearsal?"),
        ("status", "other", "those that are up: rehearsal; `immtf lab up --name other` starts one of this name"),
        ("doctor", "gone", "no lab gone is up"),
        ("upgrade", "gone", "no lab gone is up"),
    ],
)
def test_it_is_refused_with_those_that_are_up(labs: Path, tmp_path: Path, command: str, name: str, told: str) -> None:
    done = immtf_program(command, "tiny", "--lab", "--lab-name", name, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert sorted(entry.name for entry in labs.iterdir()) == ["gone", "rehearsal"]
    assert [entry.name for entry in (labs / "gone").iterdir()] == ["lab.json"], "nothing was started there"
