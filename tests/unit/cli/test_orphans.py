"""What a killed test left is taken down or told; what belongs to one that lives, or may live, is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.adapters import tether
from immtf.cli.orphans import LOCK, of_a_test, settled, sweep_labs, tell_left

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def lab(home: Path, name: str) -> Path:
    """Make what a killed test's lab leaves: its lock, which nobody holds, and a disk."""
    place = home / "labs" / name
    (place / "runtime/instances/i-1").mkdir(parents=True)
    (place / LOCK).touch()
    return place


def test_only_labs_of_dead_tests_are_taken_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead, alive, named = lab(tmp_path, "t-dead"), lab(tmp_path, "t-alive"), lab(tmp_path, "default")
    unknown = lab(tmp_path, "t-unknown")
    (unknown / LOCK).unlink()
    (unknown / LOCK).mkdir()  # can't be opened as a file
    with tether.held(alive / LOCK):
        sweep_labs(tmp_path)
    assert [(place / "runtime").exists() for place in (dead, alive, named, unknown)] == [False, True, True, True]
    assert not (dead / LOCK).exists()
    assert "took down lab t-dead of a test that was killed" in capsys.readouterr().err


def test_what_can_not_be_taken_down_is_left_for_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = lab(tmp_path, "t-left")
    (left / "up.lock").mkdir()
    with of_a_test(tmp_path, tmp_path / "labs/t-new"):
        assert tether.is_held(tmp_path / "labs/t-new" / LOCK)
    assert "lab t-left of a test that was killed is left" in capsys.readouterr().err
    assert (left / LOCK).exists()


def test_environments_of_dead_tests_are_told_and_no_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, of in {"t-dead": "/other", "t-begins": "", "t-alive": "/this", "staging": "/this"}.items():
        (tmp_path / "environments" / name).mkdir(parents=True)
        (tmp_path / "environments" / name / LOCK).write_text(of)
    with tether.held(tmp_path / "environments/t-alive" / LOCK, says="/new") as lock:
        tell_left(tmp_path)
        settled(tmp_path, "t-alive")
        assert lock.read_text() == "/new", "what lives stays"
    (dead,) = capsys.readouterr().err.splitlines()
    assert f"`immtf destroy /other --environment t-dead --yes --home={tmp_path}`" in dead
    for name in ("t-dead", "t-unheard-of"):
        settled(tmp_path, name)
    tell_left(tmp_path)
    assert capsys.readouterr().err == "", "what was destroyed is told no more"
