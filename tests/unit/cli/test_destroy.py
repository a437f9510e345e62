"""`destroy` and the tests are kept away from what isn't meant to be thrown away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.program import immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path


def test_production_is_not_destroyed_without_its_name(tmp_path: Path, env: dict[str, str]) -> None:
    """F44: `--yes` is not enough, nor is another name; the block's own name is."""
    tiny = make_tiny(tmp_path / "tiny")
    assert immtf_program("upgrade", "--yes", cwd=tiny, env=env).returncode == 0
    state = (tiny / "terraform.tfstate").read_text()
    for arguments in (("--yes",), ("--confirm", "tinny")):
        refused = immtf_program("destroy", *arguments, cwd=tiny, env=env)
        assert refused.returncode == 2, refused.stderr
        assert "--confirm tiny" in " ".join(refused.stderr.split())
    assert (tiny / "terraform.tfstate").read_text() == state
    assert immtf_program("destroy", "--confirm", "tiny", cwd=tiny, env=env).returncode == 0
    assert json.loads((tiny / "terraform.tfstate").read_text())["resources"] == []


@pytest.mark.parametrize("command", ["test-create", "test-upgrade"])
def test_a_test_takes_no_environment_that_is_not_a_test_s(tmp_path: Path, env: dict[str, str], command: str) -> None:
    """F44: an environment that `create` made is production; a test command would destroy it at its end."""
    tiny = make_tiny(tmp_path / "tiny")
    assert immtf_program("create", "--yes", "--environment", "main", cwd=tiny, env=env).returncode == 0
    state = tiny / ".immtf/environments/main/tiny/terraform.tfstate"
    before = state.read_text()
    refused = immtf_program(command, "--yes", "--environment", "main", cwd=tiny, env=env)
    assert refused.returncode == 2, refused.stderr
    assert "this environment is no test's" in refused.stderr
    assert state.read_text() == before
