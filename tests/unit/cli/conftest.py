"""What the program is given in these tests: the real Terraform, an environment with nothing else in it, a block without a cloud."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from immtf.lab.toolchain import TERRAFORM, Cache, Toolchain
from tests.unit.cli.program import environment, make_tiny

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the program's path."""
    (found,) = Toolchain(Cache(tmp_path_factory.mktemp("cache")), os.environ).find((TERRAFORM,))
    if found.path is None or not found.usable:
        pytest.skip(f"no terraform here: {found.problem}")
    return str(found.path)


@pytest.fixture
def env(tmp_path: Path, terraform: str) -> dict[str, str]:
    return environment(tmp_path, IMMTF_TERRAFORM=terraform, PATH="/usr/bin:/bin", USER="eve")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return make_tiny(tmp_path / "tiny")
