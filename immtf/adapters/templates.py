"""What an image is built from, as files: their digests, and the git commit that they stand in.

What goes into an image is the template's directory without its tests, and beside it the shared files and the pins (`packer/README.md`). A
variable that names a file counts by the file's content, so that the same file in another place makes the same image.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.process import Command, capture
from immtf.errors import ImmtfError, ToolMissing, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BESIDE = ("shared", "pins.json")
_NOT_IN_IT = frozenset({"__pycache__", ".git"})
_TESTS = "tests"  # of the template itself; a directory of that name further down goes into the image
_GIT_S = 60.0
DIRTY = "-dirty"
# Where and how an image is built, and not what it becomes.
PLACE = frozenset(
    {"region", "endpoint", "instance_type", "vpc_id", "subnet_id", "ssh_interface", "instance_profile", "ami_name", "local_image"}
)


def template_files(directory: Path) -> dict[str, str]:
    """Return the digest of each file that goes into an image, by its path and mode. Raises `UsageError` where there is no template."""
    root = directory.resolve()
    if not any(root.glob("*.pkr.hcl")):
        raise UsageError(
            "there is no Packer template (*.pkr.hcl) here", where=str(directory), next="name the image's directory, e.g. packer/consul"
        )
    found = {}
    for place in (root, *(root.parent / name for name in BESIDE)):
        for path in _files(place):
            mode = "x" if os.access(path, os.X_OK) else "-"
            found[f"{path.relative_to(root.parent)} {mode}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def counted_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that change what an image becomes; one that names a file by the file's digest."""
    return {name: _value(value) for name, value in variables.items() if name not in PLACE}


def from_here(variables: Mapping[str, str], here: Path) -> dict[str, str]:
    """Return the variables with paths of files (`./consul`) from this directory on: Packer runs in the template's own."""
    return {name: str(here / value) if os.sep in value and _is_file(here / value) else value for name, value in variables.items()}


def revision(directory: Path, environment: Mapping[str, str], *, allow_dirty: bool) -> str:
    """Return the commit that a template's files stand in, `-dirty` where they differ from it and that is allowed.

    Raises `UsageError` where they differ and it is not, or where there is no git repository and so no revision.
    """
    root = directory.resolve()
    try:
        commit = _git(root, environment, "rev-parse", "--short=12", "HEAD")
    except ImmtfError as error:
        if allow_dirty:
            return "none"
        raise UsageError(
            f"the image's revision can't be told: {error.what}", where=str(directory), next="commit the template, or say --allow-dirty"
        ) from error
    changed = _git(root, environment, "status", "--porcelain", "--", str(root), *(str(root.parent / name) for name in BESIDE))
    if not changed:
        return commit
    if not allow_dirty:
        files = ", ".join(line[3:] for line in changed.splitlines()[:3])
        what = f"files of the template differ from commit {commit}: {files}"
        raise UsageError(what, where=str(directory), next=f"commit them, or say --allow-dirty: the revision is then {commit}{DIRTY}")
    return commit + DIRTY


def _value(value: str) -> str:
    path = Path(value)
    try:
        return f"file {hashlib.sha256(path.read_bytes()).hexdigest()}" if value and _is_file(path) else value
    except OSError:
        return value


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a long text, or one with a NUL, is no path
        return False


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for path in sorted(place.rglob("*")):
        parts = path.relative_to(place).parts
        if path.is_file() and parts[0] != _TESTS and not _NOT_IN_IT.intersection(parts):
            yield path


def _git(directory: Path, environment: Mapping[str, str], *words: str) -> str:
    done = capture(Command(argv=["git", *words], cwd=directory, environment=environment, limit_s=_GIT_S))
    if done.exit_code != 0:
        raise ToolMissing(f"git {words[0]}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.exit_code}")
    return done.stdout.rstrip("\n")
