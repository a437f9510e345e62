"""`immtf graph` as a user calls it: from files alone, and with the versions that are deployed, by the real Terraform."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from immtf.errors import ExitCode
from tests.unit.cli.parts import make_part
from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    make_part(folder, "base")
    make_part(folder, "consul", '{ base: "~> 1.0" }')
    return folder


TEXT = "stage 1\n  base 1.0.0\nstage 2\n  consul 1.0.0\n    requires base ~> 1.0\n"


def test_the_graph_of_a_directory_of_blocks_goes_to_stdout(parts: Path) -> None:
    done = immtf_program("graph", "parts", cwd=parts.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, TEXT, "")


def test_of_a_single_block_what_it_requires_need_not_be_here(parts: Path) -> None:
    done = immtf_program("graph", "parts/consul", cwd=parts.parent)
    assert (done.returncode, done.stdout) == (0, "stage 1\n  consul 1.0.0\n    requires base ~> 1.0\n")


def test_svg_and_dot_are_the_same_graph(parts: Path) -> None:
    svg = immtf_program("graph", "parts", "--format", "svg", cwd=parts.parent).stdout
    words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314 - our own
    assert [words.index(word) for word in ("base 1.0.0", "consul 1.0.0")] == sorted(
        [words.index("base 1.0.0"), words.index("consul 1.0.0")]
    )
    dot = immtf_program("graph", "parts", "--format", "dot", cwd=parts.parent).stdout
    assert '"base" -> "consul" [label="~> 1.0"];' in dot


def test_a_cycle_is_a_usage_error_that_shows_it(parts: Path) -> None:
    make_part(parts, "base", '{ consul: ">= 1" }')
    done = immtf_program("graph", "parts", cwd=parts.parent)
    assert done.returncode == ExitCode.USAGE
    assert "blocks need each other in a cycle: base -> consul -> base" in done.stderr
    assert f"{parts}/consul/immtf.yaml:3: consul requires base" in done.stderr


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (("--only", "consul"), "stage 1\n  consul 1.0.0\n    requires base ~> 1.0\n"),
        (("--until", "base"), "stage 1\n  base 1.0.0\n"),
        (("--from", "base"), TEXT),
    ],
    ids=lambda value: value[0].strip("-") if isinstance(value, tuple) else "drawn",
)
def test_the_blocks_to_draw_may_be_chosen(parts: Path, words: tuple[str, ...], drawn: str) -> None:
    done = immtf_program("graph", "parts", *words, cwd=parts.parent)
    assert (done.returncode, done.stdout) == (0, drawn)


@pytest.mark.parametrize(
    ("words", "told"),
    [(("parts", "--only", "consol"), "did you mean consul?"), (("parts/base", "--from", "base"), "--from is for an infrastructure")],
    ids=["no such block", "one block"],
)
def test_a_choice_that_makes_no_sense_is_refused(parts: Path, words: tuple[str, ...], told: str) -> None:
    done = immtf_program("graph", *words, cwd=parts.parent)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert told in done.stderr


def test_an_unknown_block_is_a_usage_error_with_the_nearest_name(parts: Path) -> None:
    make_part(parts, "web", '{ consol: ">= 1" }')
    done = immtf_program("graph", "parts", cwd=parts.parent)
    assert done.returncode == ExitCode.USAGE
    assert f"{parts}/web/immtf.yaml:3: block web requires consol, and there is no such block\n  next: did you mean consul?" in done.stderr


def test_health_needs_a_place(parts: Path) -> None:
    done = immtf_program("graph", "parts", "--health", cwd=parts.parent)
    assert done.returncode == ExitCode.USAGE
    assert "--health: needs a place to look at\n  next: add --environment NAME or --lab" in done.stderr


def test_no_lab_is_started_for_it(parts: Path) -> None:
    done = immtf_program("graph", "parts", "--lab", cwd=parts.parent)
    assert done.returncode == ExitCode.USAGE
    assert "no lab default is up" in done.stderr
    assert not (parts.parent / ".immtf").exists()


@pytest.mark.terraform
def test_with_an_environment_it_tells_what_is_deployed_there(parts: Path, env: dict[str, str]) -> None:
    made = immtf_program("create", "parts/base", "--environment", "dev", "--yes", cwd=parts.parent, env=env)
    assert made.returncode == 0, made.stderr
    make_part(parts, "base", version="2.0.0")
    done = immtf_program("graph", "parts", "--environment", "dev", "--health", cwd=parts.parent, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "environment dev\n"
        "stage 1\n"
        "  base 2.0.0\n"
        "    deployed 1.0.0\n"
        "stage 2\n"
        "  consul 1.0.0\n"
        "    requires base ~> 1.0, which 2.0.0 is not\n"
        "    not deployed\n"
    )


@pytest.mark.terraform
def test_an_environment_that_is_not_there_is_a_usage_error(parts: Path, env: dict[str, str]) -> None:
    done = immtf_program("graph", "parts", "--environment", "dve", cwd=parts.parent, env=env)
    assert done.returncode == ExitCode.USAGE
    assert "there is no environment dve" in done.stderr


@pytest.mark.terraform
def test_a_block_whose_state_can_not_be_read_is_drawn_as_unknown(parts: Path, env: dict[str, str]) -> None:
    """Unknown is neither deployed nor not deployed; and the others are drawn all the same."""
    made = immtf_program("create", "parts", "--environment", "dev", "--yes", cwd=parts.parent, env=env)
    assert made.returncode == 0, made.stderr
    (parts.parent / ".immtf" / "environments" / "dev" / "base" / "terraform.tfstate").write_text("no state")
    done = immtf_program("graph", "parts", "--environment", "dev", "--health", cwd=parts.parent, env=env)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("stage 2\n")
    assert before.startswith(
        "environment dev\nstage 1\n  base 1.0.0\n    not known whether it is deployed\n    the state of block base (local "
    )
    assert "can't be read: " in before
    assert after == "  consul 1.0.0\n    requires base ~> 1.0\n    deployed 1.0.0\n"
