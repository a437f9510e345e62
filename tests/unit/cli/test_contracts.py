"""Two blocks and their contract, through the program with the real Terraform: what doesn't fit is refused before anything is touched."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    from pathlib import Path

FILE = "block: {name}\nversion: {version}\nterraform: .\n"
PRODUCER = """\
locals { block = yamldecode(file("${path.module}/immtf.yaml")) }
resource "terraform_data" "network" { input = local.block.version }
output "block" { value = { name = local.block.block, version = local.block.version } }
"""
CONSUMER = """\
data "terraform_remote_state" "network" {
  backend = "local"
  config  = { path = "${path.module}/../base/terraform.tfstate" }
}
resource "terraform_data" "server" { input = keys(data.terraform_remote_state.network.outputs) }
"""
CLUSTER = """\
clusters:
  server:
    nodes: {nodes}
    gates: [mounted]
    volumes: {{ data: {{ mount: {mount} }} }}
"""


def write(folder: Path, hcl: str, *, version: str, more: str = "", name: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "immtf.yaml").write_text(FILE.format(name=name or folder.name, version=version) + more)
    (folder / "main.tf").write_text(hcl)
    return folder


def deploy_base(home: Path, version: str, env: dict[str, str], hcl: str = PRODUCER) -> None:
    base = write(home / "base", hcl, version=version)
    for words in (["init", "-input=false"], ["apply", "-input=false", "-auto-approve"]):
        subprocess.run([env["IMMTF_TERRAFORM"], *words], cwd=base, env=env, capture_output=True, timeout=60, check=True)


def consumer(home: Path) -> Path:
    return write(home / "consul", CONSUMER, version="1.1.0", more='requires: { base: "~> 2.0" }\n')


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_a_producer_outside_the_range_is_refused_with_both_versions_named(tmp_path: Path, env: dict[str, str]) -> None:
    """F46: nothing of the consumer is made."""
    deploy_base(tmp_path, "1.4.0", env)
    consul = consumer(tmp_path)
    for command in (["plan"], ["upgrade", "--yes"], ["create", "--yes"]):
        done = immtf_program(*command, "--output", "json", cwd=consul, env=env)
        assert done.returncode == 30, done.stderr
        (halted,) = (event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "run_halted")
        assert "data.terraform_remote_state.network is block base 1.4.0, and block consul 1.1.0 requires base ~> 2.0" in halted["what"]
        assert "[requires-version]" in halted["what"]
        assert not (consul / "terraform.tfstate").exists()


def test_what_is_known_to_be_too_old_can_not_be_passed_over_and_goes_on_when_it_was_upgraded(tmp_path: Path, env: dict[str, str]) -> None:
    """F46: the range is the block's own word."""
    deploy_base(tmp_path, "1.4.0", env)
    consul = consumer(tmp_path)
    forced = immtf_program("upgrade", "--yes", "--allow", "requires-version", "--reason", "hurry", cwd=consul, env=env)
    assert forced.returncode == 2
    assert "`requires-version` is a hard rule" in one_line(forced.stderr)
    deploy_base(tmp_path, "2.1.0", env)
    done = immtf_program("upgrade", "--yes", cwd=consul, env=env)
    assert done.returncode == 0, done.stderr
    assert (consul / "terraform.tfstate").exists()


def test_a_producer_that_publishes_nothing_is_unknown_and_may_be_passed_over_with_a_reason(tmp_path: Path, env: dict[str, str]) -> None:
    """F46."""
    deploy_base(tmp_path, "2.1.0", env, hcl='output "vpc" { value = "vpc-1" }\n')
    consul = consumer(tmp_path)
    refused = immtf_program("upgrade", "--yes", cwd=consul, env=env)
    assert refused.returncode == 30
    assert "[requires-unknown]" in refused.stderr
    assert 'output "block" { value = { name = "base", version = "1.2.3" } }' in one_line(refused.stderr)
    assert not (consul / "terraform.tfstate").exists()
    allowed = immtf_program("upgrade", "--yes", "--allow", "requires-unknown", "--reason", "base is older", cwd=consul, env=env)
    assert allowed.returncode == 0, allowed.stderr
    (journal,) = (path for path in (consul / ".immtf" / "runs").rglob("*.jsonl") if "check_overridden" in path.read_text())
    assert "base is older" in journal.read_text()


@pytest.mark.parametrize("source", ["directory", "git"])
def test_a_previous_version_that_can_not_be_upgraded_is_refused_before_anything_is_created(
    tmp_path: Path, env: dict[str, str], source: str
) -> None:
    """F45: every difference at once; not even a place to create it in is made."""
    old = CLUSTER.format(nodes="module.node", mount="/data")
    consul = write(tmp_path / "consul", "", version="1.0.0", more=old, name="etcd")
    if source == "git":
        for words in (
            ["init", "-q"],
            ["add", "immtf.yaml", "main.tf"],
            ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "old"],
        ):
            subprocess.run(["git", *words], cwd=consul, env=env, check=True)
    else:
        consul.rename(tmp_path / "old")
    write(consul, "", version="1.1.0", more=CLUSTER.format(nodes="module.server", mount="/var/lib/consul"))
    given = "git:HEAD" if source == "git" else "../old"
    before = sorted(path.name for path in consul.iterdir())
    done = immtf_program("test-upgrade", "--yes", "--from", given, cwd=consul, env=env)
    assert done.returncode == 30, done.stderr
    told = one_line(done.stderr)
    assert "the previous version 1.0.0 of block consul lacks the contract of 1.1.0" in told
    for difference in ("named etcd, not consul", "nodes at module.node, not at module.server", "data at /data, not at /var/lib/consul"):
        assert difference in told
    assert "nothing was created" in told
    assert sorted(path.name for path in consul.iterdir()) == before
