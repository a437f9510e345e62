"""What runs over many blocks leave that are killed: variables may be secret, so the next run removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters import tether
from immtf.adapters.children import sweep_left

if TYPE_CHECKING:
    from pathlib import Path


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")


def left(runs: Path) -> list[str]:
    return sorted(str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file())


@pytest.mark.parametrize("of", ["run", "run/create", "run/destroy"], ids=["many", "test", "clean-up"])
def test_a_killed_run_s_files_go_and_its_journal_stays(tmp_path: Path, of: str) -> None:
    here = tmp_path / of
    write(tmp_path / "run/journal.jsonl", here / "tether", here / "blocks/base.stdout", here / "variables/base.tfvars.json")
    sweep_left(tmp_path)
    assert left(tmp_path) == ["run/journal.jsonl"]


@pytest.mark.parametrize("of", ["run", "run/create"], ids=["many", "test"])
def test_one_that_was_killed_while_it_asked_left_variables_alone(tmp_path: Path, of: str) -> None:
    here = tmp_path / of / "variables"
    write(here / "tether", here / "base.tfvars.json")
    sweep_left(tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize("lock", ["run/tether", "run/variables/tether"])
def test_what_a_run_uses_that_lives_stays(tmp_path: Path, lock: str) -> None:
    write(tmp_path / "run/variables/base.tfvars.json")
    with tether.held(tmp_path / lock):
        sweep_left(tmp_path)
        assert left(tmp_path) == sorted({lock, "run/variables/base.tfvars.json"})


def test_without_any_run_nothing_is_looked_for(tmp_path: Path) -> None:
    sweep_left(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
