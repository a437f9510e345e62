"""What is planned again, taken up or refused: a state that moves, a tainted object, one that was left over, a newer Terraform's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from immtf.errors import Interrupted, PlanRefused, StalePlan, ToolMissing
from immtf.model.events import PlanJudged
from immtf.plan.judge import acting, hard_rules, refuse
from immtf.run.apply import ATTEMPTS, apply_judged
from immtf.run.gates import Patience
from immtf.run.ports import nobody
from tests.contract.terraform_world import ONE, SLOW, World, apply_all, in_background, make_world, needs_terraform, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.adapters.terraform import TerraformCli
    from immtf.model.events import Event
    from immtf.model.terraform import PlanData
    from immtf.run import world as run_world
    from immtf.run.ports import Cancel, Clock, Watching

pytestmark = [pytest.mark.terraform, needs_terraform]

LEFT_OVER = """variable "v" { default = "1" }
resource "terraform_data" "instance" {
  triggers_replace = var.v
  lifecycle { create_before_destroy = true }
}
resource "terraform_data" "dependent" {
  triggers_replace = terraform_data.instance.id
  provisioner "local-exec" {
    command = "test ! -e stuck"
  }
}
"""


class Surveyed:
    """As much of a world as an apply needs: Terraform, and that the state is read again."""

    def __init__(self, terraform: TerraformCli) -> None:
        self.terraform = terraform
        self.surveys = 0

    def survey(self) -> None:
        self.surveys += 1


def patience(told: list[Event]) -> Patience:
    return Patience(cast("Clock", None), cast("Cancel", None), told.append)  # an apply neither waits nor asks


def apply_while_it_moves(world: World, moves: int) -> tuple[list[PlanData], Surveyed]:
    """Apply a change while somebody else applies another one between plan and apply, the first `moves` times."""
    judged: list[PlanData] = []
    surveyed = Surveyed(world.cli(variables={"v": "wanted"}))

    def judge(plan: PlanData) -> list[object]:
        judged.append(plan)
        return []

    def move(_plan: PlanData) -> Watching:
        if len(judged) <= moves:
            apply_all(world.cli(variables={"v": f"other{len(judged)}"}))
        return nobody

    apply_judged(
        cast("run_world.World", surveyed),
        patience([]),
        judge=judge,
        where="here",
        step="ApplyShared",
        ready=move,
    )
    return judged, surveyed


def test_a_plan_that_went_stale_is_made_and_judged_again(tmp_path: Path) -> None:
    """F3: what is applied in the end was made on, and judged for, the state as it was moved to."""
    world = make_world(tmp_path, ONE)
    apply_all(world.ready())
    judged, surveyed = apply_while_it_moves(world, 2)
    assert [acting(plan)[0].before["triggers_replace"] for plan in judged] == ["1", "other1", "other2"]
    assert surveyed.surveys == ATTEMPTS
    assert [item.values["triggers_replace"] for item in world.cli().state().resources] == ["wanted"]
    assert [path.name for path in world.scratch.iterdir()] == []


def test_a_state_that_never_holds_still_ends_the_step(tmp_path: Path) -> None:
    """F3: a bounded number of times; nothing of ours was applied."""
    world = make_world(tmp_path, ONE)
    apply_all(world.ready())
    with pytest.raises(StalePlan):
        apply_while_it_moves(world, ATTEMPTS)
    assert [item.values["triggers_replace"] for item in world.cli().state().resources] == [f"other{ATTEMPTS}"]


def test_an_object_that_an_interrupt_tainted_is_kept(tmp_path: Path) -> None:
    """F6: Terraform would make a healthy object a second time; untainted, it is the one that is wanted."""
    world = make_world(tmp_path, SLOW % 30)
    terraform = world.ready()
    saved = terraform.plan()
    thread, raised = in_background(lambda: terraform.apply(saved))
    wait_for(world.root / "begun")
    terraform.interrupt()
    thread.join()
    assert isinstance(raised[0], Interrupted)
    (before,) = terraform.state().resources
    (row,) = terraform.plan().data.changes
    assert (before.tainted, row.is_replace, row.reason) == (True, True, "replace_because_tainted")
    terraform.untaint(before.address)
    (after,) = terraform.state().resources
    assert (after.tainted, after.values["id"]) == (False, before.values["id"])
    assert not terraform.plan().changed


def test_an_object_that_was_left_over_is_seen_and_refused_until_it_is_gone(tmp_path: Path) -> None:
    """F40: in the state and in the plan; a plan with it in is refused; the command that the refusal names removes it alone."""
    world = make_world(tmp_path, LEFT_OVER)
    apply_all(world.ready())
    (world.root / "stuck").touch()
    terraform = world.cli(variables={"v": "2"})
    with pytest.raises(Exception, match="local-exec"):
        apply_all(terraform)
    two = [item for item in terraform.state().resources if item.name == "instance"]
    (key,) = [item.deposed for item in two if item.deposed]
    assert len(two) == 2
    assert len({item.values["id"] for item in two}) == 2
    (world.root / "stuck").unlink()
    plan = terraform.plan().data
    assert [(row.address, row.deposed, row.is_delete) for row in plan.changes if row.deposed] == [("terraform_data.instance", key, True)]
    with pytest.raises(PlanRefused, match=r"\[deposed\] terraform_data.instance is left over") as refused:
        refuse(hard_rules(plan), "here")
    assert "terraform plan -target=ADDRESS -out=FILE" in refused.value.next
    alone = terraform.plan(targets=["terraform_data.instance"])
    assert [(row.address, row.deposed) for row in acting(alone.data)] == [("terraform_data.instance", key)]
    terraform.apply(alone)
    assert not any(item.deposed for item in terraform.state().resources)
    refuse(hard_rules(terraform.plan().data), "here")


@pytest.mark.parametrize(("written_by", "refused"), [("99.1.0", True), ("1.99.3-beta1", True), ("1.0.0", False), ("", False)])
def test_a_state_of_a_newer_terraform_is_refused_before_the_first_call(tmp_path: Path, written_by: str, refused: bool) -> None:
    """F50: Terraform itself would go on, and write it down again as its own."""
    world = make_world(tmp_path, ONE)
    apply_all(world.ready())
    state = world.root / "terraform.tfstate"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"terraform_version": written_by}))
    before, later = state.read_bytes(), world.cli(variables={"v": "2"})
    if not refused:
        later.init()
        return
    with pytest.raises(ToolMissing) as missing:
        later.init()
    assert f"written by terraform {written_by}, and this is terraform {later.version()}" in missing.value.what.lower()
    assert missing.value.where == str(state)
    assert "or newer" in missing.value.next
    assert [run.command for run in later.runs] == ["version"]
    assert state.read_bytes() == before


def test_what_was_judged_is_told_each_time(tmp_path: Path) -> None:
    """F3."""
    world = make_world(tmp_path, ONE)
    told: list[Event] = []
    surveyed = cast("run_world.World", Surveyed(world.ready()))
    assert apply_judged(surveyed, patience(told), judge=lambda _plan: [], where="here", step="ApplyShared") == 1
    assert [event.allowed for event in told if isinstance(event, PlanJudged)] == [("terraform_data.one: create",)]
    assert apply_judged(surveyed, patience(told), judge=lambda _plan: [], where="here", step="ApplyShared") == 0
