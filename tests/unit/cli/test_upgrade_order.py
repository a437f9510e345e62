"""An upgrade of blocks that require each other, by the real Terraform: refused before anything, or in the order that breaks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.app.target import Target
from immtf.cli.catalogue import blocks_at
from immtf.cli.many_order import Look, arrange
from immtf.cli.options import Options
from immtf.errors import ExitCode, VersionsUnresolved
from immtf.model.environment import Backend, States
from immtf.model.outputs import Output, Outputs
from tests.unit.cli.parts import make_part
from tests.unit.cli.program import immtf_program, make_tiny

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.terraform
USES = """\
block: consul
version: 1.0.0
requires: { base: { version: ">= 1.0", outputs: { network: any } } }
"""


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
    planned = immtf_program("plan", "parts", "--environment", "dev", "--output", "lines", cwd=parts.parent, env=env)
    assert planned.returncode == ExitCode.VERSIONS_UNRESOLVED, planned.stderr
    alone = act("upgrade", parts, env, "--only", "base")
    assert alone.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "block consul 1.0.0 is deployed and accepts base ~> 1.0; base would go from 1.0.0 to 2.0.0" in alone.stderr

    make_part(parts, "consul", '{ base: "~> 2.0" }', version="2.0.0")
    neither = act("upgrade", parts, env)
    assert neither.returncode == ExitCode.VERSIONS_UNRESOLVED
    assert "upgrade consul first to a version in between that accepts both base 1.0.0 and 2.0.0, then to 2.0.0" in neither.stderr
    assert deployed(parts, env) == ["deployed 1.0.0", "deployed 1.0.0"]

    make_part(parts, "consul", '{ base: ">= 1.0" }', version="1.1.0")
    shown = act("upgrade", parts, env, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    why = "why goes before base, as base 2.0.0 isn't accepted by consul as it is deployed (base ~> 1.0)"
    assert shown.stdout.splitlines()[:2] == [
        f"consul: now 1.0.0; version 1.1.0; after -; {why}",
        "base: now 1.0.0; version 2.0.0; after consul; why -",
    ]
    planned = immtf_program("plan", "parts", "--environment", "dev", "--output", "lines", cwd=parts.parent, env=env)
    assert planned.returncode == ExitCode.CHANGES_PENDING, planned.stderr
    assert planned.stdout.splitlines() == ["consul: output block", "base: output block"]
    done = act("upgrade", parts, env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.index("consul: ✓ block") < done.stderr.index("base: ▸ block")
    assert deployed(parts, env) == ["deployed 2.0.0", "deployed 1.1.0"]


@pytest.mark.parametrize("command", ["plan", "upgrade"])
def test_an_output_that_a_producer_gives_up_is_refused_before_anything(tmp_path: Path, command: str) -> None:
    """The state of base has it still: by itself each block's run would find out when base is upgraded."""
    make_part(tmp_path, "base", version="1.1.0")
    make_tiny(tmp_path / "consul", file=USES)
    state = {"base": {"network": Output("network", "n")}, "consul": {}}

    def read(name: str, _backend: Backend) -> Outputs:
        told = Output("block", {"name": name, "version": "1.0.0", "requires": {}})
        return Outputs(name, f"the state of {name}", "there", {"block": told, **state[name]}, 1)

    states = States(lambda name: Backend("local", {"path": name}), lambda: ("base", "consul"))
    target = Target(cloud="x", environment="e", is_test=True, home=tmp_path, process={}, states=states)
    look = Look(target=target, interrupted=lambda: False, tell=lambda _event: None, read=read)
    with pytest.raises(VersionsUnresolved, match=r'consul 1\.0\.0 uses the output "network" of base, and the HCL of base 1\.1\.0'):
        arrange(command, Options(block=tmp_path), blocks_at(tmp_path, tmp_path), look)
