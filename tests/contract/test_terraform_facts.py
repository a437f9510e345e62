"""What immtf relies on in Terraform itself, held against the real binary: a Terraform that behaves otherwise must be seen here.

The letters are those of the table of measured facts in the design. A "node" is a resource (or a module) keyed by its name, its image
is `triggers_replace`; an attachment refers to its instance as a real one does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform import TerraformCli, live_children
from immtf.errors import TerraformFailed
from tests.contract.terraform_world import BINARY, SLOW, World, apply_all, child_environment, make_world, needs_terraform, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.model.terraform import PlanData

pytestmark = [pytest.mark.terraform, needs_terraform]

IMAGE = 'variable "image" {\n  default = "1"\n}\n'
FLAT = (
    IMAGE
    + """
locals { nodes = toset(["a", "b", "c"]) }
resource "terraform_data" "volume" {
  for_each = local.nodes
}
resource "terraform_data" "instance" {
  for_each         = local.nodes
  triggers_replace = var.image
}
resource "terraform_data" "attachment" {
  for_each         = local.nodes
  triggers_replace = [terraform_data.instance[each.key].id, terraform_data.volume[each.key].id]
}
"""
)
NODE = """
variable "image" {}
variable "shared" { default = "" }
resource "terraform_data" "volume" {}
resource "terraform_data" "instance" {
  triggers_replace = var.image
  input            = var.shared
}
resource "terraform_data" "attachment" {
  triggers_replace = [terraform_data.instance.id, terraform_data.volume.id]
}
"""
MODULES = (
    IMAGE
    + """
variable "rule" { default = "1" }
resource "terraform_data" "shared" { input = var.rule }
module "node" {
  for_each = toset(["a", "b", "c"])
  source   = "./node"
  image    = var.image
  shared   = terraform_data.shared.output
}
"""
)


def effective(data: PlanData) -> dict[str, tuple[str, ...]]:
    return {change.address: change.actions for change in data.changes if not change.is_noop}


def applied(tmp_path: Path, hcl: str, node: str = "") -> World:
    world = make_world(tmp_path, hcl)
    if node:
        world.write(node, "node/main.tf")
    apply_all(world.ready())
    return world


def changed(world: World, **variables: str) -> TerraformCli:
    return world.cli(variables={"image": "2"} | variables)


def test_e13_a_module_as_target_is_that_node_and_nothing_else(tmp_path: Path) -> None:
    world = applied(tmp_path, MODULES, NODE)
    data = changed(world).plan(targets=['module.node["b"]']).data
    assert effective(data) == {
        'module.node["b"].terraform_data.instance': ("delete", "create"),
        'module.node["b"].terraform_data.attachment': ("delete", "create"),
    }
    assert {change.module for change in data.changes} <= {'module.node["b"]', ""}


def test_e13b_a_resource_in_a_module_as_target_pulls_other_nodes_in(tmp_path: Path) -> None:
    world = applied(tmp_path, MODULES, NODE)
    data = changed(world).plan(targets=['module.node["b"].terraform_data.attachment']).data
    assert 'module.node["b"].terraform_data.instance' in effective(data)
    assert {change.module for change in data.changes if not change.is_noop} == {'module.node["a"]', 'module.node["b"]', 'module.node["c"]'}


def test_e2_a_shared_change_comes_along_with_a_node(tmp_path: Path) -> None:
    """F39."""
    world = applied(tmp_path, MODULES, NODE)
    data = changed(world, rule="2").plan(targets=['module.node["a"]']).data
    assert effective(data)["terraform_data.shared"] == ("update",)
    assert not any(address.startswith('module.node["b"]') for address in effective(data))


def test_e3_an_instance_alone_leaves_its_attachment_stale(tmp_path: Path) -> None:
    world = applied(tmp_path, FLAT)
    terraform = changed(world)
    saved = terraform.plan(targets=['terraform_data.instance["a"]'])
    assert effective(saved.data) == {'terraform_data.instance["a"]': ("delete", "create")}
    terraform.apply(saved)
    assert 'terraform_data.attachment["a"]' in effective(terraform.plan().data)


def test_e3b_an_attachment_as_target_replaces_the_instances_of_all_nodes(tmp_path: Path) -> None:
    """F2."""
    world = applied(tmp_path, FLAT)
    data = changed(world).plan(targets=['terraform_data.attachment["a"]']).data
    replaced = {change.address for change in data.changes if change.is_replace}
    assert {f'terraform_data.instance["{node}"]' for node in "abc"} <= replaced


def test_e8_count_moves_every_later_volume(tmp_path: Path) -> None:
    """F38."""
    variable = 'variable "names" {\n  default = ["a", "b", "c"]\n}\n'
    volumes = "  count            = length(var.names)\n  triggers_replace = var.names[count.index]\n"
    hcl = f'{variable}resource "terraform_data" "volume" {{\n{volumes}}}\n'
    world = applied(tmp_path, hcl)
    data = world.cli(variables={"names": ["b", "c"]}).plan().data
    assert effective(data) == {
        "terraform_data.volume[0]": ("delete", "create"),
        "terraform_data.volume[1]": ("delete", "create"),
        "terraform_data.volume[2]": ("delete",),
    }
    assert [(change.index, change.reason) for change in data.changes][2] == (2, "delete_because_count_index")


def test_e8b_prevent_destroy_does_not_outlive_its_block(tmp_path: Path) -> None:
    guarded = 'resource "terraform_data" "volume" {\n  lifecycle {\n    prevent_destroy = true\n  }\n}\n'
    world = applied(tmp_path, guarded)
    world.write("")
    (change,) = world.cli().plan().data.changes
    assert change.is_delete
    assert change.reason == "delete_because_no_resource_config"


def test_e7_what_depends_on_an_instance_turns_its_replacement_round(tmp_path: Path) -> None:
    """F4."""
    hcl = IMAGE + (
        'resource "terraform_data" "instance" {\n  triggers_replace = var.image\n}\n'
        'resource "terraform_data" "dependent" {\n  triggers_replace = terraform_data.instance.id\n'
        "  lifecycle {\n    create_before_destroy = true\n  }\n}\n"
    )
    data = changed(applied(tmp_path, hcl)).plan().data
    assert {change.address: change.creates_first for change in data.changes}["terraform_data.instance"]


def test_e14_a_destroy_provisioner_does_not_run_on_a_tainted_object(tmp_path: Path) -> None:
    provisioner = '  provisioner "local-exec" {\n    when    = destroy\n    command = "touch drained"\n  }\n'
    hcl = f'resource "terraform_data" "instance" {{\n{provisioner}}}\n'
    world = applied(tmp_path, hcl)
    subprocess.run([BINARY, "taint", "terraform_data.instance"], cwd=world.root, env=child_environment(), check=True, capture_output=True)
    apply_all(world.cli())
    assert not (world.root / "drained").exists()


def test_e1_parallelism_never_rolls(tmp_path: Path) -> None:
    """Terraform keeps no order between nodes: a second one is destroyed while the first is away.

    Which of the steps that may go next does go is chance on a busy machine, so that a single apply may come out as a roll.
    """
    world = applied(tmp_path, FLAT)
    orders = []
    for image in range(2, 7):
        orders.append(_order_of_instances(world, image))
        assert sorted(orders[-1]) == ["create"] * 3 + ["delete"] * 3
        if orders[-1] != ["delete", "create"] * 3:
            return
    pytest.fail(f"rolled each time: {orders}")


def _order_of_instances(world: World, image: int) -> list[str]:
    """Apply another image one step at a time; return what was begun with the instances, in order."""
    done = subprocess.run(
        [BINARY, "apply", "-json", "-auto-approve", "-parallelism=1", f"-var=image={image}", "-input=false"],
        cwd=world.root,
        env=child_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    rows = [line for line in done.stdout.splitlines() if '"type":"apply_start"' in line and "terraform_data.instance" in line]
    return ["delete" if '"action":"delete"' in row else "create" for row in rows]


def test_rows_tell_why_and_by_which_argument(tmp_path: Path) -> None:
    world = applied(tmp_path, FLAT)
    rows = {change.address: change for change in changed(world).plan().data.changes}
    instance = rows['terraform_data.instance["a"]']
    assert (instance.reason, instance.replace_paths, instance.index) == ("replace_because_cannot_update", ("triggers_replace",), "a")
    assert instance.before["id"]
    assert rows['terraform_data.volume["a"]'].actions == ("no-op",)
    (world.root / "main.tf").write_text(FLAT.replace('["a", "b", "c"]', '["a", "b"]'))
    gone = {change.address: change for change in world.cli().plan().data.changes}['terraform_data.volume["c"]']
    assert (gone.actions, gone.reason) == (("delete",), "delete_because_each_key")


def test_a_targeted_apply_leaves_what_the_block_publishes(tmp_path: Path) -> None:
    """F46: a block whose upgrade was cut off publishes its old version still; only the whole apply at the end publishes the new one."""
    hcl = IMAGE + (
        'resource "terraform_data" "a" {\n  input = var.image\n}\nresource "terraform_data" "b" {\n  input = var.image\n}\n'
        'output "block" {\n  value = { name = "x", version = var.image }\n}\n'
    )
    world = applied(tmp_path, hcl)
    terraform = changed(world)
    terraform.apply(terraform.plan(targets=["terraform_data.a"]))
    assert _published(world) == "1"
    terraform.apply(terraform.plan())
    assert _published(world) == "2"


def _published(world: World) -> str:
    done = subprocess.run(
        [BINARY, "output", "-json", "block"], cwd=world.root, env=child_environment(), check=True, capture_output=True, text=True
    )
    return str(json.loads(done.stdout)["version"])


def test_a_plan_of_outputs_only_counts_as_changed(tmp_path: Path) -> None:
    world = applied(tmp_path, IMAGE + 'output "image" {\n  value = var.image\n}\n')
    saved = changed(world).plan()
    assert (saved.changed, saved.data.changes, saved.data.outputs_changed) == (True, (), ("image",))


def test_a_plan_to_destroy_and_the_empty_state_after_it(tmp_path: Path) -> None:
    world = applied(tmp_path, FLAT)
    terraform = world.cli()
    saved = terraform.plan(destroy=True)
    assert all(change.is_delete for change in saved.data.changes)
    assert len(saved.data.changes) == 9
    terraform.apply(saved)
    assert terraform.state().resources == ()
    assert not terraform.plan(destroy=True).changed


def test_sigkill_loses_what_is_in_flight(tmp_path: Path) -> None:
    """F7: with local state the destroyed object is gone from the state, the one being created is absent."""
    hcl = IMAGE + (
        'resource "terraform_data" "instance" {\n  triggers_replace = var.image\n'
        '  provisioner "local-exec" {\n    command = "${var.image == "1" ? "true" : "touch begun; sleep 20"}"\n  }\n}\n'
    )
    world = applied(tmp_path, hcl)
    apply = subprocess.Popen(
        [BINARY, "apply", "-auto-approve", "-input=false", "-var=image=2"],
        cwd=world.root,
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(world.root / "begun")
    assert live_children(world.root) == (apply.pid,)
    os.killpg(apply.pid, signal.SIGKILL)
    apply.wait()
    assert world.cli().state().resources == ()


def test_sigkill_in_a_first_apply_leaves_a_state_of_no_bytes(tmp_path: Path) -> None:
    """F8: Terraform itself would take it for an empty environment; the adapter refuses it."""
    world = make_world(tmp_path, SLOW % 20)
    world.ready()
    apply = subprocess.Popen(
        [BINARY, "apply", "-auto-approve", "-input=false"],
        cwd=world.root,
        env=child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(world.root / "begun")
    os.killpg(apply.pid, signal.SIGKILL)
    apply.wait()
    assert (world.root / "terraform.tfstate").stat().st_size == 0
    with pytest.raises(TerraformFailed, match="the state is empty"):
        world.cli().plan()
