"""The one rule of what is fetched: the checksum in `pins` decides, nothing else."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from immtf.errors import ToolMissing

if TYPE_CHECKING:
    from pathlib import Path


def check(file: Path, sha256: str, otherwise: str) -> None:
    """Raise `ToolMissing` unless the file has this checksum; `otherwise` says what to think of it."""
    with file.open("rb") as content:
        seen = hashlib.file_digest(content, "sha256").hexdigest()
    if seen != sha256:
        raise ToolMissing(f"{file.name} has the SHA-256 {seen}, not the pinned {sha256}: {otherwise}")


def only_file(directory: Path, pattern: str, maker: str) -> Path:
    """Give the one file that a command was to leave; raises `ToolMissing` where it left none, or several."""
    files = sorted(directory.glob(pattern))
    if len(files) != 1:
        raise ToolMissing(f"{maker} left {len(files)} files of the form {pattern} where one was expected")
    return files[0]
