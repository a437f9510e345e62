from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.aws import Aws
from immtf.adapters.states import is_bare, local_states, states_of
from immtf.errors import ImmtfError
from immtf.model.environment import Backend

if TYPE_CHECKING:
    from pathlib import Path

FULL = json.dumps({"resources": [{"type": "aws_vpc"}], "outputs": {}})
BARE = json.dumps({"resources": [], "outputs": {}})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("content", "bare"),
    [
        (BARE, True),
        (FULL, False),
        (json.dumps({"resources": [], "outputs": {"a": {}}}), False),
        ("", False),
        ("[]", False),
        ("{", False),
        ("{}", False),
    ],
)
def test_only_what_surely_holds_nothing_is_bare(content: str, bare: bool) -> None:
    assert is_bare(content.encode()) is bare


def test_kept_states_are_in_a_directory_for_each_block(tmp_path: Path) -> None:
    for block, text in (("consul", FULL), ("base", FULL), ("gone", BARE), ("killed", "")):
        write(tmp_path / block / "terraform.tfstate", text)
    (tmp_path / "fresh").mkdir()
    (tmp_path / "environment.json").touch()
    states = local_states(tmp_path, "e1")
    assert states.there() == ("base", "consul", "killed"), "a state that a killed apply left empty may stand for anything"
    assert states.backend_of("base") == Backend("local", {"path": str(tmp_path / "base/terraform.tfstate")})


def test_nothing_there_yet(tmp_path: Path) -> None:
    assert local_states(tmp_path / "none", "e1").there() == ()


@pytest.mark.parametrize(
    "template",
    ["{environment}/{block}.tfstate", "{block}-{environment}/{block}/x", "s-{block}/{environment}", "x/{environment}.{block}.{block}"],
)
def test_states_by_any_template_of_a_path(tmp_path: Path, template: str) -> None:
    backend = Backend("local", {"path": f"{tmp_path}/{template}"})
    states = states_of(backend, "e1", Aws(), {})
    for block in ("consul", "base-2"):
        path = tmp_path / template.replace("{environment}", "e1").replace("{block}", block)
        assert states.backend_of(block).config["path"] == str(path)
        write(path, FULL)
    write(tmp_path / template.replace("{environment}", "e2").replace("{block}", "other"), FULL)
    assert states.there() == ("base-2", "consul")


def test_a_directory_that_can_t_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImmtfError, match="the states can't be listed"):
        local_states(tmp_path / "file", "e1").there()


def test_states_elsewhere_can_t_be_listed() -> None:
    states = states_of(Backend("http", {"address": "https://x/{environment}/{block}"}), "e1", Aws(), {})
    assert states.there() is None
    assert states.backend_of("base").config == {"address": "https://x/e1/base"}


def test_a_bucket_for_each_block_can_t_be_listed() -> None:
    states = states_of(Backend("s3", {"bucket": "b-{block}", "key": "{environment}"}), "e1", Aws(region="eu-west-1"), {})
    assert states.there() is None
