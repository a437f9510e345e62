"""One machine for all the tests of a module, empty before each of them."""

from __future__ import annotations

import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.packer.machine import IMAGE, LOOPS_MAY_BE_MADE, SCRIPT, Machine, docker

if TYPE_CHECKING:
    from collections.abc import Iterator


def _answers(*command: str) -> bool:
    try:
        return subprocess.run(["docker", *command], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers and has Debian's image; without it the test is skipped."""
    if not _answers("info"):
        pytest.skip("no Docker engine answers")
    if not _answers("image", "inspect", IMAGE):
        pytest.skip(f"the image {IMAGE} is not there")


@pytest.fixture(scope="module")
def container(engine: None) -> Iterator[str]:  # noqa: ARG001 - it skips where there is none
    """A container with the volume script in it."""
    name = f"immtf-packer-{uuid.uuid4().hex[:12]}"
    docker("run", "--detach", "--init", "--network", "none", "--name", name, *LOOPS_MAY_BE_MADE, IMAGE, "sleep", "1800")
    try:
        docker("exec", name, "mkdir", "/t")
        docker("cp", str(SCRIPT), f"{name}:/usr/local/bin/immtf-volume")
        yield name
    finally:
        docker("rm", "--force", name)


@pytest.fixture
def machine(container: str) -> Iterator[Machine]:
    """An empty machine."""
    made = Machine(container)
    try:
        yield made
    finally:
        made.clear()
