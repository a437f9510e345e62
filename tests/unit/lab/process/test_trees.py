from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.lab.process.trees import copy_tree, remove_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_copy_shares_nothing_and_keeps_links_and_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "etc").mkdir(parents=True)
    (source / "etc/program").write_text("1")
    (source / "etc/program").chmod(0o755)
    (source / "link").symlink_to("etc/program")
    (source / "place").symlink_to("/somewhere")
    copy_tree(source, tmp_path / "copy", emptied=[source / "place"])
    (source / "etc/program").write_text("2")
    assert (tmp_path / "copy/etc/program").read_text() == "1"
    assert (tmp_path / "copy/etc/program").stat().st_mode & 0o777 == 0o755
    assert str((tmp_path / "copy/link").readlink()) == "etc/program"
    assert list((tmp_path / "copy/place").iterdir()) == []


def test_half_a_copy_is_no_copy(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    half = tmp_path / ".copy.new"
    half.mkdir()
    (half / "left").touch()
    copy_tree(tmp_path / "source", tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_what_is_locked_down_is_removed_too(tmp_path: Path) -> None:
    (tmp_path / "tree/locked").mkdir(parents=True)
    (tmp_path / "tree/locked/file").touch()
    (tmp_path / "tree/locked").chmod(0o500)
    remove_tree(tmp_path / "tree")
    remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
