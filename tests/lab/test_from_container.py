"""A `test-upgrade` whose previous version is a container image of the block: the image makes it, this version upgrades and destroys it."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from immtf.model.container import HOME
from tests.container.image import engine_problem, immtf_image
from tests.lab.child import environment
from tests.lab.rehearsal import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.rehearsal import Rehearsal

LIMIT_S = 900.0
IN_CONTAINER = "in the container: "


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout.strip()


class Images:
    """Block images made by the real program, all removed at the end."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.name = f"immtf-test-previous-{uuid.uuid4().hex[:12]}"  # what a killed run left is never met
        self.made: list[str] = []

    def build(self, version: str) -> str:
        """Make the image of the block as it is in the rehearsal's copy; the tag is of this rehearsal alone."""
        tag = f"{self.name}:{version}"
        argv = [sys.executable, "-m", "immtf", "image", "block", str(self.rehearsal.block), "--base", immtf_image(), "--tag", tag]
        subprocess.run(argv, env=environment(REPOSITORY), check=True, timeout=LIMIT_S, capture_output=True)
        self.made.append(tag)
        return f"image:{tag}"


@pytest.fixture
def images(rehearsal: Rehearsal) -> Iterator[Images]:
    if problem := engine_problem():
        pytest.skip(problem)
    found = Images(rehearsal)
    try:
        yield found
    finally:
        for left in containers(rehearsal) if rehearsal.home.exists() else ():
            docker("rm", "--force", left)
        for tag in found.made:
            docker("rmi", "--force", tag)


def containers(rehearsal: Rehearsal) -> dict[str, bool]:
    """Return the containers of this rehearsal's home, and whether each runs."""
    found = rehearsal.home.stat()
    label = f"label={HOME}={found.st_dev:x}:{found.st_ino:x}"
    rows = docker("ps", "--all", "--no-trunc", "--filter", label, "--format", "{{.ID}} {{.State}}").splitlines()
    return {row.split()[0]: row.split()[1] == "running" for row in rows}


def make_old(rehearsal: Rehearsal) -> None:
    """Turn a copy of the block into its previous version, whose gate on the service gives up soon."""
    rehearsal.copy_block("old")
    rehearsal.change("version: 1.1.0", "version: 1.0.0")
    rehearsal.change('version: "~> 1.1"', 'version: "~> 1.0.0"')


@pytest.mark.docker
@pytest.mark.lab(minutes=5)
def test_a_bad_one_and_a_killed_one_leave_nothing(rehearsal: Rehearsal, images: Images) -> None:
    """What goes well is shown by `test_whole_road`: here the container fails, and then the run itself is killed while it works."""
    make_old(rehearsal)
    old = images.build("1.0.0")
    rehearsal.change("- mounted\n", "- mounted: { deadline: 15s }\n")
    rehearsal.change("- consul\n", "- consul: { port: 8501, deadline: 15s }\n")
    bad = images.build("1.0.0-bad")
    rehearsal.copy_block("new")

    failed = rehearsal.run("test-upgrade", "--yes", "--from", bad, limit_s=LIMIT_S).expect(20)
    halted = failed.one("run_halted")
    assert "its container ended with exit code 20: a gate did not hold, and it stopped at a safe point: " in halted["what"]
    assert halted["where"] == bad.removeprefix("image:")
    assert failed.one("stage_finished", stage="clean-up")
    assert containers(rehearsal) == {}

    child = rehearsal.begin("test-upgrade", "--yes", "--from", old)
    child.until(lambda event: event["event"] == "terraform_told" and event["kind"] == "apply_start", LIMIT_S)
    (left,) = containers(rehearsal)
    child.kill()
    deadline = time.monotonic() + LIMIT_S
    while containers(rehearsal)[left] and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not containers(rehearsal)[left], "it ends by itself when its run is gone"

    ended = rehearsal.run("test-upgrade", "--yes", "--from", bad, limit_s=LIMIT_S).expect(20)
    assert "removed a container of run" in ended.stderr
    assert "took down lab t-" in ended.stderr
    assert containers(rehearsal) == {}
    notes = [event["message"] for event in ended.of("noted")]
    assert "from 1.0.0 to 1.1.0" in notes
    assert any(note.startswith(f"{IN_CONTAINER}create of block consul 1.0.0") for note in notes)
    assert ended.one("stage_finished", stage="clean-up")
