"""Blocks at the tags of a git repository: `consul/1.2.0`, `consul-1.2.0`, `consul-v1.2.0`, and `v1.2.0` where there is one block.

Each tag's `immtf.yaml` is read out of the repository; nothing is checked out. The version in the file must be the tag's: one that was
tagged and not raised, or the other way round, is told and left out. A tag that is no version's, in a tree without blocks, is none of ours.
What is below a block's own directory is the block's, and not looked through.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from immtf.adapters.published.found import Found, said, sorted_out
from immtf.adapters.published.git import Repository
from immtf.errors import UsageError
from immtf.model.published import Place, Published, Unread
from immtf.plan.tags import meant, tagged
from immtf.plan.versions import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from immtf.model.block import Block

_FILE = "immtf.yaml"


@dataclass(frozen=True, slots=True)
class _There:
    """A block's file at a tag: its directory in the repository, and the block, or what is wrong with it."""

    path: str
    block: Block | None
    problem: str = ""


def in_repository(place: Place, environment: Mapping[str, str]) -> Found:
    """Return the blocks at a repository's tags. Raises `UsageError` where there is no repository."""
    repository = Repository(place.where, environment)
    rows = repository.ask("for-each-ref", "--format=%(refname:strip=2)%00%(objectname)%00%(*objectname)", "refs/tags").splitlines()
    with tempfile.TemporaryDirectory(prefix="immtf-") as scratch:
        trees = _Trees(repository, Path(scratch))
        found = sorted_out(
            _at(replace(place, revision=tag), peeled or commit, trees) for tag, commit, peeled in (row.split("\0") for row in rows)
        )
    if found.is_empty:
        some = f"none of the {len(rows)} tags is of a block" if rows else "it has no tags; a clone may need `git fetch --tags`"
        return Found(remark=f"no block at the tags of {place}: {some}")
    return found


def _at(place: Place, commit: str, trees: _Trees) -> Published | Unread | None:
    """Return what a tag publishes; None where it has nothing to do with blocks."""
    told = tagged(place.revision)
    try:
        there = trees.blocks(commit)
    except UsageError as error:
        return Unread(str(place), error.what) if told else None
    if not there:
        return None
    if told is None:
        names = {one.block.name for one in there if one.block}
        name = meant(place.revision)
        return Unread(str(place), f"`{place.revision}` names block {name} and no version", name) if name in names else None
    return _published(place, commit, told, there)


def _published(place: Place, commit: str, told: tuple[str, str], there: Iterable[_There]) -> Published | Unread:
    name, version = told
    fitting = [one for one in there if not name or (one.block.name == name if one.block else PurePosixPath(one.path).name == name)]
    if len(fitting) != 1:
        paths = ", ".join(one.path for one in fitting)
        which = f"block {name}" if name else "block"
        what = f"has more than one {which}: {paths}" if fitting else f"has no {which}"
        return Unread(str(place), f"{what}; a tag of one is like `consul/1.2.0`" if not name else what, name, version)
    (one,) = fitting
    if one.block is None:
        return Unread(f"{place}:{one.path}/{_FILE}", one.problem, name, version)
    if Version.parse(one.block.version) != Version.parse(version):
        what = f"its tag says version {version}, and {one.path}/{_FILE} {one.block.version}"
        return Unread(str(place), what, one.block.name, version)
    here = replace(place, path=one.path)
    return Published(one.block.name, one.block.version, dict(one.block.requires), here, f"git:{commit}")


class _Trees:
    """The blocks' files of commits; a file that is the same at many tags is read once."""

    def __init__(self, repository: Repository, scratch: Path) -> None:
        self._repository = repository
        self._scratch = scratch
        self._read: dict[str, tuple[Block | None, str]] = {}
        self._listed: dict[str, tuple[_There, ...]] = {}

    def blocks(self, commit: str) -> tuple[_There, ...]:
        """Return the blocks in a commit's tree, by their paths. Raises `UsageError` where it has no tree."""
        if commit not in self._listed:
            rows = self._repository.ask("ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
            files = [(row.partition("\t")[0].split()[2], PurePosixPath(row.partition("\t")[2])) for row in rows if row]
            tops = {path.parent for _, path in files if path.name == _FILE}
            own = [(blob, path.parent) for blob, path in files if path.name == _FILE and tops.isdisjoint(path.parent.parents)]
            found = [(str(directory), *self._block(blob)) for blob, directory in own]
            self._listed[commit] = tuple(_There(path, block, problem) for path, block, problem in sorted(found, key=lambda one: one[0]))
        return self._listed[commit]

    def _block(self, blob: str) -> tuple[Block | None, str]:
        from immtf.plan.config.build import build_block
        from immtf.plan.config.load import BLOCK_FILE, read_checked

        if blob not in self._read:
            file = self._scratch / blob / _FILE
            file.parent.mkdir()
            self._repository.write(file, "cat-file", "blob", blob)
            try:  # what it refers to is not beside it here; that is checked when it is run
                self._read[blob] = build_block(read_checked(file, replace(BLOCK_FILE, checks=lambda _data, _file: ())), file), ""
            except UsageError as error:
                self._read[blob] = None, said(error)
        return self._read[blob]
