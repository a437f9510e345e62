"""IMMTF_*: a variable does what its option does, in every command that has it, for options that may be repeated too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from immtf.cli import cli
from immtf.errors import ExitCode
from tests.unit.cli.program import environment, immtf_program, make_tiny
from tests.unit.cli.test_help import EVERY, OPTIONS

REPEATED = [item for item in OPTIONS if item.values[0].multiple]  # type: ignore[attr-defined]  # they are click's


def parsed(words: tuple[str, ...], given: dict[str, str], *arguments: str) -> dict[str, Any]:
    """Return what click makes of a command's arguments in an environment."""
    runner = CliRunner(env=dict.fromkeys(_every_variable()) | given)
    with runner.isolation():
        context = EVERY[words].make_context(words[-1], list(arguments), resilient_parsing=False)
    return dict(context.params)


def _every_variable() -> set[str]:
    return {str(item.envvar) for command in EVERY.values() for item in command.params if isinstance(item, click.Option)}


def value_of(item: click.Option) -> str:
    """Return a value that is not the option's default."""
    if item.is_flag:
        return "1"
    if isinstance(item.type, click.Choice):
        return next(str(choice) for choice in item.type.choices if choice != item.default)
    if isinstance(item.type, click.Path):
        return _path(item.type)
    numbers = (click.IntRange, click.FloatRange, click.types.IntParamType, click.types.FloatParamType)
    return "77" if isinstance(item.type, numbers) else "some=value"


def needed(command: click.Command, but: click.Option) -> list[str]:
    """Return what the command can't do without, `but` left out."""
    required = [item for item in command.params if isinstance(item, click.Option) and item.required and item is not but]
    options = [word for item in required for word in (item.opts[0], "x")]
    arguments = [item for item in command.params if isinstance(item, click.Argument) and item.required]
    return options + [_path(item.type) if isinstance(item.type, click.Path) else "x" for item in arguments]


def _path(kind: click.Path) -> str:
    return "/some/path" if not kind.exists else __file__ if kind.file_okay else str(Path(__file__).parent)


@pytest.mark.parametrize("words", [pytest.param(words, id=" ".join(words)) for words in EVERY])
def test_each_variable_means_what_its_option_means(words: tuple[str, ...]) -> None:
    command = EVERY[words]
    if isinstance(command, click.Group):
        return
    for item in command.params:
        if not isinstance(item, click.Option) or item.hidden:
            continue
        value = value_of(item)
        others = needed(command, item)
        by_option = parsed(words, {}, item.opts[0], *([] if item.is_flag else [value]), *others)
        by_variable = parsed(words, {str(item.envvar): value}, *others)
        assert by_option == by_variable, item.opts[0]
        assert item.required or by_option != parsed(words, {}, *others), item.opts[0]


def test_which_options_may_be_repeated_and_how_their_variable_is_split() -> None:
    found = {item.values[0].opts[0]: item.values[0].type.envvar_list_splitter for item in REPEATED}  # type: ignore[attr-defined]
    assert found.pop("--var") == "\n"
    assert {"--only", "--accept-unmarked", "--allow", "--var-file"} <= set(found)
    assert {name for name, splitter in found.items() if splitter == ":"} == {
        item.values[0].opts[0]  # type: ignore[attr-defined]
        for item in REPEATED
        if isinstance(item.values[0].type, click.Path)  # type: ignore[attr-defined]
    }


def test_repeated_values_are_split_by_what_they_cannot_hold() -> None:
    got = parsed(
        ("upgrade",),
        {
            "IMMTF_ONLY": "server/a server/b",
            "IMMTF_VAR": 'sizes=["a b", "c"]\nword=two words\n',
            "IMMTF_VAR_FILE": "one two.json:/three.json",
            "IMMTF_ACCEPT_UNMARKED": "server/a",
        },
    )
    assert got["only"] == ("server/a", "server/b")
    assert got["variables"] == ('sizes=["a b", "c"]', "word=two words")
    assert got["variable_files"] == (Path("one two.json"), Path("/three.json"))
    assert got["accept_unmarked"] == ("server/a",)


def test_an_option_wins_over_its_variable() -> None:
    assert parsed(("upgrade",), {"IMMTF_IMAGE": "1.0.0"}, "--image", "2.0.0")["image"] == "2.0.0"


def test_variables_reach_terraform(tmp_path: Path, terraform: str) -> None:
    make_tiny(tmp_path / "tiny")
    env = environment(tmp_path, IMMTF_TERRAFORM=terraform, PATH="/usr/bin:/bin", IMMTF_VAR="word=much too long", IMMTF_BLOCK="tiny")
    done = immtf_program("plan", cwd=tmp_path, env=env)
    assert (done.returncode, "much too long" in done.stderr) == (ExitCode.ERROR, True)


def test_the_program_itself_has_no_option_without_a_variable() -> None:
    assert [item.opts for item in cli.params if isinstance(item, click.Option) and "--version" not in item.opts] == []
