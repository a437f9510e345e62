"""How a Terraform ends that is interrupted, hangs, is held up by a lock, or whose immtf was killed: real binary, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from immtf.adapters.terraform import RunFailed, StateLocked, TerraformLimits, live_children
from immtf.errors import Interrupted, TerraformFailed
from tests.contract.terraform_world import (
    BINARY,
    ONE,
    SLOW,
    World,
    apply_all,
    child_environment,
    in_background,
    make_world,
    needs_terraform,
    wait_for,
)

pytestmark = [pytest.mark.terraform, needs_terraform]


def test_a_held_lock_names_its_holder(tmp_path: Path) -> None:
    """F10."""
    world = make_world(tmp_path, SLOW % 4)
    holder, second = world.ready(), world.cli(limits=TerraformLimits(lock_s=1, earlier_s=0))
    saved = holder.plan()
    thread, raised = in_background(lambda: holder.apply(saved))
    wait_for(world.root / "begun")
    with pytest.raises(TerraformFailed, match="still at work"):
        second.plan()
    assert "waiting" in world.kinds()
    with pytest.raises(StateLocked) as locked:
        second._runner.run(("plan", "-json", "-input=false", "-lock-timeout=1s"), limit_s=30, stream=True)  # past the look for children
    thread.join()
    assert raised == []
    assert locked.value.lock.id
    assert "@" in locked.value.lock.who
    assert locked.value.lock.created.startswith("20")
    assert locked.value.lock.operation == "OperationTypeApply"
    assert f"force-unlock {locked.value.lock.id}" in locked.value.next


def test_one_interrupt_ends_an_apply_in_order(tmp_path: Path) -> None:
    """S2: however often it is asked, Terraform gets one SIGINT; a second would lose what it had just made."""
    world = make_world(tmp_path, ONE + SLOW % 30)
    terraform = world.ready()
    saved = terraform.plan()
    thread, raised = in_background(lambda: terraform.apply(saved))
    wait_for(world.root / "begun")
    for _again in range(5):
        terraform.interrupt()
        time.sleep(0.05)
    thread.join()
    assert [type(error) for error in raised] == [Interrupted]
    said = " ".join(event.message for event in world.events)
    assert "Two interrupts received" not in said + str(raised[0])
    assert {resource.address: resource.tainted for resource in terraform.state().resources} == {
        "terraform_data.one": False,
        "terraform_data.slow": True,  # in a provisioner the interrupt taints
    }


def test_an_interrupt_between_two_runs_keeps_the_next_from_beginning(tmp_path: Path) -> None:
    terraform = make_world(tmp_path, ONE).ready()
    terraform.interrupt()
    assert terraform.state().resources == ()  # reading goes on
    with pytest.raises(Interrupted, match="was not begun"):
        terraform.plan()
    assert terraform.plan().changed


def test_a_hanging_apply_is_ended_at_its_limit(tmp_path: Path) -> None:
    world = make_world(tmp_path, SLOW % 60)
    terraform = world.ready(limits=TerraformLimits(apply_s=1.5, patience_s=20))
    with pytest.raises(RunFailed, match=r"did not end within 1\.5 s and was ended by one interrupt"):
        apply_all(terraform)
    assert terraform.runs[-1].seconds < 50
    assert live_children(world.root) == ()


def test_only_a_child_that_ignores_its_interrupt_is_killed(tmp_path: Path) -> None:
    """A Terraform that doesn't answer (stopped, here) is killed after its patience, with its whole group, and the error says so."""
    world = make_world(tmp_path, SLOW % 20)
    terraform = world.ready(limits=TerraformLimits(apply_s=3, patience_s=0.5))
    saved = terraform.plan()
    thread, raised = in_background(lambda: terraform.apply(saved))
    wait_for(world.root / "begun")
    (child,) = live_children(world.root)
    os.kill(child, signal.SIGSTOP)
    thread.join()
    assert "by SIGKILL" in str(raised[0])
    assert "may lack" in str(raised[0])
    assert live_children(world.root) == ()


WRAPPER = """
import pathlib, sys, threading
from immtf.adapters.terraform import TerraformCli
root, scratch, binary, path = sys.argv[1:]
terraform = TerraformCli(root=pathlib.Path(root), binary=binary, environment={"PATH": path}, scratch=pathlib.Path(scratch),
    listen=lambda event: None, cancel=threading.Event())
terraform.apply(terraform.plan())
"""


def killed_in_mid_apply(world: World) -> None:
    """Run an apply in a process of its own and SIGKILL that process once the apply is at work."""
    wrapper = subprocess.Popen(
        [sys.executable, "-c", WRAPPER, str(world.root), str(world.scratch), BINARY, os.environ["PATH"]],
        env=child_environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        wait_for(world.root / "begun")
    finally:
        wrapper.send_signal(signal.SIGKILL)
        wrapper.wait()


def test_terraform_goes_on_to_its_end_when_immtf_is_killed(tmp_path: Path) -> None:
    """F7: with a pipe it would die of SIGPIPE here; the next run waits for it, and finds the state exact."""
    hcl = SLOW.replace("sleep %s", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done")
    world = make_world(tmp_path, hcl)
    terraform = world.ready()
    killed_in_mid_apply(world)
    assert len(live_children(world.root)) == 1
    assert not (world.root / "finished").exists()
    saved = terraform.plan()
    assert (world.root / "finished").exists()
    assert not saved.changed
    assert [resource.tainted for resource in terraform.state().resources] == [False]
    assert [event.kind for event in world.events].count("waiting") == 1
    assert [path.suffix for path in world.scratch.iterdir()] == [".plan"], "what the killed run left is swept, this plan stays"


def test_waiting_for_an_earlier_run_ends_when_asked(tmp_path: Path) -> None:
    world = make_world(tmp_path, SLOW % 3)
    terraform = world.ready()
    killed_in_mid_apply(world)
    world.cancel.set()
    with pytest.raises(Interrupted, match="an earlier run"):
        terraform.plan()
    wait_for(world.root / "finished")
