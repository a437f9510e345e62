"""A command on an infrastructure: its order, its options, what is refused, and real runs of blocks that need no cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.cli.many import children_environment, place_options, variable_files
from immtf.cli.many_order import neighbour_files
from immtf.cli.options import Options
from immtf.model.environment import Neighbours
from immtf.plan.neighbours import read_neighbours
from tests.unit.cli.infrastructure import make_block, make_infrastructure
from tests.unit.cli.program import environment, immtf_program

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    return make_infrastructure(tmp_path / "infra")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


def dry(infra: Path, env: Mapping[str, str], command: str, *arguments: str) -> list[str]:
    """Return the blocks of a dry run in order."""
    done = immtf_program(command, "infra", "--dry-run", "--output", "json", *arguments, cwd=infra.parent, env=env)
    assert done.returncode == 0, done.stderr
    return [row["block"] for row in json.loads(done.stdout)["rows"]]


@pytest.mark.parametrize(
    ("arguments", "blocks"),
    [
        (("create",), "base consul other service"),
        (("destroy",), "service other consul base"),
        (("create", "--only", "service", "--only", "base"), "base service"),
        (("create", "--from", "consul"), "consul service"),
        (("upgrade", "--until", "consul"), "base consul"),
        (("plan", "--until", "consul"), "base consul"),
        (("destroy", "--from", "consul", "--until", "service"), "service consul"),
    ],
    ids=" ".join,
)
def test_a_dry_run_shows_the_chosen_blocks_in_order_and_reads_nothing(
    infra: Path, bare: dict[str, str], arguments: tuple[str, ...], blocks: str
) -> None:
    assert dry(infra, bare, *arguments) == blocks.split()
    assert not (infra.parent / ".immtf").exists()


@pytest.mark.parametrize("command", ["plan", "upgrade", "destroy", "status"])
def test_a_dry_run_takes_a_producer_that_is_elsewhere_as_the_run_does(tmp_path: Path, bare: dict[str, str], command: str) -> None:
    make_block(tmp_path / "infra", "consul", {"base": "~> 1.0"})
    assert dry(tmp_path / "infra", bare, command) == ["consul"]


@pytest.mark.parametrize("output", ["text", "lines", "json"])
def test_a_dry_run_shows_no_variable_that_is_declared_sensitive(infra: Path, bare: dict[str, str], output: str) -> None:
    """What is on a person's own command line is in no log yet; a dry run's output goes into CI's."""
    make_block(infra, "base", {}, more='variable "password" { sensitive = true }\n')
    arguments = ("--output", output, "--only", "base", "--var", "password=it's a secret", "--var", "word=shown")
    done = immtf_program("create", "infra", "--dry-run", *arguments, cwd=infra.parent, env=bare)
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert "--var=password=•••" in done.stdout
    assert "--var=word=shown" in done.stdout


def test_a_dry_run_for_people_has_each_block_s_command_to_copy(infra: Path, bare: dict[str, str]) -> None:
    done = immtf_program(
        "create", "infra", "--dry-run", "--environment", "e", "--var", "word=x y", "--only", "base", cwd=infra.parent, env=bare
    )
    words = "--yes --environment=e --environments=environments --home=.immtf '--var=word=x y' --output=json --ci=none"
    assert f"base: immtf create infra/base {words}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plan", "infra", "--only", "consol"), "did you mean consul?"),
        (("create", "infra", "--from", "nothing"), "there is no block nothing"),
        (("upgrade", "infra", "--image", "1.0.0"), "--image is for one block"),
        (("create", "infra", "--accept-unmarked", "server/a"), "--accept-unmarked is for one block"),
        (("create", "infra", "--var", "wrod=x", "--dry-run"), "no block declares variable wrod"),
        (("plan", "infra/base", "--from", "base"), "--from is for an infrastructure"),
        (("create", "infra/base", "--until", "base"), "--until is for an infrastructure"),
        (("destroy", "infra/base", "--only", "base"), "--only is for an infrastructure"),
        (("upgrade", "infra/base", "--parallel", "2"), "--parallel is for an infrastructure"),
        (("status", "infra/base", "--dry-run"), "--dry-run is for an infrastructure"),
        (("create", "infra", "--parallel", "0"), "--parallel"),
        (("create", "infra", "--environment", "e"), "there is no terminal to ask at"),
        (("upgrade", "infra", "--yes"), "name an environment"),
        (("create", "infra", "--allow", "tcp:1", "--reason", "x", "--environment", "e", "--yes"), "tcp:1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "-",
)
def test_what_makes_no_sense_is_refused_before_anything(infra: Path, bare: dict[str, str], arguments: tuple[str, ...], told: str) -> None:
    """Nothing is begun."""
    done = immtf_program(*arguments, cwd=infra.parent, env=bare)
    assert done.returncode == 2, done.stderr
    assert told in " ".join(done.stderr.split())
    assert not list(infra.parent.glob(".immtf/environments/*/*/terraform.tfstate"))


def test_no_option_of_the_whole_is_given_to_the_blocks_a_second_time() -> None:
    options = dict.fromkeys(("IMMTF_ONLY", "IMMTF_BLOCK", "IMMTF_OUTPUT", "IMMTF_JUNIT", "IMMTF_YES", "IMMTF_VAR", "IMMTF_FROM_BLOCK"), "x")
    others = {"IMMTF_TERRAFORM": "/t", "IMMTF_INSIDE": "container", "TF_VAR_x": "1", "AWS_PROFILE": "p", "IMMTF_MY_TOKEN": "s"}
    assert children_environment({**options, **others}) == others


def test_the_place_is_the_same_for_each_block_and_a_lab_is_used_as_it_runs() -> None:
    options = Options(
        block=Path("i"), lab=True, lab_name="n", lab_runtime="docker", home=Path("h"), lease_ttl=90, only=("a",), move_limit=60
    )
    assert place_options("create", options) == (
        "--lab",
        "--lab-running",
        "--lab-name=n",
        "--environments=environments",
        "--home=h",
        "--lease-ttl=90",
    )
    assert place_options("upgrade", options)[-1].startswith("--move-limit=")
    assert "--lease-ttl=90" not in place_options("status", options)


def test_variables_go_in_files_that_only_this_user_reads_and_that_are_gone_afterwards(tmp_path: Path) -> None:
    with variable_files(tmp_path / "v", {"base": {"word": "secret"}}) as found:
        path = tmp_path / "v/base.tfvars.json"
        assert found == {"base": f"--var-file={path}"}
        assert path.stat().st_mode & 0o777 == 0o600
        assert json.loads(path.read_text()) == {"word": "secret"}
    assert not path.exists()


def test_what_a_block_s_run_is_told_of_the_others_is_gone_afterwards(tmp_path: Path) -> None:
    with neighbour_files(tmp_path / "n", {"base": Neighbours(("web",))}) as found:
        assert found == {"base": f"--neighbours={tmp_path}/n/base.json"}
        assert read_neighbours(tmp_path / "n/base.json") == Neighbours(("web",))
    assert list(tmp_path.iterdir()) == []


def test_the_whole_ends_as_it_should_where_nobody_can_be_asked(infra: Path, bare: dict[str, str]) -> None:
    done = immtf_program("create", "infra", "--environment", "e", "--output", "json", cwd=infra.parent, env=bare)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events == ["run_started", "blocks_planned", "run_halted", "run_finished"]
