# ruff: noqa: E501 - a mistake stands here on one line, as it is printed
"""The gate `testinfra` in a block's file: what it becomes, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.model import block
from immtf.plan.checks import checks_of
from immtf.plan.config import ConfigInvalid, load_block

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "block: consul\nversion: 1.1.0\nclusters:\n  server:\n    nodes: module.server\n    gates:\n"
AT = "clusters.server.gates[0].testinfra"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for file in ("main.tf", "tests/test_data.py", "empty/check.py", "tests.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def loaded(directory: Path, *entries: str) -> tuple[block.Gate, ...]:
    (directory / "immtf.yaml").write_text(HEAD + "".join(f"      - testinfra: {entry}\n" for entry in entries))
    return load_block(directory).clusters["server"].gates


@pytest.mark.parametrize(
    ("entry", "differs"),
    [
        ("{ tests: tests }", {}),
        ("{ tests: ./tests/test_data.py, timeout: 1m30s, name: data }", {"tests": "tests/test_data.py", "timeout_s": 90.0, "name": "data"}),
        (
            "{ tests: tests, connection: ssh, user: admin, port: 2222, key_env: NODE_KEY_FILE }",
            {"connection": "ssh", "user": "admin", "port": 2222, "key_env": "NODE_KEY_FILE"},
        ),
        ("{ tests: tests, connection: docker, container: 'db-{node}' }", {"connection": "docker", "container": "db-{node}"}),
    ],
)
def test_gates_of_tests(directory: Path, entry: str, differs: dict[str, Any]) -> None:
    (gate,) = loaded(directory, entry)
    assert gate == block.TestinfraGate(**{**differs, "tests": directory / differs.get("tests", "tests")})


def test_two_of_them_have_names(directory: Path) -> None:
    loaded(directory, "{ tests: tests }", "{ tests: tests, name: slow }")
    assert [check.id for check in checks_of(load_block(directory))][-2:] == ["testinfra", "testinfra:slow"]
    with pytest.raises(ConfigInvalid, match="a second gate `testinfra`"):
        loaded(directory, "{ tests: tests }", "{ tests: tests }")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{ tests: nowhere }", "7:29: {at}.tests: there is nothing at `{here}/nowhere`; name a file of tests or a directory that holds some, relative to this file"),
        ("{ tests: empty }", "7:29: {at}.tests: the directory `{here}/empty` holds no tests (`test_*.py`); name a file of tests or a directory that holds some, relative to this file"),
        ("{ tests: tests.txt }", "7:29: {at}.tests: `tests.txt` is not a file of tests (`test_*.py`); name a file of tests or a directory that holds some, relative to this file"),
        ("{ tests: '' }", "7:29: {at}.tests: nothing is written here"),
        ("{ tests: [a] }", "7:29: {at}.tests: should be text, is a list"),
        ("{ timeout: 1m }", "7:9: {at}.tests: `tests` is missing"),
        ("{ tests: tests, conection: ssh }", "7:36: {at}.conection: `conection` is not known here; did you mean `connection`?"),
        ("{ tests: tests, connection: telnet }", "7:48: {at}.connection: should be one of `ssm`, `ssh`, `docker`, is the text `telnet`"),
        ("{ tests: tests, user: admin }", "7:42: {at}.user: `user` is of `connection: ssh`, and this gate has ssm"),
        ("{ tests: tests, connection: ssh, container: x }", "7:64: {at}.container: `container` is of `connection: docker`, and this gate has ssh"),
        ("{ tests: tests, connection: ssh, user: -oProxyCommand=x }", "7:59: {at}.user: `-oProxyCommand=x` is not the name of a user; letters, digits, `.`, `-` and `_`, a letter first"),
        ("{ tests: tests, connection: docker, container: '{id}' }", "7:67: {at}.container: `{{id}}` is not the name of a container; nothing but `{{instance_id}}`, `{{address}}` and `{{node}}` is filled in"),
        ("{ tests: tests, connection: docker, container: --privileged }", "7:67: {at}.container: `--privileged` is not the name of a container; nothing but `{{instance_id}}`, `{{address}}` and `{{node}}` is filled in"),
        ("{ tests: tests, passes: 0 }", "7:44: {at}.passes: should be at least 1, is 0"),
    ],
)  # fmt: skip
def test_mistakes(directory: Path, entry: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(directory, entry)
    (mistake,) = caught.value.mistakes
    assert str(mistake).removeprefix(f"{directory}/immtf.yaml:") == told.format(at=AT, here=directory)


def test_a_key_written_into_the_file_is_not_repeated(directory: Path) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(directory, "{ tests: tests, connection: ssh, key_env: -----BEGIN PRIVATE KEY----- }")
    assert "BEGIN" not in str(caught.value)
