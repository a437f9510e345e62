"""Archives are unpacked as they are, and nothing of a hostile one lands outside."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.archive import unpack

if TYPE_CHECKING:
    from pathlib import Path


def packed(*members: tuple[str, bytes, bytes | str, int]) -> io.BytesIO:
    """Make an archive of members: name, kind, content of a file or target of a link, mode."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, kind, content, mode in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = kind, mode
            if isinstance(content, str):
                entry.linkname = content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    made.seek(0)
    return made


def test_files_directories_and_links_are_unpacked(tmp_path: Path) -> None:
    unpack(
        packed(
            ("./block", tarfile.DIRTYPE, b"", 0o700),
            ("./block/main.tf", tarfile.REGTYPE, b"one", 0o600),
            ("./block/run", tarfile.REGTYPE, b"two", 0o4755),
            ("./block/also", tarfile.LNKTYPE, "./block/main.tf", 0o644),
            ("./block/there", tarfile.SYMTYPE, "main.tf", 0o777),
            ("deep/er/file", tarfile.REGTYPE, b"three", 0o644),
        ),
        tmp_path / "new",
    )
    block = tmp_path / "new/block"
    assert [(block / name).read_text() for name in ("main.tf", "run", "also", "there")] == ["one", "two", "one", "one"]
    assert [(block / name).stat().st_mode & 0o7777 for name in ("main.tf", "run")] == [0o644, 0o755]
    assert (block / "there").is_symlink()
    assert (tmp_path / "new/deep/er/file").read_text() == "three"


HOSTILE = {
    "above": [("../out", tarfile.REGTYPE, b"x", 0o644)],
    "absolute": [("/etc/immtf-out", tarfile.REGTYPE, b"x", 0o644)],
    "link out": [("link", tarfile.SYMTYPE, "../../out", 0o777)],
    "absolute link": [("link", tarfile.SYMTYPE, "/etc", 0o777)],
    "device": [("device", tarfile.CHRTYPE, b"", 0o644)],
    "pipe": [("pipe", tarfile.FIFOTYPE, b"", 0o644)],
    "link to nothing": [("link", tarfile.LNKTYPE, "nothing", 0o644)],
    "links without an end": [("a", tarfile.SYMTYPE, "a", 0o777), ("a/b", tarfile.REGTYPE, b"x", 0o644)],
    "through a link": [("a", tarfile.SYMTYPE, ".", 0o777), ("a/../../out", tarfile.REGTYPE, b"x", 0o644)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=list(HOSTILE))
def test_nothing_lands_outside(members: list[tuple[str, bytes, bytes | str, int]], tmp_path: Path) -> None:
    with pytest.raises(tarfile.TarError):
        unpack(packed(*members), tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tarfile.TarError):
        unpack(io.BytesIO(b"no archive at all"), tmp_path)
