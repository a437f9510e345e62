"""An image's tree as the archive that Docker lays over the lab's base: everything root's, and nothing that would turn the base over."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_LINKED = frozenset({"bin", "sbin", "lib", "lib64"})
"""Links in the base: a directory of this name in a tree means what they lead to, and must not take their place."""


def packed_tree(tree: Path) -> bytes:
    """Pack a directory tree: files, directories and links, with their modes."""
    return _packed(_entries(tree))


def packed_files(files: Mapping[str, bytes], *, mode: int = 0o644) -> bytes:
    """Pack files by their paths below `/`; directories above them are made by whoever unpacks."""
    return _packed((_entry(name, mode, tarfile.REGTYPE), content) for name, content in files.items())


def _packed(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _entries(tree: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for folder, folders, files in os.walk(tree):
        for name in sorted([*folders, *files]):
            path = tree / os.path.relpath(folder, tree) / name
            inside = path.relative_to(tree).as_posix()
            mode = path.lstat().st_mode & 0o7777
            if path.is_symlink():
                entry = _entry(inside, mode, tarfile.SYMTYPE)
                entry.linkname = str(path.readlink())
                yield entry, b""
            elif path.is_file():
                yield _entry(inside, mode, tarfile.REGTYPE), path.read_bytes()
            elif path.is_dir() and inside not in _LINKED:
                yield _entry(inside, mode, tarfile.DIRTYPE), b""


def _entry(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type = mode, kind
    return entry
