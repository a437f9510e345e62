"""What contract tests share: one lab of runtime `docker` a kind of volume, made at its first use, for it takes seconds to make one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from immtf.errors import LabFailed
from immtf.lab.docker.engine import reach
from immtf.lab.docker.media import DIRECTORY, VARIABLE
from immtf.lab.docker.runtime import DockerRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def docker_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DockerRuntime]]:
    """A lab whose volumes are what can be had here."""
    yield from _docker_lab(tmp_path_factory, {})


@pytest.fixture(scope="session")
def directory_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, DockerRuntime]]:
    """A lab whose volumes are directories, as where there are no loop devices."""
    yield from _docker_lab(tmp_path_factory, {VARIABLE: DIRECTORY})


def _docker_lab(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Iterator[tuple[Path, DockerRuntime]]:
    """A lab's directory and its runtime; no Docker engine: the test is skipped. The lab's PATH ends with `programs` beside it."""
    try:
        reach(os.environ).close()
    except LabFailed as failed:
        pytest.skip(failed.what)
    folder = tmp_path_factory.mktemp("docker") / "a lab"
    programs = folder.parent / "programs"
    programs.mkdir()
    runtime = DockerRuntime(folder, environment={**os.environ, **variables, "PATH": f"{os.environ['PATH']}:{programs}"})
    try:
        yield folder, runtime
    finally:
        runtime.close()
