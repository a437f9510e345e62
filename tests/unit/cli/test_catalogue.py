"""What an argument means: one block, or a directory of blocks, and everything that is wrong with them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.cli.catalogue import blocks_at, is_infrastructure
from immtf.errors import UsageError
from tests.unit.cli.program import make_tiny

if TYPE_CHECKING:
    from pathlib import Path


def make_block(folder: Path, name: str, more: str = "") -> Path:
    return make_tiny(folder, file=f"block: {name}\nversion: 1.0.0\n{more}")


@pytest.fixture
def infrastructure(tmp_path: Path) -> Path:
    make_block(tmp_path / "b", "web")
    make_block(tmp_path / "a", "consul")
    (tmp_path / "modules").mkdir()
    (tmp_path / "README.md").write_text("# all of it\n")
    return tmp_path


def test_a_directory_of_blocks_is_all_its_blocks_by_name(infrastructure: Path) -> None:
    assert list(blocks_at(infrastructure)) == ["consul", "web"]
    assert is_infrastructure(infrastructure)


def test_a_block_is_itself_also_where_directories_in_it_have_a_file(infrastructure: Path) -> None:
    make_block(infrastructure / "a" / "test", "other")
    assert list(blocks_at(infrastructure / "a")) == ["consul"]
    assert list(blocks_at(infrastructure / "a" / "immtf.yaml")) == ["consul"]
    assert not is_infrastructure(infrastructure / "a")
    assert not is_infrastructure(infrastructure / "a" / "immtf.yaml")


def test_hidden_directories_and_those_further_down_are_none_of_it(infrastructure: Path) -> None:
    make_block(infrastructure / ".old", "consul")
    make_block(infrastructure / "modules" / "deep", "deep")
    assert list(blocks_at(infrastructure)) == ["consul", "web"]


def test_a_directory_without_any_block_is_told_as_one_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file immtf\.yaml"):
        blocks_at(tmp_path)
    assert not is_infrastructure(tmp_path / "nowhere")


def test_a_name_that_two_blocks_bear_is_refused_with_both_files(infrastructure: Path) -> None:
    make_block(infrastructure / "c", "consul")
    with pytest.raises(UsageError) as refused:
        blocks_at(infrastructure)
    assert refused.value.where == str(infrastructure / "c" / "immtf.yaml")
    assert refused.value.what == f"block consul is in {infrastructure / 'a' / 'immtf.yaml'} too"


def test_the_mistakes_of_all_files_are_told_at_once(infrastructure: Path) -> None:
    make_block(infrastructure / "c", "web", "versoin: 2\n")
    make_block(infrastructure / "d", "consul")
    (infrastructure / "e").mkdir()
    (infrastructure / "e" / "immtf.yml").write_text("block: late\n")
    with pytest.raises(UsageError) as refused:
        blocks_at(infrastructure)
    told = str(refused.value)
    assert told.startswith(f"{infrastructure}: 3 of the files of 5 blocks can't be used\n")
    for word in (f"{infrastructure}/c/immtf.yaml:3:1: versoin", "rename immtf.yml to immtf.yaml", "block consul is in"):
        assert word in told


def test_a_file_with_another_ending_is_not_passed_over(infrastructure: Path) -> None:
    (infrastructure / "b" / "immtf.yaml").rename(infrastructure / "b" / "immtf.yml")
    with pytest.raises(UsageError, match=r"rename immtf\.yml to immtf\.yaml"):
        blocks_at(infrastructure)


def test_a_directory_that_can_not_be_looked_for_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be looked for: File name too long"):
        blocks_at(tmp_path / ("x" * 300))
