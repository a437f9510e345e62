"""Files that others read: written whole or not at all, and a line or a page put behind what is there.

A reader never sees half a file: it is written beside its place and renamed into it. It gets the rights of any new file, for
what picks it up in CI is often another user. What can't be written is `ImmtfError`, with what to do.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Make this text the file's content, at once; directories that lack are made. A link stays one, its target is replaced.

    Raises `UsageError` where something other than a file is in the way, `ImmtfError` where the file can't be written.
    """
    if path.exists() and not path.is_file():
        raise UsageError("is no file, so nothing can be written to it", where=str(path), next="name a file")
    try:
        place = path.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
        try:
            _write(draft, text)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _told(error, path) from error


def append_to_file(path: Path, text: str) -> None:
    """Put the text behind what the file holds. Raises `ImmtfError` where that can't be done."""
    try:
        with path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise _told(error, path) from error


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with contextlib.closing(os.fdopen(descriptor, "wb")) as file:
        file.write(text.encode("utf-8", "replace"))


def _told(error: OSError, path: Path) -> ImmtfError:
    at = f" ({error.filename})" if error.filename and str(error.filename) != str(path) else ""
    return ImmtfError(f"can't be written: {error.strerror}{at}", where=str(path), next="let this user write there, or name another file")
