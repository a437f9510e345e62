"""What immtf relies on to know what is deployed: where the real Terraform's plan has the states that it read, and those that it didn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.plan.contracts import Publication, publications
from tests.contract.terraform_world import World, apply_all, make_world, needs_terraform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.terraform, needs_terraform]

PRODUCER = """
resource "terraform_data" "network" {}
variable "version_" { default = "2.1.0" }
output "block" { value = { name = "base", version = var.version_ } }
"""
MODULE = """
variable "path" {}
data "terraform_remote_state" "base" {
  backend = "local"
  config  = { path = var.path }
}
"""
CONSUMER = """
variable "image" { default = "1" }
locals { path = "${path.root}/../../base/root module/terraform.tfstate" }
resource "terraform_data" "server" {
  triggers_replace = var.image
  input            = local.path
}
data "terraform_remote_state" "base" {
  backend  = "local"
  config   = { path = local.path }
  defaults = { zones = [] }
}
module "network" {
  source = "./network"
  path   = local.path
}
"""
LATER = """
data "terraform_remote_state" "late" {
  backend = "local"
  config  = { path = terraform_data.server.output }
}
"""
ROOT, INNER = "data.terraform_remote_state.base", "module.network.data.terraform_remote_state.base"


@pytest.fixture
def base(tmp_path: Path) -> World:
    (tmp_path / "base").mkdir()
    world = make_world(tmp_path / "base", PRODUCER)
    apply_all(world.ready())
    return world


@pytest.fixture
def consul(tmp_path: Path) -> World:
    (tmp_path / "consul").mkdir()
    world = make_world(tmp_path / "consul", CONSUMER)
    world.write(MODULE, "network/main.tf")
    return world


def test_what_is_read_for_a_plan_stands_in_it_and_is_read_anew_each_time(base: World, consul: World) -> None:
    """F46: before the first apply, after it, and after the producer was upgraded beside it."""
    terraform = consul.ready()
    for expected in ("2.1.0", "2.1.0", "3.0.0"):
        saved = terraform.plan()
        assert publications(saved.data) == tuple(Publication(address, "base", expected) for address in (ROOT, INNER))
        if saved.changed:
            terraform.apply(saved)
        else:
            apply_all(base.ready(variables={"version_": "3.0.0"}))


@pytest.mark.usefixtures("base")
def test_a_state_that_is_read_in_the_apply_only_is_told_as_unknown_whatever_was_read_before(consul: World) -> None:
    """F46: the consumer's own state has what it read last time; the plan that replaces what it hangs on doesn't."""
    consul.write(LATER, "later.tf")
    apply_all(consul.ready())
    late = "data.terraform_remote_state.late"
    told = {item.address: item.problem for item in publications(consul.ready(variables={"image": "2"}).plan().data)}
    assert told == {ROOT: "", INNER: "", late: "can't be read before the apply"}
    assert [item.version for item in publications(consul.ready().plan().data) if item.address == late] == ["2.1.0"]


@pytest.mark.usefixtures("base")
def test_a_state_that_is_no_longer_read_tells_nothing(consul: World) -> None:
    """F46: what an earlier apply wrote down of it is no evidence of what is deployed now."""
    apply_all(consul.ready())
    consul.write('resource "terraform_data" "server" {}\n')
    assert publications(consul.ready().plan().data) == ()
