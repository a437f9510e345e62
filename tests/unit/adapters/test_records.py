"""Records of test environments in files: of those that immtf keeps, and of a lab's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.adapters import tether
from immtf.adapters.lease import held_lease
from immtf.adapters.records import LOCK, RECORD, definitions_of, document_of, kept_environments, lab_environment, read, write
from immtf.errors import ImmtfError
from immtf.plan.reaping import new_record

if TYPE_CHECKING:
    from pathlib import Path

NAME = "t-0123abcd"
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
    (left,) = kept_environments(tmp_path)
    assert (left.environment, left.record, left.where) == (NAME, read(directory / RECORD), str(directory / RECORD))
    states = left.states()
    assert [state.block for state in states] == ["base", "consul"]
    assert states[0].backend.config == {"path": str(directory / "base/terraform.tfstate")}


def test_a_state_of_no_bytes_is_not_taken_for_one_that_holds_nothing(tmp_path: Path) -> None:
    """F43: a Terraform that was killed leaves such a one."""
    directory = make(tmp_path)
    (directory / "gone/terraform.tfstate").write_text("")
    (left,) = kept_environments(tmp_path)
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
    (left,) = kept_environments(tmp_path)
    with pytest.raises(ImmtfError, match="could not be saved") as caught:
        left.states()
    assert caught.value.where.endswith("base/work/errored.tfstate")


def test_a_test_is_at_work_while_anybody_holds_its_lock_or_a_lease(tmp_path: Path) -> None:
    """F43."""
    directory = make(tmp_path)
    (left,) = kept_environments(tmp_path)
    assert not left.running()
    with tether.held(directory / LOCK):
        assert left.running()
    with held_lease(directory / "consul/lease", {"run": "r1"}):
        assert left.running()
    assert not left.running()


def test_what_is_forgotten_is_gone_and_another_s_is_not(tmp_path: Path) -> None:
    """F43."""
    directory, other = make(tmp_path), make(tmp_path, "t-11111111")
    (directory / LOCK).touch()
    next(left for left in kept_environments(tmp_path) if left.environment == NAME).forget()
    assert not directory.exists()
    assert (other / "consul/terraform.tfstate").exists()


def test_of_a_lab_the_states_go_and_the_lab_stays(tmp_path: Path) -> None:
    """F43."""
    lab = make(tmp_path).rename(tmp_path / "lab")
    states = lab / "environments/consul"
    states.mkdir(parents=True)
    (states / "terraform.tfstate").write_text(STATE)
    (left,) = lab_environment(lab, lab / "environments")
    assert [state.block for state in left.states()] == ["consul"]
    left.forget()
    assert sorted(path.name for path in lab.iterdir()) == ["base", "consul", "environments", "gone"]
    assert list((lab / "environments").iterdir()) == []
    assert lab_environment(lab, lab / "environments") == ()


def test_environments_by_a_definition_are_looked_for_beside_its_states(tmp_path: Path) -> None:
    """F43: their states aren't here, and their record must not be taken for all there is."""
    make(tmp_path, definition="/e/staging.yaml")
    make(tmp_path, "t-11111111")
    assert [left.environment for left in kept_environments(tmp_path)] == ["t-11111111"]
    assert definitions_of(tmp_path) == {"/e/staging.yaml": (NAME,)}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9}'])
def test_a_record_that_can_not_be_read_is_told(tmp_path: Path, text: str) -> None:
    directory = make(tmp_path)
    (directory / RECORD).write_text(text)
    (left,) = kept_environments(tmp_path)
    assert left.record is None
    assert "can't be read" in left.problem
    assert definitions_of(tmp_path) == {}
