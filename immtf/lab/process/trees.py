"""Copying and removing directory trees that others may be writing to or may have locked down."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

WRITABLE = 0o700


def copy_tree(source: Path, target: Path, *, emptied: Collection[Path] = ()) -> None:
    """Copy a tree as a power cut would leave it: what vanishes while it is copied is left out. `target` appears whole or not at all.

    Links stay links, files are never shared. Links in `emptied` become empty directories: the places where volumes are mounted.
    """
    draft = target.with_name(f".{target.name}.new")
    remove_tree(draft)
    draft.mkdir(parents=True)
    _copy_into(source, draft, frozenset(emptied))
    draft.rename(target)


def _copy_into(source: Path, target: Path, emptied: frozenset[Path]) -> None:
    with os.scandir(source) as entries:
        for entry in entries:
            here, there = source / entry.name, target / entry.name
            with suppress(FileNotFoundError):
                if here in emptied:
                    there.mkdir()
                elif entry.is_symlink():
                    there.symlink_to(here.readlink())
                elif entry.is_dir():
                    there.mkdir()
                    _copy_into(here, there, emptied)
                    shutil.copystat(here, there)
                elif entry.is_file():
                    shutil.copy2(here, there)


def remove_tree(path: Path) -> None:
    """Remove a tree (or a file), also where its directories forbid it; absent is good."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            os.chmod(folder, WRITABLE)  # noqa: PTH101 - os.walk yields strings
    shutil.rmtree(path)
