"""Whatever is called wrongly ends with 2 before anything is begun, and says how it is called rightly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.cli.options import Options
from immtf.errors import UsageError
from tests.unit.cli.program import environment, immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path

BAD = """\
blok: consul
version: one
terraform: nowhere
clusters:
  server:
    nodes: module.server
    strategy: swop
    gates: [mountd, tcp]
"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("upgrad",), "upgrad"),
        (("plan", "--no-such"), "--no-such"),
        (("plan", "--output", "xml"), "xml"),
        (("plan", "nowhere"), "nowhere"),
        (("plan", "tiny", "--var", "novalue"), "is not NAME=VALUE"),
        (("plan", "tiny", "--var-file", "missing.json"), "missing.json"),
        (("plan", "tiny", "--lab", "--lab-name", "a/b"), "can't be the name of a lab"),
        (("plan", "tiny", "--lab", "--lab-name", "typo"), "none is up; `immtf lab up --name typo` starts one"),
        (("status", "tiny", "--lab", "--lab-name", "typo", "--home", "h"), "`immtf lab up --name typo --home h` starts one"),
        (("lab", "down", "--name", ".."), "can't be the name of a lab"),
        (("lab", "up", "--delays", "slow"), "slow"),
        (("schema", "blocks"), "blocks"),
        (("report", "no-such-run"), "there is no run"),
        (("test-create", "tiny"), "there is no terminal to ask at"),
        (("test-upgrade", "tiny"), "there is no terminal to ask at"),
        (("test-upgrade", "tiny", "--yes", "--from", "./nowhere"), "nowhere"),
        (("test-upgrade", "tiny", "--yes", "--from", "git:v1"), ""),
        (("plan", "tiny", "--environment", "stagign"), "did you mean --environment staging?"),
        (("upgrade", "tiny", "--image", "", "--yes"), "the value is empty"),
        (("plan", "tiny", "--only", "server/a", "--only", ""), "the value is empty"),
        (("destroy", "tiny", "--yes", "--confirm", ""), "the value is empty"),
        (("upgrade", "", "--yes"), "the block's directory is empty"),
        (("lab", "order", "", "--stuck"), "the value is empty"),
        (("test-upgrade", "tiny", "--from", "1.0.0"), "`immtf test-upgrade tiny --from=1.0.0 --yes`"),
        (("destroy", "tiny", "--environment", "production", "--yes"), "kept: staging"),
        (("status", "tiny", "--environment", "Up"), "small letters"),
        (("plan", "tiny", "--lab", "--environment", "staging"), "--lab-name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "-",
)
def test_a_mistake_on_the_command_line(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    make_tiny(tmp_path / "tiny")
    (tmp_path / ".immtf/environments/staging").mkdir(parents=True)
    env = environment(tmp_path, **({"PATH": "/usr/bin:/bin"} if "git:v1" in arguments else {}))
    done = immtf_program(*arguments, cwd=tmp_path, env=env)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
    assert not (tmp_path / ".immtf" / "runs").exists()
    assert [entry.name for entry in (tmp_path / ".immtf/environments").iterdir()] == ["staging"], "a name that isn't there stays so"


def test_without_a_command_the_help_is_shown(tmp_path: Path) -> None:
    done = immtf_program(cwd=tmp_path)
    assert (done.returncode, "test-upgrade" in done.stdout + done.stderr) == (2, True)


@pytest.mark.parametrize("command", ["plan", "upgrade", "create", "destroy", "status", "test-create", "test-upgrade"])
def test_every_mistake_in_the_block_s_file_is_told_at_once(tmp_path: Path, command: str) -> None:
    make_tiny(tmp_path, file=BAD)
    done = immtf_program(command, *(["--yes"] if command.startswith("test") else []), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    for place, meant in (
        ("immtf.yaml:1:1", "block"),
        ("immtf.yaml:2:", ""),
        ("immtf.yaml:3:", ""),
        ("immtf.yaml:7:", "swap"),
        ("immtf.yaml:8:", "mounted"),
    ):
        assert place in done.stderr
        assert meant in done.stderr
    assert not (tmp_path / ".immtf").exists()


def make_options(tmp_path: Path, *variables: str, files: tuple[str, ...] = ()) -> Options:
    paths = []
    for number, text in enumerate(files):
        paths.append(tmp_path / f"{number}.tfvars.json")
        paths[-1].write_text(text)
    return Options(block=tmp_path, variables=variables, variable_files=tuple(paths))


def test_variables_are_json_where_they_can_be_read_so(tmp_path: Path) -> None:
    given = make_options(tmp_path, 'nodes=["a","b"]', "size=20", "name=x=y", "empty=", " spaced =v")
    assert given.terraform_variables() == {"nodes": ["a", "b"], "size": 20, "name": "x=y", "empty": "", "spaced": "v"}


def test_the_later_one_wins_and_the_command_line_over_files(tmp_path: Path) -> None:
    given = make_options(tmp_path, "c=3", files=('{"a": 1, "b": 1, "c": 1}', '{"b": 2, "c": 2}'))
    assert given.terraform_variables() == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("text", ["", "word = 1", "[1]", "3"])
def test_a_file_that_holds_no_variables(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_options(tmp_path, files=(text,)).terraform_variables()
    assert caught.value.where.endswith("0.tfvars.json")


@pytest.mark.parametrize("item", ["novalue", "=value", " =value"])
def test_a_variable_without_a_name_or_a_value(tmp_path: Path, item: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        make_options(tmp_path, item).terraform_variables()
