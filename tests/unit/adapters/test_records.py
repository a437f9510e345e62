"""Records of test environments in files: of those that immtf keeps, and of a lab's."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from immtf.adapters import tether
from immtf.adapters.lease import held_lease
from immtf.adapters.records import (
    LOCK,
    REAP,
    RECORD,
    definitions_of,
    document_of,
    kept_environments,
    lab_environment,
    read,
    refuse_reaped,
    write,
)
from immtf.errors import ImmtfError, LeaseHeld, LeaseLost
from immtf.plan.reaping import new_record
from tests.fakes.leases import make_hands

if TYPE_CHECKING:
    from pathlib import Path

NAME = "t-0123abcd"
HANDS = make_hands()
STATE = json.dumps({"resources": [{"mode": "managed"}], "outputs": {}})
BARE = json.dumps({"resources": [], "outputs": {}})


def make(home: Path, name: str = NAME, definition: str = "") -> Path:
    directory = home / "environments" / name
    write(directory / RECORD, new_record(name, (), at=0, life=60, definition=definition))
    for block, text in {"base": STATE, "consul": STATE, "gone": BARE}.items():
        (directory / block).mkdir()
        (directory / block / "terraform.tfstate").write_text(text)
    return directory


def test_what_is_kept_is_found_with_the_states_that_hold_something(tmp_path: Path) -> None:
    """F43."""
    directory = make(tmp_path)
    (tmp_path / "environments/no-record").mkdir()
    (left,) = kept_environments(tmp_path, HANDS)
    assert (left.environment, left.record, left.where) == (NAME, read(directory / RECORD), str(directory / RECORD))
    states = left.states()
    assert [state.block for state in states] == ["base", "consul"]
    assert states[0].backend.config == {"path": str(directory / "base/terraform.tfstate")}


def test_a_state_of_no_bytes_is_not_taken_for_one_that_holds_nothing(tmp_path: Path) -> None:
    """F43: a Terraform that was killed leaves such a one."""
    directory = make(tmp_path)
    (directory / "gone/terraform.tfstate").write_text("")
    (left,) = kept_environments(tmp_path, HANDS)
    (state,) = (state for state in left.states() if state.block == "gone")
    with pytest.raises(ImmtfError, match="can't be read"):
        document_of(state.text)
    with pytest.raises(ImmtfError, match="no list of resources"):
        document_of("{}")
    assert document_of(STATE)["resources"]


def test_a_later_state_that_could_not_be_saved_is_not_forgotten(tmp_path: Path) -> None:
    """F43: what only that one knows of would be left for ever."""
    directory = make(tmp_path)
    (directory / "base/work").mkdir()
    (directory / "base/work/errored.tfstate").write_text(STATE)
    (left,) = kept_environments(tmp_path, HANDS)
    with pytest.raises(ImmtfError, match="could not be saved") as caught:
        left.states()
    assert caught.value.where.endswith("base/work/errored.tfstate")


def test_a_test_is_at_work_while_anybody_holds_its_lock_or_a_lease(tmp_path: Path) -> None:
    """F43: neither is it taken then; who it is, is told."""
    directory = make(tmp_path)
    (left,) = kept_environments(tmp_path, HANDS)
    assert left.at_work() == ""
    for held, who in (
        (tether.held(directory / LOCK), "its test is at work"),
        (held_lease(directory / "consul/lease", {"run": "r1"}), "run r1"),
        (held_lease(directory / REAP, {"run": "r2"}), "run r2"),
    ):
        with held:
            assert who in left.at_work()
            with pytest.raises(LeaseHeld, match=who), left.hold():
                pass
    assert left.at_work() == ""


def test_a_terraform_that_outlived_its_run_is_at_work(tmp_path: Path) -> None:
    """F43."""
    directory = make(tmp_path)
    work = directory / "consul/work/tree/.terraform"
    work.mkdir(parents=True)
    (left,) = kept_environments(tmp_path, HANDS)
    program = tmp_path / "terraform"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "600"], cwd=work.parent) as child:
        try:
            assert f"process {child.pid}" in left.at_work()
            with pytest.raises(LeaseHeld, match=f"process {child.pid}"), left.hold():
                pass
        finally:
            child.kill()
    assert left.at_work() == ""


def test_no_run_begins_in_an_environment_that_is_held(tmp_path: Path) -> None:
    """F43: one of a block that had a lease before is refused that, one of a new block sees the reap."""
    directory = make(tmp_path)
    (directory / "consul/lease").touch()
    (left,) = kept_environments(tmp_path, HANDS)
    refuse_reaped(directory)
    with left.hold() as confirm:
        confirm()
        with pytest.raises(LeaseHeld), held_lease(directory / "consul/lease", {}):
            pass
        with pytest.raises(LeaseHeld, match="this environment is being removed, its time was over: run r9"):
            refuse_reaped(directory)
        with pytest.raises(LeaseHeld, match="command reap"), left.hold():
            pass
        left.forget()
        with pytest.raises(LeaseLost):
            confirm()
    refuse_reaped(directory)


def test_what_is_forgotten_is_gone_and_another_s_is_not(tmp_path: Path) -> None:
    """F43."""
    directory, other = make(tmp_path), make(tmp_path, "t-11111111")
    (directory / LOCK).touch()
    next(left for left in kept_environments(tmp_path, HANDS) if left.environment == NAME).forget()
    assert not directory.exists()
    assert (other / "consul/terraform.tfstate").exists()


def test_of_a_lab_the_states_go_and_the_lab_stays(tmp_path: Path) -> None:
    """F43."""
    lab = make(tmp_path).rename(tmp_path / "lab")
    states = lab / "environments/consul"
    states.mkdir(parents=True)
    (states / "terraform.tfstate").write_text(STATE)
    (left,) = lab_environment(lab, lab / "environments", HANDS)
    assert [state.block for state in left.states()] == ["consul"]
    left.forget()
    assert sorted(path.name for path in lab.iterdir()) == ["base", "consul", "environments", "gone"]
    assert list((lab / "environments").iterdir()) == []
    assert lab_environment(lab, lab / "environments", HANDS) == ()


def test_environments_by_a_definition_are_looked_for_beside_its_states(tmp_path: Path) -> None:
    """F43: their states aren't here, and their record must not be taken for all there is."""
    make(tmp_path, definition="/e/staging.yaml")
    make(tmp_path, "t-11111111")
    assert [left.environment for left in kept_environments(tmp_path, HANDS)] == ["t-11111111"]
    assert definitions_of(tmp_path) == {"/e/staging.yaml": (NAME,)}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9}'])
def test_a_record_that_can_not_be_read_is_told(tmp_path: Path, text: str) -> None:
    directory = make(tmp_path)
    (directory / RECORD).write_text(text)
    (left,) = kept_environments(tmp_path, HANDS)
    assert left.record is None
    assert "can't be read" in left.problem
    assert definitions_of(tmp_path) == {}
