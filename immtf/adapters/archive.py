"""Unpacking a tar archive that somebody else made: nothing of it lands outside the directory it is unpacked into.

Python's own filters for this came with 3.11.4, and Debian 12 has 3.11.2. Files, directories and links are unpacked, owners and times are
not: an archive's files are this user's.
"""

from __future__ import annotations

import shutil
import tarfile
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RUNNABLE, PLAIN = 0o755, 0o644


def unpack(archive: IO[bytes], into: Path) -> None:
    """Unpack a tar archive into a directory, which is made where it isn't there.

    A member that would land outside of it, that is a device or a pipe, or is broken: `tarfile.TarError`; what came before stays.
    """
    into.mkdir(parents=True, exist_ok=True)
    root = into.resolve()
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            _unpack_one(tar, member, root)


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    place = _inside(root, root / member.name, member)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        _inside(root, place.parent / member.linkname, member)
        place.symlink_to(member.linkname)
    elif (content := _content(tar, member)) is not None:
        with content, place.open("wb") as file:
            shutil.copyfileobj(content, file)
        place.chmod(RUNNABLE if member.mode & 0o100 else PLAIN)
    else:
        raise tarfile.ExtractError(f"{member.name} is neither a file, a directory nor a link")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """Return the content of a file; that of a hard link is the other member's, which must be there."""
    try:
        return tar.extractfile(member) if member.isfile() or member.islnk() else None
    except KeyError as error:
        raise tarfile.ExtractError(f"{member.name} is linked to {member.linkname}, which is not there") from error


def _inside(root: Path, place: Path, member: tarfile.TarInfo) -> Path:
    """Return the place, when it is in the directory also where links on the way are followed."""
    try:
        inside = place.resolve().is_relative_to(root)
    except (OSError, RuntimeError) as error:  # links that lead to one another; which of the two says Python's version
        raise tarfile.ExtractError(f"{member.name} lies behind links that have no end") from error
    if not inside:
        raise tarfile.ExtractError(f"{member.name} would land outside the directory")
    return place
