"""Terraform's own word on the files: formatted, valid, and nodes placed by their name alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, cast

import pytest

from immtf.adapters.process import Captured, Command, capture
from immtf.lab.toolchain import Cache, Toolchain, Tools, cache_directory
from tests.hcl.terraform_files import MODULES, ROOT

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


Placed = dict[str, dict[str, object]]


@pytest.fixture
def said(terraform: Terraform, tools: Tools, tmp_path: Path) -> Callable[..., Any]:
    """Let Terraform's console say what a local of a block is with these variables; it reads the expression from its input."""

    def say(block: str, local: str, **variables: str) -> Any:
        directory = initialised(terraform, tmp_path / block, ROOT / "blocks" / block)
        given = [word for name, value in {"image_id": "ami-0", **variables}.items() for word in ("-var", f"{name}={value}")]
        argv = ["sh", "-c", f'echo "jsonencode(local.{local})" | "$0" console -no-color "$@"', str(tools.terraform), *given]
        done = capture(Command(argv=argv, cwd=directory, environment=quiet(tools), limit_s=60))
        assert done.exit_code == 0, done.stderr
        return json.loads(json.loads(done.stdout))

    return say


@pytest.fixture
def placed(said: Callable[..., Any], tmp_path: Path) -> Callable[[str], Placed]:
    """Let Terraform's console say where Consul's nodes of these names are placed, in a network of their own."""

    def place(nodes: str) -> Placed:
        shutil.rmtree(tmp_path / "consul", ignore_errors=True)
        return cast("Placed", said("consul", "nodes", zones='["x","y","z"]', nodes=nodes))

    return place


def test_blocks_on_one_base_never_want_the_same_address(said: Callable[..., Any]) -> None:
    """All letters of all parts, in the subnets of one base."""
    letters = json.dumps(list(ascii_lowercase))
    subnets = [{"id": f"subnet-{n}", "zone": f"z{n}", "cidr": f"10.99.{10 + n}.0/24"} for n in range(3)]
    base = json.dumps({"vpc_id": "vpc-0", "network_cidr": "10.99.0.0/16", "subnets": subnets})
    servers = said("consul", "nodes", base=base, nodes=letters)
    places = said("service", "places", base=base, consul='{"nodes":{}}', nodes=letters, web_nodes=letters)
    addresses = [place["address"] for part in (servers, places["etcd"], places["web"]) for place in part.values()]
    assert len(addresses) == len(set(addresses)) == 3 * 26
    assert {address.rpartition(".")[0] for address in addresses} == {"10.99.10", "10.99.11", "10.99.12"}
    assert [part["b"]["address"] for part in (servers, places["etcd"], places["web"])] == ["10.99.11.12", "10.99.11.62", "10.99.11.112"]


def test_a_node_keeps_its_place_when_others_come_and_go(placed: Callable[[str], Placed]) -> None:
    """F38: nothing about a node depends on which other nodes there are."""
    assert placed('["a","c","e"]') == {
        "a": {"zone": 0, "address": "10.20.10.11"},
        "c": {"zone": 2, "address": "10.20.12.13"},
        "e": {"zone": 1, "address": "10.20.11.15"},
    }
    five = placed('["a","b","c","d","e"]')
    assert five["c"] == {"zone": 2, "address": "10.20.12.13"}
    assert sorted(str(place["zone"]) for place in five.values()) == ["0", "0", "1", "1", "2"]
