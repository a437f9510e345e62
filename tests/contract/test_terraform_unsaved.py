"""A state that could not be saved after its apply: real Terraform, and a real server that refuses to take the state for a while."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform.failures import RunFailed
from immtf.adapters.terraform.unsaved import PAUSES_S, StateUnsaved
from immtf.errors import ExitCode
from tests.contract.state_standin import StateServer, state_server
from tests.contract.terraform_world import ONE, World, apply_all, make_world, needs_terraform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from immtf.adapters.terraform import TerraformCli

pytestmark = [pytest.mark.terraform, needs_terraform]
NEVER = 1000


@pytest.fixture
def server() -> Iterator[StateServer]:
    with state_server() as server:
        yield server


def make_kept(tmp_path: Path, server: StateServer, hcl: str = ONE) -> tuple[World, TerraformCli]:
    """Return a world whose state, with what `hcl` makes in it, is kept by the server, and a Terraform that wants a change."""
    world = make_world(tmp_path, server.backend + hcl)
    apply_all(world.ready())
    return world, world.cli(variables={"v": "2"})


def wanted(server: StateServer) -> list[Any]:
    return [row["instances"][0]["attributes"]["triggers_replace"]["value"] for row in server.document["resources"]]


def test_a_state_that_is_refused_for_a_while_is_pushed(tmp_path: Path, server: StateServer) -> None:
    """F9: the push is tried again, with growing pauses; when it is there, the apply has done what it was for."""
    world, terraform = make_kept(tmp_path, server)
    server.refusals = 1 + 3  # the apply's own, then three pushes
    apply_all(terraform)
    assert wanted(server) == ["2"]
    assert world.slept == list(PAUSES_S[:3])
    assert not (world.root / "errored.tfstate").exists()
    assert stat.S_IMODE((world.root / "errored.tfstate.pushed").stat().st_mode) == 0o600
    assert not terraform.plan().changed
    told = [event.message for event in world.events if event.kind == "note"]
    assert [text for text in told if "again in 2 s" in text]
    assert "the state is saved" in told[-1]
    terraform.close(ended_well=True)
    assert not (world.root / "errored.tfstate.pushed").exists(), "it holds secrets, and nobody needs it any more"


def test_a_state_that_is_never_taken_stays_here_and_nothing_goes_on(tmp_path: Path, server: StateServer) -> None:
    """F9: bounded tries, the file kept at mode 0600, the exact command; the next run pushes it before it plans."""
    world, terraform = make_kept(tmp_path, server)
    server.refusals = NEVER
    with pytest.raises(StateUnsaved) as unsaved:
        apply_all(terraform)
    file = world.root / "errored.tfstate"
    assert world.slept == list(PAUSES_S)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert unsaved.value.where == str(file)
    assert f"-chdir='{world.root}' state push errored.tfstate" in unsaved.value.next
    assert unsaved.value.exit_code is ExitCode.ERROR
    with pytest.raises(StateUnsaved):
        terraform.plan()
    left = file.read_bytes()
    assert json.loads(left)["serial"] == server.document["serial"] + 1
    server.refusals = 0
    later = world.cli(variables={"v": "2"})
    assert not later.plan().changed
    assert wanted(server) == ["2"]
    assert not file.exists()
    assert (world.root / "errored.tfstate.pushed").read_bytes() == left


def test_the_trying_ends_when_the_run_is_asked_to_end_at_once(tmp_path: Path, server: StateServer) -> None:
    """F9, S2: one try is made all the same, and the file stays."""
    world, terraform = make_kept(tmp_path, server)
    saved = terraform.plan()
    server.refusals = NEVER
    world.cancel.set()
    with pytest.raises(StateUnsaved, match="tried 1 times"):
        terraform.apply(saved)
    assert (world.root / "errored.tfstate").exists()


def test_an_apply_that_failed_for_another_reason_too_has_failed(tmp_path: Path, server: StateServer) -> None:
    """F9: the state is saved, with the object that did not come about tainted in it; the failure is told as it is."""
    failing = 'resource "terraform_data" "bad" {\n  count = var.v\n  provisioner "local-exec" {\n    command = "test ! -e stuck"\n  }\n}\n'
    world, terraform = make_kept(tmp_path, server, ONE + failing)
    (world.root / "stuck").touch()
    server.refusals = 1
    with pytest.raises(RunFailed, match="local-exec provisioner error") as failed:
        apply_all(terraform)
    assert not isinstance(failed.value, StateUnsaved)
    assert (world.root / "errored.tfstate.pushed").exists()
    assert [item.tainted for item in terraform.state().resources if item.name == "bad"] == [False, True]


def test_a_push_that_a_kill_followed_at_once_is_not_made_again(tmp_path: Path, server: StateServer) -> None:
    """F9: the file is there still, and what is in it is kept already, under a serial of the push's own."""
    world, terraform = make_kept(tmp_path, server)
    server.refusals = 1
    apply_all(terraform)
    (world.root / "errored.tfstate.pushed").rename(world.root / "errored.tfstate")
    server.asked.clear()
    assert not terraform.plan().changed
    assert "POST" not in server.asked
    assert not (world.root / "errored.tfstate").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lineage": "another"}, "lineage another"),
        ({"serial": 1, "outputs": {"o": {"value": "1", "type": "string"}}}, "serial 1"),
        (None, "no state"),
    ],
)
def test_a_file_that_is_not_the_next_of_this_state_is_refused(
    tmp_path: Path, server: StateServer, change: dict[str, Any] | None, told: str
) -> None:
    """F9: another state, an older one, half a one: both are told, neither is touched."""
    world, terraform = make_kept(tmp_path, server)
    before, file = server.state, world.root / "errored.tfstate"
    content = json.dumps(server.document | change) if change else '{"version": 4, "ser'
    file.write_text(content)
    with pytest.raises(StateUnsaved, match=told) as refused:
        terraform.plan()
    assert f"lineage {server.document['lineage']}, serial {server.document['serial']}" in refused.value.what
    assert "state pull" in refused.value.next
    assert "state push errored.tfstate" in refused.value.next
    assert (file.read_text(), server.state) == (content, before)


def test_a_first_state_that_was_left_is_not_pushed_by_another_run(tmp_path: Path, server: StateServer) -> None:
    """F9: where nothing is kept yet nobody can tell whether that place is the right one, so a person has to."""
    world = make_world(tmp_path, server.backend + ONE)
    terraform = world.ready()
    server.refusals = NEVER
    with pytest.raises(StateUnsaved):
        apply_all(terraform)
    server.refusals = 0
    with pytest.raises(StateUnsaved, match="no state"):
        world.cli().plan()
    assert server.state is None
