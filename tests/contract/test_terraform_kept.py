"""A state that is kept elsewhere: its copy before each apply, its lock, and what a SIGKILL leaves of both. Real Terraform."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform import RunFailed, StateLocked, TerraformLimits, live_children
from immtf.adapters.terraform.copies import KEPT
from immtf.adapters.terraform.failures import Lock
from tests.contract.state_standin import StateServer, state_server
from tests.contract.terraform_world import (
    BINARY,
    ONE,
    SLOW,
    apply_all,
    child_environment,
    in_background,
    make_world,
    needs_terraform,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.terraform, needs_terraform]


@pytest.fixture
def server() -> Iterator[StateServer]:
    with state_server() as server:
        yield server


def test_a_copy_is_kept_before_each_apply_until_a_run_ended_well(tmp_path: Path, server: StateServer) -> None:
    """F8, F49: mode 0600, the newest few, named by whoever halts; none is left after a run that ended well."""
    world = make_world(tmp_path, server.backend + ONE)
    first = world.ready()
    apply_all(first)
    assert first.copy is None, "there was no state to copy"
    serials = []
    for value in range(KEPT + 2):
        terraform = world.cli(variables={"v": f"x{value}"})
        serials.append(server.document["serial"])
        apply_all(terraform)
        assert terraform.copy is not None
        assert json.loads(terraform.copy.read_text())["serial"] == serials[-1]
        assert stat.S_IMODE(terraform.copy.stat().st_mode) == 0o600
        terraform.close()
    directory = world.scratch / "states"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sorted(json.loads(path.read_text())["serial"] for path in directory.iterdir()) == serials[-KEPT:]
    world.cli().close(ended_well=True)
    assert list(directory.iterdir()) == []


def test_a_lock_that_a_kill_left_is_named_and_never_broken(tmp_path: Path, server: StateServer) -> None:
    """F8: Terraform is killed in mid-apply; whose the lock is, since when and its id are told, with the command that breaks it."""
    world = make_world(tmp_path, server.backend + SLOW % 30)
    terraform = world.ready()
    saved = terraform.plan()
    thread, raised = in_background(lambda: terraform.apply(saved))
    wait_for(world.root / "begun")
    (child,) = live_children(world.root)
    os.killpg(child, signal.SIGKILL)
    thread.join()
    assert isinstance(raised[0], RunFailed)
    assert "was ended by signal 9, not by immtf: the state may lack" in raised[0].what
    left = json.loads(server.lock)
    with pytest.raises(StateLocked) as locked:
        world.cli().plan()
    assert locked.value.lock == Lock(id=left["ID"]), "of this backend Terraform tells the holder's id, beside a record of its own"
    assert f"force-unlock {left['ID']}" in locked.value.next
    assert json.loads(server.lock) == left
    command = [BINARY, "force-unlock", "-force", left["ID"]]
    subprocess.run(command, cwd=world.root, env=child_environment(), check=True, capture_output=True)
    world.write(server.backend + SLOW % 0)
    apply_all(world.cli())
    assert [item.tainted for item in world.cli().state().resources] == [False]


def test_a_lock_that_is_given_back_in_time_only_costs_the_wait(tmp_path: Path) -> None:
    """F10: two checkouts of one configuration, one state, two real processes."""
    state = f'terraform {{\n  backend "local" {{\n    path = "{tmp_path}/shared.tfstate"\n  }}\n}}\n'
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    there, here = make_world(tmp_path / "there", state + SLOW % 2), make_world(tmp_path / "here", state + SLOW % 0)
    holder, second, third = there.ready(), here.ready(limits=TerraformLimits(lock_s=0.5)), here.ready(limits=TerraformLimits(lock_s=30))
    saved = holder.plan()
    thread, raised = in_background(lambda: holder.apply(saved))
    wait_for(there.root / "begun")
    with pytest.raises(StateLocked) as locked:
        second.plan()
    assert f"force-unlock {locked.value.lock.id}" in locked.value.next
    assert "@" in locked.value.lock.who
    changed = third.plan().changed
    thread.join()
    assert raised == []
    assert not changed, "it waited, and saw what the other one made"
