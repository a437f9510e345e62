"""Help imports nothing that takes long, is complete, and has the same words everywhere."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from immtf.cli import cli
from immtf.errors import ExitCode
from tests.unit.cli.program import environment, immtf_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = ("boto3", "botocore", "consul", "pydantic", "requests", "jinja2", "moto", "ruamel.yaml", "werkzeug", "flask")
ALL_HELP = """
import sys
from immtf.cli import cli
for words in {commands!r}:
    assert cli.main([*words, "--help"], standalone_mode=False) == 0
print("HEAVY", sorted(set({heavy!r}) & set(sys.modules)))
"""


def commands(group: click.Group = cli, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Return every command with the words that call it."""
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))


EVERY = dict(commands())
OPTIONS = [
    pytest.param(item, id=f"{' '.join(words)} {item.opts[0]}")
    for words, command in EVERY.items()
    for item in command.params
    if isinstance(item, click.Option) and not item.hidden  # hidden is what immtf gives to itself
]


def test_the_commands_are_those_of_the_design() -> None:
    assert {"plan", "create", "upgrade", "destroy", "status", "test-create", "test-upgrade", "lab", "doctor", "report"} <= set(cli.commands)
    assert {("lab", "up"), ("lab", "down"), ("lab", "status")} <= set(EVERY)


def test_no_help_imports_what_takes_long(tmp_path: Path) -> None:
    script = ALL_HELP.format(commands=[(), *EVERY], heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


ELSEWHERE = {"--name": "IMMTF_LAB_NAME", "--delays": "IMMTF_LAB_DELAYS", "--runtime": "IMMTF_LAB_RUNTIME"}
"""The lab's own commands call them by shorter names."""
BLOCKS = {"since": "IMMTF_FROM_BLOCK", "only": "IMMTF_ONLY_BLOCK"}
"""They choose blocks of an infrastructure: what is set for `test-upgrade --from` or for nodes must not be taken for these."""


@pytest.mark.parametrize("item", OPTIONS)
def test_every_option_has_its_variable_and_shows_it(item: click.Option) -> None:
    assert item.show_envvar
    long = next(name for name in item.opts if name.startswith("--"))
    own = f"IMMTF_{long.removeprefix('--').replace('-', '_').upper()}"
    assert item.envvar == ELSEWHERE.get(long, own) or (item.metavar == "BLOCK" and item.envvar == BLOCKS[str(item.name)])
    assert item.help
    assert item.help.endswith(".")


def test_an_option_means_the_same_in_every_command() -> None:
    kinds: dict[str, set[tuple[object, ...]]] = {}
    for words, command in EVERY.items():
        for item in command.params:
            if isinstance(item, click.Option) and words[0] != "lab":
                name = "--from BLOCK" if item.name == "since" else item.opts[0]
                kinds.setdefault(name, set()).add((item.name, item.type.name, item.multiple, str(item.default)))
    assert {name: len(found) for name, found in kinds.items() if len(found) > 1} == {}


def test_every_command_says_what_it_does() -> None:
    assert [words for words, command in EVERY.items() if not (command.help or "").strip().endswith(".")] == []


def test_the_exit_codes_are_told(tmp_path: Path) -> None:
    told = " ".join(immtf_program("--help", cwd=tmp_path).stdout.split())
    assert [code for code in ExitCode if f"{code.value} " not in told] == []


def test_the_version_is_told(tmp_path: Path) -> None:
    done = immtf_program("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0].rstrip(",")) == (0, "immtf")


def test_a_variable_stands_for_its_option(tmp_path: Path) -> None:
    done = immtf_program("report", "--list", cwd=tmp_path, env=environment(tmp_path, IMMTF_OUTPUT="no-such"))
    assert done.returncode == 2
    assert "IMMTF_OUTPUT" in done.stderr
