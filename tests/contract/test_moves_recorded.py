"""A `moved` block, with the real Terraform: its moves are recorded first, and only then are there plans with targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from immtf.adapters.terraform.failures import RunFailed
from immtf.model.block import Block
from immtf.model.events import PlanJudged
from immtf.plan.judge import acting
from immtf.run.executor import Executor
from immtf.run.gates import Patience
from immtf.run.ledger import Ledger
from immtf.run.moving import record_moves
from immtf.run.upgrade import Upgrade, prepare
from immtf.run.world import World as Observer
from tests.contract.terraform_world import World, apply_all, make_world, needs_terraform
from tests.fakes.clock import FakeCancel, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.events import Event

pytestmark = [pytest.mark.terraform, needs_terraform]
HERE = Path("/blocks/one")
NETWORK = """variable "name" {}
resource "terraform_data" "vpc" { input = var.name }
resource "terraform_data" "subnet" {
  count = 2
  input = terraform_data.vpc.id
}
output "id" { value = terraform_data.vpc.id }
"""
BEFORE = """module "network" {
  source = "./network"
  name   = "one"
}
resource "terraform_data" "node" {
  for_each         = toset(["a", "b"])
  input            = module.network.id
  triggers_replace = "1.0.0"
}
"""
AFTER = """module "network" {
  source   = "./network"
  for_each = toset(["own"])
  name     = "two"
}
moved {
  from = module.network
  to   = module.network["own"]
}
resource "terraform_data" "node" {
  for_each         = toset(["a", "b"])
  input            = module.network["own"].id
  triggers_replace = "1.1.0"
}
"""
NODE = 'terraform_data.node["a"]'


class NoCloud:
    """As much of a cloud as a block without nodes asks of it."""

    def instances(self, ids: Collection[str]) -> dict[str, Any]:
        assert not ids
        return {}

    volumes = instances

    def image(self, image_id: str) -> None:
        raise AssertionError(image_id)


def moved(tmp_path: Path) -> tuple[World, Observer]:
    """Return a root module whose network has moved since it was applied, and is to be changed as well."""
    world = make_world(tmp_path, BEFORE)
    world.write(NETWORK, "network/main.tf")
    apply_all(world.ready())
    world.write(AFTER)
    nothing = cast("Any", None)
    block = Block("one", "1.0.0", HERE, HERE / "immtf.yaml", HERE)
    return world, Observer(block, world.ready(), cast("Any", NoCloud()), nothing, nothing, nothing)


def identities(world: World) -> dict[str, str]:
    return {item.address: item.values["id"] for item in world.cli().state().resources}


def test_an_upgrade_records_the_moves_and_then_changes_what_it_shows(tmp_path: Path) -> None:
    """F39: what moved keeps its identity, what is to be replaced is replaced, and a full plan is empty at the end."""
    world, observer = moved(tmp_path)
    told: list[Event] = []
    patience = Patience(VirtualClock(), FakeCancel(), told.append)
    before = identities(world)
    plan = prepare(observer, patience, None, {})
    Upgrade(Executor(observer, patience, Ledger(0.0))).perform(plan)
    after = identities(world)
    network = {address: identity for address, identity in before.items() if address.startswith("module.")}
    assert {address: after[address.replace("module.network", 'module.network["own"]')] for address in network} == network
    assert len(after) == len(before) == 5
    assert after[NODE] != before[NODE]
    (first, *_) = [event for event in told if isinstance(event, PlanJudged)]
    assert first.allowed == tuple(map(str, plan.moves))
    assert 'module.network["own"].terraform_data.vpc: moved from module.network.terraform_data.vpc' in first.allowed
    assert not world.cli().plan().changed


def test_terraform_makes_no_plan_for_a_node_before_and_one_for_it_alone_after(tmp_path: Path) -> None:
    """F39: recording changes nothing: the update of what moved is still to come."""
    world, observer = moved(tmp_path)
    with pytest.raises(RunFailed, match="Moved resource instances excluded by targeting"):
        observer.terraform.plan(targets=[NODE])
    patience = Patience(VirtualClock(), FakeCancel(), lambda _event: None)
    record_moves(observer, patience, prepare(observer, patience, None, {}).moves)
    rows = acting(world.cli().plan().data)
    assert [(row.address, row.actions) for row in rows if row.address.startswith("module.")] == [
        ('module.network["own"].terraform_data.vpc', ("update",))
    ]
    assert NODE in [row.address for row in acting(observer.terraform.plan(targets=[NODE]).data)]
    record_moves(observer, patience, prepare(observer, patience, None, {}).moves)
