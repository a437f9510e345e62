"""What other blocks publish, read from their states by the real Terraform: from a file, from S3, and where there is nothing to read."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform.outputs import StateReader
from immtf.errors import ImmtfError, Interrupted, ToolMissing
from immtf.model.environment import Backend
from tests.contract.lease_stores import BUCKET, KEYS, aws, moto
from tests.contract.lease_stores import s3_backend as s3
from tests.contract.terraform_world import BINARY, World, apply_all, child_environment, make_world, needs_terraform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.terraform, needs_terraform]
PRODUCER = """
resource "terraform_data" "network" { count = 2 }
output "block" { value = { name = "base", version = "2.1.0", requires = {} } }
output "subnets" { value = ["a", "b"] }
output "zones" { value = toset(["x"]) }
output "size" { value = 3 }
output "nothing" { value = null }
output "password" {
  value     = "s3cr3t-of-base"
  sensitive = true
}
"""
ANSWER = {"subnets": ["a", "b"], "zones": ["x"], "size": 3, "password": "s3cr3t-of-base"}


@pytest.fixture
def base(tmp_path: Path) -> World:
    return make_world(tmp_path, PRODUCER)


def reader(tmp_path: Path, **more: Any) -> StateReader:
    wiring: dict[str, Any] = {"binary": BINARY, "environment": child_environment(), "scratch": tmp_path / "private"}
    return StateReader(**wiring | more)


def local(path: Path) -> Backend:
    return Backend("local", {"path": str(path)})


def left_in(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "private").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto() as url:
        yield url


def test_a_local_state_is_read_and_nothing_is_left_of_the_reading(base: World, tmp_path: Path) -> None:
    """F46, F49."""
    state = base.root / "terraform.tfstate"
    apply_all(base.ready())
    before = (state.read_bytes(), sorted(path.name for path in base.root.iterdir()))
    outputs = reader(tmp_path).read("base", local(state))
    assert (outputs.presence, outputs.resources, outputs.where) == ("there", 2, f"the state of block base (local {state})")
    assert {name: outputs.values[name].value for name in ANSWER} == ANSWER
    assert [name for name, output in outputs.values.items() if output.sensitive] == ["password"]
    assert "s3cr3t" not in repr(outputs)
    assert "nothing" not in outputs.values
    assert left_in(tmp_path) == []
    assert before == (state.read_bytes(), sorted(path.name for path in base.root.iterdir()))


def test_no_state_an_emptied_one_and_one_that_can_not_be_read_are_told_apart(base: World, tmp_path: Path) -> None:
    """F46: a producer that was destroyed is not deployed; one whose state is damaged is not "absent"."""
    state = base.root / "terraform.tfstate"
    assert reader(tmp_path).read("base", local(state)).presence == "none"
    terraform = base.ready()
    apply_all(terraform)
    terraform.apply(terraform.plan(destroy=True))
    assert reader(tmp_path).read("base", local(state)).presence == "empty"
    state.write_text('{"version": 4, "outputs": {"password": {"value": "s3cr3t-of-base"')
    with pytest.raises(ImmtfError, match="can't be read") as refused:
        reader(tmp_path).read("base", local(state))
    assert refused.value.where == f"the state of block base (local {state})"
    assert "s3cr3t" not in str(refused.value)
    state.write_text("")
    with pytest.raises(ImmtfError, match="is an empty file: an apply was killed in it"):
        reader(tmp_path).read("base", local(state))
    assert left_in(tmp_path) == []


def test_a_path_that_would_be_another_one_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImmtfError, match="not absolute"):
        reader(tmp_path).read("base", Backend("local", {"path": "states/base.tfstate"}))


def test_a_state_in_s3_is_read_and_its_credentials_are_not_told(base: World, url: str, tmp_path: Path) -> None:
    """F46, F49: with keys from the environment or, where somebody does so, from the backend's settings."""
    backend = s3(url, "t-1/base/terraform.tfstate")
    base.write(json.dumps({"terraform": {"backend": {"s3": dict(backend.config)}}}), "backend.tf.json")
    apply_all(base.ready(environment=KEYS))
    outputs = reader(tmp_path, environment=child_environment() | KEYS).read("base", backend)
    assert {name: outputs.values[name].value for name in ANSWER} == ANSWER
    with_keys = Backend("s3", {**backend.config, "access_key": "lab", "secret_key": "s3cr3t-of-lab"})
    assert reader(tmp_path).read("base", with_keys).is_deployed
    nowhere = Backend("s3", {**with_keys.config, "bucket": "no-such-bucket"})
    with pytest.raises(ImmtfError, match="can't be read") as refused:
        reader(tmp_path).read("base", nowhere)
    assert refused.value.where == "the state of block base (s3 no-such-bucket/t-1/base/terraform.tfstate)"
    assert "s3cr3t" not in str(refused.value)
    assert left_in(tmp_path) == []


def test_an_object_that_is_not_there_is_no_state_and_reading_makes_none(url: str, tmp_path: Path) -> None:
    """F46."""
    client: Any = aws(url).client("s3")
    before = client.list_objects_v2(Bucket=BUCKET).get("KeyCount")
    outputs = reader(tmp_path, environment=child_environment() | KEYS).read("base", s3(url, "t-2/base/terraform.tfstate"))
    assert outputs.presence == "none"
    assert client.list_objects_v2(Bucket=BUCKET).get("KeyCount") == before


def test_what_is_set_for_another_root_module_does_not_reach_the_reading(base: World, tmp_path: Path) -> None:
    """A data directory of the caller's stays as it is; a workspace would mean other states, and is refused."""
    apply_all(base.ready())
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    environment = child_environment() | {"TF_DATA_DIR": str(theirs), "TF_CLI_ARGS_init": "-no-such-option"}
    assert reader(tmp_path, environment=environment).read("base", local(base.root / "terraform.tfstate")).is_deployed
    assert list(theirs.iterdir()) == []
    with pytest.raises(ImmtfError, match="TF_WORKSPACE is set"):
        reader(tmp_path, environment=child_environment() | {"TF_WORKSPACE": "blue"}).read("base", local(base.root / "terraform.tfstate"))


def test_what_a_killed_reading_left_is_removed_and_a_living_one_s_is_not(base: World, tmp_path: Path) -> None:
    """F49: the settings of a backend may hold secrets."""
    gone, mine = tmp_path / "private/state-999999999-x", tmp_path / f"private/state-{os.getpid()}-x"
    for directory in (gone, mine):
        directory.mkdir(parents=True)
        (directory / "main.tf.json").write_text("secret")
    reader(tmp_path).read("base", local(base.root / "terraform.tfstate"))
    assert sorted(path.name for path in (tmp_path / "private").iterdir()) == [mine.name]


def test_a_reading_that_is_interrupted_ends_and_says_so(tmp_path: Path) -> None:
    """The first request to end will do: nothing was touched."""
    asked = threading.Event()
    slow = tmp_path / "terraform"
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nexec sleep 600\n")
    slow.chmod(0o755)
    with pytest.raises(Interrupted) as ended:
        reader(tmp_path, binary=str(slow), interrupted=lambda: (tmp_path / "begun").exists() or asked.is_set()).read(
            "base", local(tmp_path / "x")
        )
    assert ended.value.where == f"the state of block base (local {tmp_path}/x)"
    assert left_in(tmp_path) == []


def test_without_the_program_it_is_the_program_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        reader(tmp_path, binary=str(tmp_path / "none")).read("base", local(tmp_path / "x"))
