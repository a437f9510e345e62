"""How a test environment gets its data: a snapshot goes into the making, a script runs when all is whole, and the gates hold after it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.app import rehearsal
from immtf.app.closing import run_to_end
from immtf.app.ground import Ground
from immtf.app.rehearsal import Before
from immtf.app.restoring import begin_restore
from immtf.errors import ExitCode, UsageError
from immtf.model.block import RestoreSpec
from immtf.model.events import GateAsked, Noted
from tests.fakes.session import SimSession, make_session
from tests.fakes.simulation import SimVolume
from tests.fakes.world import make_empty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SNAPSHOT = RestoreSpec(snapshot="snap-1")
DECLARED = 'variable "snapshot_id" { default = null }\n'
MARK = {"block": "consul", "cluster": "server", "node": "a", "volume": "vol-production", "filesystem": "fs-production"}


def make_restoring(
    directory: Path, spec: RestoreSpec, *, hcl: str = DECLARED, listeners: tuple[Callable[..., None], ...] = ()
) -> SimSession:
    """Return a session on an empty world, with a block whose root module is in `directory`."""
    (directory / "main.tf").write_text(hcl)
    scene = make_empty(3)
    scene.terraform.seed = SimVolume(
        "vol-production", "a", "z", filesystem="fs-production", mark=json.dumps(MARK, sort_keys=True), snapshot="snap-1"
    )
    if spec.run:
        scene.terraform.seed = None
    scene.block = replace(scene.block, directory=directory, file=directory / "immtf.yaml", terraform=directory, restore=spec)
    return make_session(scene, listeners=listeners)


def run_test_create(session: SimSession) -> ExitCode:
    return run_to_end(session, "test-create", lambda: rehearsal.test_create(session, None, Ground()))


def lines(session: SimSession) -> list[str]:
    return [event.message for event in session.told if isinstance(event, Noted) and event.message.startswith("restore: ")]


def test_a_script_is_told_where_it_is_and_its_lines_are_told(tmp_path: Path) -> None:
    script = 'echo "$IMMTF_BLOCK_NAME in $IMMTF_ENVIRONMENT: $IMMTF_NODES"\necho "$AWS_REGION $PWD" >&2\n'
    session = make_restoring(tmp_path, RestoreSpec(run=script))
    assert run_test_create(session) is ExitCode.DONE
    addresses = {f"server/{key}": session.scene.sim.address(key) for key in "abc"}
    assert lines(session) == [f"restore: consul in sim: {json.dumps(addresses)}", f"restore: eu-west-1 {tmp_path}"]
    assert session.scene.sim.state == {}


def test_the_gates_hold_again_after_the_script(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, RestoreSpec(run="echo done"))
    assert run_test_create(session) is ExitCode.DONE
    said = next(number for number, event in enumerate(session.told) if isinstance(event, Noted) and event.message == "restore: done")
    assert any(isinstance(event, GateAsked) and event.gate == "consul" and event.held for event in session.told[said:])


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (RestoreSpec(run="echo no dump\nexit 3"), "the script that fills the data ended with 3: no dump"),
        (RestoreSpec(run="exec sleep 600", timeout_s=0.5), "the script that fills the data was ended after its limit of 0.5 s"),
    ],
    ids=["fails", "takes too long"],
)
def test_a_script_that_fails_ends_the_test_and_the_environment_is_destroyed(tmp_path: Path, spec: RestoreSpec, what: str) -> None:
    session = make_restoring(tmp_path, spec)
    assert run_test_create(session) is ExitCode.ERROR
    assert session.halted.what == what
    assert session.scene.sim.state == {}


def test_an_upgrade_is_rehearsed_on_the_data(tmp_path: Path) -> None:
    """What the script wrote is there before the first node is touched; here it fails, and so none is."""
    session = make_restoring(tmp_path, RestoreSpec(run="exit 1"))
    assert run_to_end(session, "test-upgrade", lambda: rehearsal.test_upgrade(session, Before(), None, Ground())) is ExitCode.ERROR
    assert session.finished.nodes_replaced == 0
    assert session.scene.sim.calls.count("cloud.detach") == 0


def test_being_asked_to_end_ends_the_script(tmp_path: Path) -> None:
    def hear(event: object, _at: object) -> None:
        if isinstance(event, Noted) and event.message == "restore: begun":
            session.signals.count += 1

    session = make_restoring(tmp_path, RestoreSpec(run="echo begun; exec sleep 600"), listeners=(hear,))
    assert run_test_create(session) is ExitCode.INTERRUPTED
    assert session.scene.sim.state == {}


def test_a_snapshot_goes_into_the_making(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, SNAPSHOT)
    assert run_test_create(session) is ExitCode.DONE
    assert session.target.variables == {"snapshot_id": "snap-1"}
    assert any(isinstance(event, Noted) and "has the data of server/a's vol-production" in event.message for event in session.told)


def test_a_snapshot_without_a_variable_for_it_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, SNAPSHOT, hcl='variable "snapshot" {}\n')
    assert run_test_create(session) is ExitCode.USAGE
    assert "declares no Terraform variable snapshot_id" in session.halted.what
    assert session.opened == []


def test_the_version_before_has_to_take_the_snapshot_too(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, SNAPSHOT)
    before = tmp_path / "before"
    before.mkdir()
    old = replace(session.block, version="1.0.0", file=before / "immtf.yaml", terraform=before)
    with pytest.raises(UsageError, match=r"block consul 1\.0\.0 declares no Terraform variable snapshot_id"):
        begin_restore(session, old)


def test_a_container_that_makes_the_version_before_can_t_take_over_a_snapshot(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, SNAPSHOT)
    with pytest.raises(UsageError, match="made by its container"):
        begin_restore(session, session.block, elsewhere=True)


def test_a_block_that_says_nothing_of_its_data_gets_none(tmp_path: Path) -> None:
    session = make_restoring(tmp_path, RestoreSpec(run="echo never"))
    session.block = replace(session.block, restore=None)
    session.scene.block = session.block
    assert begin_restore(session, session.block) == ""
    assert run_test_create(session) is ExitCode.DONE
    assert lines(session) == []
