"""A `test-upgrade` whose previous version is a revision of the block's own repository: configuration, image and all."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.rehearsal import Rehearsal

WHO = ("-c", "user.name=A Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")


def git(top: Path, *arguments: str) -> None:
    subprocess.run(["git", *WHO, *arguments], cwd=top, check=True, capture_output=True, timeout=60)


@pytest.mark.lab(minutes=6)
def test_from_a_revision(rehearsal: Rehearsal) -> None:
    """The revision before has another configuration, another image and a lower version; the working tree is what it is upgraded to."""
    block = rehearsal.copy_block()
    top = rehearsal.directory / "block"
    newest = block / "lab/images/consul/1.1.0"
    newest.rename(rehearsal.directory / "kept")
    rehearsal.change('version: "~> 1.1"', 'version: "~> 1.0.0"')
    rehearsal.change("version: 1.1.0", "version: 1.0.0")
    git(top, "init", "--quiet")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "1.0.0")
    git(top, "tag", "v1.0.0")
    (rehearsal.directory / "kept").rename(newest)
    rehearsal.change('version: "~> 1.0.0"', 'version: "~> 1.1"')
    rehearsal.change("version: 1.0.0", "version: 1.1.0")

    ended = rehearsal.run("test-upgrade", "--yes", "--from", "git:v1.0.0").expect(0)

    assert "from 1.0.0 to 1.1.0" in [event.get("message") for event in ended.of("noted")]
    assert {"outcome": "done", "nodes_replaced": 3, "volumes_kept": 3, "writes_lost": 0}.items() <= ended.last.items()
    assert rehearsal.left() == []


def test_from_nowhere(rehearsal: Rehearsal) -> None:
    """A revision that isn't there is a mistake in the command: said at once, with nothing begun."""
    rehearsal.copy_block()
    top = rehearsal.directory / "block"
    git(top, "init", "--quiet")
    ended = rehearsal.run("test-upgrade", "--yes", "--from", "git:v9").expect(2)
    assert "git archive failed" in ended.stderr
    assert "--from git:v1.0.0" in ended.stderr
    assert rehearsal.left() == []
