"""Terraform's own word on the files: formatted, valid, and nodes placed by their name alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.process import Captured, Command, capture
from immtf.lab.toolchain import Cache, Toolchain, Tools, cache_directory
from tests.hcl.terraform_files import BLOCKS, MODULES, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    Terraform = Callable[..., Captured]

pytestmark = pytest.mark.terraform


def quiet(tools: Tools) -> dict[str, str]:
    """Give the environment of every child: the fetched provider, and no call home."""
    return {**os.environ, "TF_CLI_CONFIG_FILE": str(tools.cli_config), "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready()


@pytest.fixture
def terraform(tools: Tools) -> Terraform:
    def run(cwd: Path, *arguments: str) -> Captured:
        return capture(Command(argv=[str(tools.terraform), *arguments], cwd=cwd, environment=quiet(tools), limit_s=120))

    return run


def initialised(terraform: Terraform, tmp_path: Path, module: Path) -> Path:
    tree = tmp_path / "terraform"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    directory = tree / module.relative_to(ROOT)
    done = terraform(directory, "init", "-backend=false", "-no-color")
    assert done.exit_code == 0, done.stderr
    return directory


def test_all_files_are_formatted(terraform: Terraform) -> None:
    done = terraform(ROOT, "fmt", "-check", "-recursive", "-diff", ".")
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_module_is_valid(module: Path, terraform: Terraform, tmp_path: Path) -> None:
    done = terraform(initialised(terraform, tmp_path, module), "validate", "-json")
    answer = json.loads(done.stdout)
    assert (answer["valid"], answer["diagnostics"]) == (True, [])


@pytest.fixture
def placed(terraform: Terraform, tools: Tools, tmp_path: Path) -> Callable[[str], dict[str, dict[str, object]]]:
    """Let Terraform's console say where nodes of these names are placed; it reads the expression from its input."""
    directory = initialised(terraform, tmp_path, BLOCKS[0])
    console = 'echo "jsonencode(local.nodes)" | "$0" console -no-color "$@"'

    def place(nodes: str) -> dict[str, dict[str, object]]:
        variables = ["-var", 'zones=["x","y","z"]', "-var", "image_id=ami-0", "-var", f"nodes={nodes}"]
        argv = ["sh", "-c", console, str(tools.terraform), *variables]
        done = capture(Command(argv=argv, cwd=directory, environment=quiet(tools), limit_s=60))
        assert done.exit_code == 0, done.stderr
        places: dict[str, dict[str, object]] = json.loads(json.loads(done.stdout))
        return places

    return place


def test_a_node_keeps_its_place_when_others_come_and_go(placed: Callable[[str], dict[str, dict[str, object]]]) -> None:
    """F38: nothing about a node depends on which other nodes there are."""
    assert placed('["a","c","e"]') == {
        "a": {"zone": 0, "address": "10.20.10.11"},
        "c": {"zone": 2, "address": "10.20.12.13"},
        "e": {"zone": 1, "address": "10.20.11.15"},
    }
    five = placed('["a","b","c","d","e"]')
    assert five["c"] == {"zone": 2, "address": "10.20.12.13"}
    assert sorted(str(place["zone"]) for place in five.values()) == ["0", "0", "1", "1", "2"]
