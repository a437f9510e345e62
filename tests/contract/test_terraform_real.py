"""The adapter on the real Terraform binary."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from immtf.adapters.terraform import RunFailed, TerraformCli
from immtf.errors import StalePlan, TerraformFailed, ToolMissing
from immtf.model.terraform import SENSITIVE
from tests.contract.terraform_world import BINARY, ONE, apply_all, make_world, needs_terraform

pytestmark = [pytest.mark.terraform, needs_terraform]

NASTY = 'q"uo[te]\\$(touch pwned)`touch pwned`; touch pwned'


def test_plan_apply_state_and_outputs(tmp_path: Path) -> None:
    world = make_world(tmp_path, ONE + 'output "o" {\n  value = var.v\n}\noutput "s" {\n  value     = "hidden"\n  sensitive = true\n}\n')
    terraform = world.ready(variables={"v": "7"})
    saved = terraform.plan()
    assert saved.changed
    assert [(change.address, change.is_create) for change in saved.data.changes] == [("terraform_data.one", True)]
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
    terraform.apply(saved)
    assert not saved.path.exists()
    assert [resource.values["triggers_replace"] for resource in terraform.state().resources] == ["7"]
    assert terraform.state().outputs == {"o": "7", "s": SENSITIVE}
    assert not terraform.plan().changed
    assert {"planned_change", "apply_start", "apply_complete", "change_summary", "refresh_start"} <= set(world.kinds())
    assert [run.command for run in terraform.runs][:4] == ["init", "plan", "show", "apply"]
    assert [run.exit_code for run in terraform.runs][:4] == [0, 2, 0, 0]
    assert all(run.seconds > 0 for run in terraform.runs)


def test_nothing_secret_is_left_or_shown(tmp_path: Path) -> None:
    """F49: variables travel in a file, sensitive values are masked, and nothing stays in the scratch directory."""
    hcl = 'variable "p" {\n  sensitive = true\n}\nresource "terraform_data" "one" {\n  input = { password = var.p }\n}\n'
    world = make_world(tmp_path, hcl)
    terraform = world.ready(variables={"p": "hunter2"})
    saved = terraform.plan()
    assert saved.data.changes[0].after["input"] == {"password": SENSITIVE}
    terraform.apply(saved)
    state = terraform.state()
    assert "hunter2" not in repr(saved) + repr(state) + repr(world.events)
    assert list(world.scratch.iterdir()) == []
    assert stat.S_IMODE(world.scratch.stat().st_mode) == 0o700


def test_targets_are_never_read_by_a_shell(tmp_path: Path) -> None:
    world = make_world(tmp_path, f'resource "terraform_data" "a" {{\n  for_each = toset(["x", {json.dumps(NASTY)}])\n}}\n')
    saved = world.ready().plan(targets=[f"terraform_data.a[{json.dumps(NASTY)}]"])
    assert [change.index for change in saved.data.changes] == [NASTY]
    assert saved.targets == (f"terraform_data.a[{json.dumps(NASTY)}]",)
    assert not list(tmp_path.rglob("pwned"))


def test_a_failed_plan_is_an_error_with_its_place_and_never_a_change(tmp_path: Path) -> None:
    """F1."""
    world = make_world(tmp_path, ONE)
    terraform = world.ready()
    world.write('resource "terraform_data" "two" {\n  inpt = nosuch.thing\n}\n', "two.tf")
    with pytest.raises(RunFailed) as failed:
        terraform.plan()
    assert failed.value.status == 1
    assert failed.value.where == f"{world.root / 'two.tf'}:2"
    assert "Unsupported argument" in str(failed.value)
    assert "inpt" in str(failed.value)
    assert list(world.scratch.iterdir()) == []


def test_init_tells_where_the_configuration_is_broken(tmp_path: Path) -> None:
    world = make_world(tmp_path, 'resource "terraform_data" "one" {\n')
    with pytest.raises(RunFailed) as failed:
        world.cli().init()
    assert "main.tf:1" in failed.value.where
    assert "Unclosed configuration block" in failed.value.what


def test_a_module_that_is_not_initialised_names_the_command(tmp_path: Path) -> None:
    world = make_world(tmp_path, 'terraform {\n  backend "local" {}\n}\n' + ONE)
    with pytest.raises(RunFailed) as failed:
        world.cli().plan()
    assert "nitialization required" in failed.value.what
    assert failed.value.next == f"{Path(BINARY).name} -chdir='{world.root}' init"
    with pytest.raises(RunFailed, match="nitialization required"):
        world.cli().state()


def test_a_plan_goes_stale(tmp_path: Path) -> None:
    """F3."""
    world = make_world(tmp_path, ONE)
    terraform = world.ready()
    stale = terraform.plan()
    apply_all(terraform)
    with pytest.raises(StalePlan):
        terraform.apply(stale)
    assert not stale.path.exists()


def test_apply_fails_with_its_owner_and_taints(tmp_path: Path) -> None:
    """F6: the mark can be taken off again, and the object stays."""
    world = make_world(tmp_path, 'resource "terraform_data" "bad" {\n  provisioner "local-exec" {\n    command = "exit 3"\n  }\n}\n')
    terraform = world.ready()
    with pytest.raises(RunFailed) as failed:
        apply_all(terraform)
    assert "terraform_data.bad" in failed.value.what
    assert "main.tf:2" in failed.value.where
    assert "apply_errored" in world.kinds()
    assert terraform.state().resources[0].tainted
    replaced = terraform.plan()
    assert replaced.data.changes[0].is_replace
    assert replaced.data.changes[0].reason == "replace_because_tainted"
    terraform.untaint("terraform_data.bad")
    assert not terraform.plan().changed


def test_the_state_is_copied_before_each_apply_and_put_back_when_emptied(tmp_path: Path) -> None:
    """F8."""
    world = make_world(tmp_path, ONE)
    first = world.ready()
    apply_all(first)
    state, copy = world.root / "terraform.tfstate", world.root / "terraform.tfstate.before-apply"
    assert not copy.exists(), "there was no state before the first apply"
    before = state.read_bytes()
    apply_all(world.cli(variables={"v": "2"}))
    assert copy.read_bytes() == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    state.write_bytes(b"")
    saved = world.cli().plan()
    assert state.read_bytes() == before
    assert not saved.changed
    assert any("was empty after a killed apply" in event.message for event in world.events)


def test_an_empty_state_without_a_copy_is_refused(tmp_path: Path) -> None:
    """F8: read as "nothing exists" it would make everything a second time."""
    world = make_world(tmp_path, ONE)
    terraform = world.ready()
    (world.root / "terraform.tfstate").write_bytes(b"")
    with pytest.raises(TerraformFailed, match="the state is empty"):
        terraform.plan()


def test_options_from_the_environment_are_left_out_and_named(tmp_path: Path) -> None:
    world = make_world(tmp_path, ONE)
    terraform = world.ready(environment={"TF_CLI_ARGS_plan": "-destroy", "TF_CLI_ARGS": "-nonsense", "TF_VAR_v": "5"})
    assert terraform.plan().data.changes[0].after["triggers_replace"] == "5"
    assert "TF_CLI_ARGS, TF_CLI_ARGS_plan not handed on" in world.events[0].message


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    world = make_world(tmp_path, ONE)
    terraform = TerraformCli(
        root=world.root,
        binary=tmp_path / "nosuch",
        environment={},
        scratch=world.scratch,
        listen=world.events.append,
        cancel=world.cancel,
    )
    with pytest.raises(ToolMissing, match=r"can't start .*nosuch"):
        terraform.version()


def test_the_version(tmp_path: Path) -> None:
    assert make_world(tmp_path, ONE).cli().version().startswith("1.")
