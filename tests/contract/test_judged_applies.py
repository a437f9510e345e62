"""What is applied is what was judged, with the real Terraform: stale plans, failed plans, and what an interrupted replacement left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from immtf.errors import PlanRefused, StalePlan, TerraformFailed
from immtf.model.block import Block
from immtf.model.events import Event, PlanJudged
from immtf.plan.judge import acting, hard_rules, judge_shared
from immtf.run.apply import ATTEMPTS, apply_judged
from immtf.run.gates import Patience
from immtf.run.world import World as Observer
from tests.contract.terraform_world import ONE, World, apply_all, make_world, needs_terraform
from tests.fakes.clock import FakeCancel, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from tests.contract.terraform_world import TerraformCli

pytestmark = [pytest.mark.terraform, needs_terraform]
HERE = Path("/blocks/one")


class Applying:
    """`apply_judged` on a real root module: counts what was judged, and lets somebody else apply in between."""

    def __init__(self, world: World, *, moves: int = 0) -> None:
        self.world, self.moves = world, moves
        self.judged: list[PlanData] = []
        self.events: list[Event] = []
        self.wanted = world.cli(variables={"v": "2"})
        block = Block("one", "1.0.0", HERE, HERE / "immtf.yaml", HERE)
        nothing = cast("Any", None)  # no cloud, no guest, no service: a block without nodes asks none of them
        self.observer = Observer(block, self.wanted, nothing, nothing, nothing, nothing)

    def judge(self, plan: PlanData) -> Sequence[Refusal]:
        """Judge as a shared change; somebody else applies right afterwards, as often as was wanted."""
        self.judged.append(plan)
        if self.moves:
            self.moves -= 1
            apply_all(self.world.cli(variables={"v": f"other-{self.moves}"}))
        return judge_shared(plan, self.observer.layout)

    def perform(self) -> int:
        patience = Patience(VirtualClock(), FakeCancel(), self.events.append)
        return apply_judged(self.observer, patience, judge=self.judge, where="shared", step="ApplyShared")


def ready(tmp_path: Path) -> World:
    world = make_world(tmp_path, ONE)
    apply_all(world.ready())
    return world


@pytest.mark.parametrize("moves", [1, ATTEMPTS - 1])
def test_a_plan_that_went_stale_is_made_and_judged_again(tmp_path: Path, moves: int) -> None:
    """F3: nothing is applied that was not judged on the state as it is."""
    applying = Applying(ready(tmp_path), moves=moves)
    assert applying.perform() == 1
    assert len(applying.judged) == moves + 1
    assert [event.allowed for event in applying.events if isinstance(event, PlanJudged)] == [
        ("terraform_data.one: delete/create",),
    ] * (moves + 1)
    assert not applying.wanted.plan().changed


def test_a_state_that_never_rests_is_given_up(tmp_path: Path) -> None:
    """F3: a bounded number of times."""
    applying = Applying(ready(tmp_path), moves=9)
    with pytest.raises(StalePlan):
        applying.perform()
    assert len(applying.judged) == ATTEMPTS


def test_a_plan_that_fails_is_never_applied_nor_judged(tmp_path: Path) -> None:
    """F1: exit 1 is no change."""
    applying = Applying(ready(tmp_path))
    applying.world.write("resource", "broken.tf")
    with pytest.raises(TerraformFailed):
        applying.perform()
    assert applying.judged == []


DEPOSED = """
variable "v" { default = "1" }
resource "terraform_data" "one" {
  triggers_replace = var.v
  lifecycle {
    create_before_destroy = true
  }
  provisioner "local-exec" {
    command = "test ! -e stuck"
  }
}
"""


def interrupted(tmp_path: Path) -> tuple[World, TerraformCli]:
    """Return a module whose replacement ended when the new object was there half, and the old one not destroyed yet."""
    world = make_world(tmp_path, DEPOSED)
    apply_all(world.ready())
    (world.root / "stuck").touch()
    terraform = world.cli(variables={"v": "2"})
    with pytest.raises(TerraformFailed):
        apply_all(terraform)
    return world, terraform


def test_what_an_interrupted_replacement_left_is_refused_until_it_is_gone(tmp_path: Path) -> None:
    """F40: the next run refuses, names it, and goes on when a person has removed it."""
    world, terraform = interrupted(tmp_path)
    (left,) = (item for item in terraform.state().resources if item.deposed)
    assert left.address == "terraform_data.one"
    applying = Applying(world)
    with pytest.raises(PlanRefused, match=r"\[deposed\] terraform_data\.one is left over"):
        applying.perform()
    assert [(row.actions, row.deposed) for row in acting(applying.judged[0]) if row.deposed] == [(("delete",), left.deposed)]
    (world.root / "stuck").unlink()
    apply_all(terraform)
    assert not any(item.deposed for item in terraform.state().resources)
    assert hard_rules(terraform.plan().data) == []
    assert applying.perform() == 0
