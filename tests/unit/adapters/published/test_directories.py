from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.published import look
from immtf.errors import UsageError
from immtf.model.published import Place
from tests.fakes.publishing import write_block

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.adapters.published import Found


def looked(directory: Path) -> Found:
    return look(Place("directory", str(directory)), {})


def test_blocks_are_found_three_directories_deep(tmp_path: Path) -> None:
    write_block(tmp_path / "base", "base 1.0.0")
    write_block(tmp_path / "consul/1.0.0", "consul 1.0.0", {"base": "~> 1.0"})
    write_block(tmp_path / "consul/1.1.0", "consul 1.1.0")
    write_block(tmp_path / "a/b/c", "deep 1.0.0")
    write_block(tmp_path / "a/b/c4/d", "deeper 1.0.0")
    write_block(tmp_path / ".hidden", "hidden 1.0.0")
    write_block(tmp_path / "base/examples/x", "example 1.0.0")
    found = looked(tmp_path)
    assert [(one.name, one.version) for one in found.published] == [
        ("deep", "1.0.0"),
        ("base", "1.0.0"),
        ("consul", "1.0.0"),
        ("consul", "1.1.0"),
    ]
    assert found.published[2].requires == {"base": "~> 1.0"}
    assert found.published[2].place == Place("directory", str(tmp_path / "consul/1.0.0"))
    assert (found.unread, found.remark) == ((), "")


def test_a_block_itself_is_a_place(tmp_path: Path) -> None:
    assert [one.name for one in looked(write_block(tmp_path / "base", "base 1.0.0")).published] == ["base"]


def test_files_that_cannot_be_read_are_told_with_their_place(tmp_path: Path) -> None:
    """A published file that can't be read is never silently ignored."""
    write_block(tmp_path / "bad", "base banana")
    (write_block(tmp_path / "near", "base 1.0.0") / "immtf.yaml").rename(tmp_path / "near/immtf.yml")
    shut = write_block(tmp_path / "empty", "base 1.0.0")
    (shut / "main.tf").unlink()
    told = {one.where.removeprefix(f"{tmp_path}/"): one.what for one in looked(tmp_path).unread}
    assert told == {
        "bad/immtf.yaml": "line 2: version: `banana` is not a version",
        "near/immtf.yaml": "there is no file immtf.yaml",
        "empty/immtf.yaml": "line 1: terraform: the directory `.` holds no Terraform files",
    }


def test_a_directory_that_leads_to_itself_ends(tmp_path: Path) -> None:
    write_block(tmp_path / "base", "base 1.0.0")
    (tmp_path / "again").symlink_to(tmp_path)
    assert {one.name for one in looked(tmp_path).published} == {"base"}
    (tmp_path / "round").symlink_to("round")
    assert {one.name for one in looked(tmp_path).published} == {"base"}


def test_nothing_there_is_said(tmp_path: Path) -> None:
    assert "3 deep" in looked(tmp_path).remark


@pytest.mark.parametrize(("name", "told"), [("nowhere", "no such directory"), ("file", "is a file")])
def test_a_place_that_is_none(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=told):
        looked(tmp_path / name)
