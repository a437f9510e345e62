"""An upgrade of blocks that require each other, by the real Terraform: refused before anything, or in the order that breaks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import ExitCode
from tests.unit.cli.parts import make_part
from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.terraform


@pytest.fixture
def parts(tmp_path: Path, env: dict[str, str]) -> Path:
    """Return an infrastructure that is deployed: base 1.0.0, and consul 1.0.0, which accepts base ~> 1.0."""
    folder = tmp_path / "parts"
    make_part(folder, "base")
    make_part(folder, "consul", '{ base: "~> 1.0" }')
    made = act("create", folder, env)
    assert made.returncode == 0, made.stderr
    return folder


def act(command: str, parts: Path, env: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    words = (command, "parts", "--environment", "dev", "--yes", "--output", "lines", *more)
    return immtf_program(*words, cwd=parts.parent, env=env)


def deployed(parts: Path, env: dict[str, str]) -> list[str]:
    told = immtf_program("graph", "parts", "--environment", "dev", cwd=parts.parent, env=env).stdout
    return [line.strip() for line in told.splitlines() if "deployed" in line]


def test_base_is_not_upgraded_past_what_consul_accepts_and_with_one_that_accepts_it_consul_goes_first(
    parts: Path, env: dict[str, str]
) -> None:
    """F46."""
    make_part(parts, "base", version="2.0.0")
    alone = act("upgrade", parts, env, "--only", "base")
    assert alone.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "block consul 1.0.0 is deployed and accepts base ~> 1.0; base would go from 1.0.0 to 2.0.0" in alone.stderr

    make_part(parts, "consul", '{ base: "~> 2.0" }', version="2.0.0")
    neither = act("upgrade", parts, env)
    assert neither.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "upgrade consul first to a version in between that accepts both base 1.0.0 and 2.0.0, then to 2.0.0" in neither.stderr
    assert deployed(parts, env) == ["deployed 1.0.0", "deployed 1.0.0"]

    make_part(parts, "consul", '{ base: ">= 1.0" }', version="1.1.0")
    done = act("upgrade", parts, env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("consul: ✓ block") < done.stderr.index("base: ▸ block")
    assert deployed(parts, env) == ["deployed 2.0.0", "deployed 1.1.0"]
