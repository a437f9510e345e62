from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.files import append_to_file, replace_file
from immtf.errors import ImmtfError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_whole_and_its_directory_made(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "junit.xml"
    replace_file(path, "one ✓")
    with path.open(encoding="utf-8") as held:
        replace_file(path, "two")
        assert (held.read(), path.read_text()) == ("one ✓", "two"), "who reads the old one reads it to its end"
    assert [entry.name for entry in path.parent.iterdir()] == ["junit.xml"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask, "what picks it up is often another user"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    replace_file(tmp_path / "link", "x")
    assert ((tmp_path / "link").is_symlink(), (tmp_path / "target").read_text()) == (True, "x")


def test_half_a_sign_spoils_nothing(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", "a\udc80b")
    append_to_file(tmp_path / "a", "\udc80c")
    assert (tmp_path / "a").read_text() == "a?b?c"


@pytest.mark.parametrize("place", [".", "/dev/null"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, place: str) -> None:
    with pytest.raises(UsageError, match="is no file"):
        replace_file(tmp_path / place, "x")


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for write in (replace_file, append_to_file):
        with pytest.raises(ImmtfError, match=r"can't be written: (Not a directory|File exists .*/file)"):
            write(tmp_path / "file" / "junit.xml", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_text_is_put_behind_what_is_there(tmp_path: Path) -> None:
    for text in ("a\n", "b\n"):
        append_to_file(tmp_path / "page", text)
    assert (tmp_path / "page").read_text() == "a\nb\n"
