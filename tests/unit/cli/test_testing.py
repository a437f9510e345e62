"""`test-create` and `test-upgrade` before there is any environment: what they would make, and everything that can be wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from immtf.adapters import tether
from immtf.app.target import Target
from immtf.cli.options import Options
from immtf.cli.orphans import RECORD, is_kept, refuse_of_a_test, with_test_tags
from immtf.cli.testing import ground_of, leading_to
from immtf.errors import UsageError
from immtf.plan.config import load_block
from immtf.plan.reaping import new_record, record_text, tags_of
from tests.unit.cli.program import immtf_program, make_tiny

NAME = "t-0123abcd"


def block(place: Path, name: str, version: str = "1.0.0", **requires: str) -> Path:
    """Make a block's directory that only has its file and a little Terraform."""
    made = make_tiny(place / name)
    wants = "".join(f"  {other}: '{text}'\n" for other, text in requires.items())
    (made / "immtf.yaml").write_text(f"block: {name}\nversion: {version}\nterraform: .\n" + (f"requires:\n{wants}" if wants else ""))
    return made


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """Three blocks, of which the last needs the others."""
    block(tmp_path / "blocks", "base")
    block(tmp_path / "blocks", "net", base="~> 1.0")
    return block(tmp_path / "blocks", "service", net="~> 1.0")


def test_what_is_needed_is_found_beside_the_block_or_where_it_is_said(blocks: Path, tmp_path: Path) -> None:
    assert [item.name for item in ground_of(Options(block=blocks)).producers] == ["base", "net"]
    assert ground_of(Options(block=blocks.parent / "base", blocks=tmp_path / "nowhere")).producers == (), (
        "nothing is needed, nothing is read"
    )
    moved = blocks.rename(tmp_path / "service")
    assert [item.name for item in ground_of(Options(block=moved, blocks=tmp_path / "blocks")).producers] == ["base", "net"]


def test_what_the_version_before_needs_is_made_too(blocks: Path) -> None:
    """F45."""
    before = load_block(blocks)
    (blocks / "immtf.yaml").write_text("block: service\nversion: 1.1.0\nterraform: .\n")
    assert [item.name for item in ground_of(Options(block=blocks), before).producers] == ["base", "net"]
    assert ground_of(Options(block=blocks)).producers == ()


def test_other_commands_are_led_to_the_test_s_own_place() -> None:
    place = Path("/h")
    options = Options(block=Path("/b"), environment="staging", home=place, lab=True)
    target = Target(cloud="lab", environment=NAME, is_test=True, home=place, process={})
    led = leading_to(target, options)
    assert {"--lab", "--lab-running", f"--lab-name={NAME}", "--environment=staging", "--home=/h"} <= set(led)
    aws = replace(target, cloud="aws")
    assert f"--environment={NAME}" in leading_to(aws, replace(options, lab=False))


@pytest.mark.parametrize("cloud", ["aws", "lab"])
def test_whatever_works_in_a_test_s_environment_makes_things_with_its_tags(tmp_path: Path, cloud: str) -> None:
    """F43: by the record, whoever wrote it."""
    target = Target(cloud=cloud, environment=NAME, is_test=True, home=tmp_path, process={})
    assert with_test_tags(target).tags == {}
    record = new_record(NAME, (), at=0, life=60)
    directory = tmp_path / ("labs" if cloud == "lab" else "environments") / NAME
    directory.mkdir(parents=True)
    (directory / RECORD).write_text(record_text(record))
    assert with_test_tags(target).tags == tags_of(record)
    assert not is_kept(directory)
    (directory / RECORD).write_text("{")
    assert with_test_tags(target).tags == {}


@pytest.mark.parametrize("cloud", ["aws", "lab"])
def test_nothing_else_is_made_where_a_test_is_at_work(tmp_path: Path, cloud: str) -> None:
    """F44: it would bear the test's end in its tags, and go with the test's environment."""
    directory = tmp_path / ("labs" if cloud == "lab" else "environments") / "mine"
    directory.mkdir(parents=True)
    target = Target(cloud=cloud, environment="mine", is_test=True, home=tmp_path, process={})
    refuse_of_a_test(target)
    (directory / RECORD).write_text(record_text(new_record("mine", (), at=0, life=60)))
    with pytest.raises(UsageError, match="a test has the environment mine until 1970-01-01T00:01:00Z"):
        refuse_of_a_test(target)
    directory.rename(directory.with_name(NAME))
    refuse_of_a_test(replace(target, environment=NAME))


def test_create_is_kept_out_of_a_running_test_unless_it_works_for_it(blocks: Path, tmp_path: Path, env: dict[str, str]) -> None:
    base = blocks.parent / "base"
    assert immtf_program("create", str(base), "--yes", "--environment", "mine", cwd=tmp_path, env=env).returncode == 0
    file = tmp_path / ".immtf/environments/mine" / RECORD
    file.write_text(record_text(new_record("mine", (), at=0, life=60)))
    refused = immtf_program("create", str(base), "--yes", "--environment", "mine", cwd=tmp_path, env=env)
    assert (refused.returncode, "a test has the environment mine" in refused.stderr) == (2, True), refused.stderr
    with tether.held(tmp_path / "tether") as held:
        child = immtf_program("create", str(base), "--yes", "--environment", "mine", cwd=tmp_path, env={**env, tether.VARIABLE: str(held)})
    assert child.returncode == 0, child.stderr


def test_a_variable_goes_to_the_blocks_that_declare_it(blocks: Path, tmp_path: Path) -> None:
    (blocks.parent / "base/more.tf").write_text('variable "size" {}\n')
    (blocks / "main.tf").write_text('variable "own" {}\n')
    ground = ground_of(Options(block=blocks, variables=("size=20", "own=x", 'word="w"')))
    with ground.variables(tmp_path / "v") as files:
        given = {name: json.loads(Path(word.removeprefix("--var-file=")).read_text()) for name, word in files.items()}
    assert given == {"base": {"size": 20, "word": "w"}, "net": {"word": "w"}}
    assert not (tmp_path / "v").exists()
    with pytest.raises(UsageError, match="no block declares variable sise"):
        ground_of(Options(block=blocks, variables=("sise=20",)))


def test_a_variable_that_only_the_version_before_declares_is_one(blocks: Path) -> None:
    before = load_block(blocks)
    (blocks / "immtf.yaml").write_text("block: service\nversion: 1.1.0\nterraform: now\n")
    (blocks / "now").mkdir()
    (blocks / "now/main.tf").touch()
    assert ground_of(Options(block=blocks, variables=("word=w",)), before).producers != ()


@pytest.mark.parametrize(
    ("change", "arguments", "code", "what"),
    [
        (("net", "base: '~> 1.0'", "bsae: '~> 1.0'"), (), 2, "block net requires bsae, and there is no such block"),
        (("base", "version: 1.0.0", "version: 2.0.0"), (), 30, "net 1.0.0 requires base ~> 1.0, and"),
        (("base", "version: 1.0.0", "version: 1.0.0"), ("--ttl", "soon"), 2, "'soon' is no time to live"),
    ],
    ids=["unknown", "range", "ttl"],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    blocks: Path, tmp_path: Path, change: tuple[str, str, str], arguments: tuple[str, ...], code: int, what: str
) -> None:
    """F45."""
    name, old, new = change
    file = blocks.parent / name / "immtf.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    ended = immtf_program("test-create", str(blocks), "--yes", "--lab", *arguments, cwd=tmp_path)
    assert ended.returncode == code
    assert what in ended.stderr
    assert not (tmp_path / ".immtf").exists()
