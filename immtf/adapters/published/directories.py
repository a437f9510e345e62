"""Blocks in a directory and below it, at most three directories deep: `<block>/<version>/immtf.yaml`, `<block>/immtf.yaml`, any mixture.

What is below a block's own directory is the block's, and not looked through; neither are hidden directories.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.published.found import Found, said, sorted_out
from immtf.errors import UsageError
from immtf.model.published import Place, Published, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH = 3
_FILE = "immtf.yaml"
_NEARLY = ("immtf.yml", "immtf.json")


def in_directory(place: Place) -> Found:
    """Return the blocks in a directory. Raises `UsageError` where there is no such directory."""
    top = Path(place.where)
    if not top.is_dir():
        what = "is a file, and no place where blocks are published" if top.exists() else "there is no such directory"
        raise UsageError(what, where=place.where, next="name a directory of blocks, git:DIR, image:NAME or registry:HOST/NAME")
    found = sorted_out(_below(top, DEPTH))
    return found if not found.is_empty else Found(remark=f"no block in {place.where}, nor in directories below it, {DEPTH} deep")


def _below(directory: Path, depth: int) -> Iterator[Published | Unread]:
    try:
        if any((directory / name).exists() for name in (_FILE, *_NEARLY)):
            yield _block(directory)
            return
        inside = sorted(path for path in directory.iterdir() if not path.name.startswith(".") and path.is_dir()) if depth else []
    except OSError as error:
        yield Unread(str(directory), f"can't be looked through: {error.strerror}")
        return
    for path in inside:
        yield from _below(path, depth - 1)


def _block(directory: Path) -> Published | Unread:
    from immtf.plan.config import load_block

    try:
        block = load_block(directory)
    except UsageError as error:
        return Unread(str(directory / _FILE), said(error))
    return Published(block.name, block.version, dict(block.requires), Place("directory", str(directory)))
