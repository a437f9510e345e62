"""The blocks of a lock as directories to run in.

Each runs from a copy below `<home>/blocks/<name>/<version>-<digest>/tree`, so that what runs is what was compared, whatever happens to its
place meanwhile. What is at a git commit or in an image is unpacked whole, for a block may refer to modules beside it; of a directory all
comes along that its digest is of. A copy is made beside its place and moved there, so that a run that is killed leaves no half of it;
beside the tree stands its digest, by which a copy that was changed is seen.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tarfile
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from immtf.adapters.archive import unpack
from immtf.adapters.published.git import Repository
from immtf.adapters.published.trees import content_digest, copied, copy_pins
from immtf.errors import ImmtfError, UsageError
from immtf.plan.lockfile import AGAIN, read_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.block import Block
    from immtf.model.published import Place, Published
    from immtf.run.ports import Containers

    Open = Callable[[], AbstractContextManager[Containers]]

_SHORT = 12  # characters of a digest that name a directory
_CONTENT, _TREE, _PATH = "content", "tree", "path"


def blocks_of(
    lock: Path, home: Path, *, say: Callable[[str], None] = lambda _text: None, containers: Open | None = None
) -> dict[str, Block]:
    """Return the blocks of a lock file by name, in the order of names; what isn't there yet is copied or unpacked below `home`.

    `containers` opens the engine where an image is needed. Raises `UsageError` where the lock can't be used, or a block's content is not
    what was locked; `ImmtfError` where that can't be had.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the lock file can't be read: {why}", where=str(lock), next=AGAIN) from None
    make = _Materials(lock, home, say, containers or _engine)
    return {name: make.block(one) for name, one in read_lock(text, str(lock)).blocks.items()}


def _engine() -> AbstractContextManager[Containers]:
    from immtf.adapters.docker import DockerEngine, connect

    return DockerEngine(connect(os.environ))


class _Materials:
    """Makes directories of the blocks of one lock."""

    def __init__(self, lock: Path, home: Path, say: Callable[[str], None], containers: Open) -> None:
        self._lock = lock
        self._home = home
        self._say = say
        self._containers = containers

    def block(self, one: Published) -> Block:
        """Return a block of the lock."""
        from immtf.plan.config import load_block

        source = self._in_place(one) if one.place.kind == "directory" else None
        kept = self._home.resolve() / "blocks" / one.name / f"{one.version}-{one.digest.partition(':')[2][:_SHORT]}"
        if not kept.is_dir():
            self._say(f"{'copying' if source else 'unpacking'} {one.name} {one.version} from {one.place}")
            self._make(one, kept)
        block = _same(load_block(kept / _TREE / (kept / _PATH).read_text()), one)
        if content_digest(block) != (kept / _CONTENT).read_text():
            raise UsageError(
                f"this copy of {one.name} {one.version} was changed",
                where=str(kept),
                next=f"move it away: it is made anew from {one.place}",
            )
        if source is not None:
            copy_pins(source, block)
        return block

    def _in_place(self, one: Published) -> Block:
        """Return the block in its directory, where that is still what was locked."""
        from immtf.plan.config import load_block

        place = self._lock.parent / one.place.where
        block = _same(load_block(place), one)
        _refuse_drift(one, content_digest(block), str(place))
        return block

    def _make(self, one: Published, kept: Path) -> None:
        from immtf.plan.config import load_block

        draft = kept.with_name(f".{kept.name}.{secrets.token_hex(4)}")
        try:
            draft.mkdir(parents=True)
            path = self._unpack(one, draft)
            digest = content_digest(_same(load_block(draft / _TREE / path), one))
            if one.place.kind == "directory":  # it may have been changed while it was copied
                _refuse_drift(one, digest, one.place.where)
            (draft / _PATH).write_text(path)
            (draft / _CONTENT).write_text(digest)
            with suppress(FileExistsError):  # another run was faster
                draft.rename(kept)
        except OSError as error:
            raise ImmtfError(f"{one.place} can't be copied: {error.strerror}", where=str(error.filename or kept.parent)) from error
        except tarfile.TarError as error:
            raise ImmtfError(f"{one.name} {one.version} can't be unpacked: {error}", where=str(one.place)) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _unpack(self, one: Published, draft: Path) -> str:
        """Copy or unpack the content and return the block's directory in it."""
        if one.place.kind == "directory":
            return copied(self._in_place(one), draft / _TREE)
        if one.place.kind == "git":
            return self._from_git(one, draft)
        return self._from_image(one, draft)

    def _from_git(self, one: Published, draft: Path) -> str:
        commit = one.digest.partition(":")[2]
        repository = Repository(str(self._lock.parent / one.place.where), os.environ)
        archive = draft / "tree.tar"
        try:
            repository.write(archive, "archive", "--format=tar", commit)
        except ImmtfError as error:
            way = f"`git fetch --tags` in {repository.directory} may bring the commit; or {AGAIN}"
            raise ImmtfError(f"{one.name} {one.version} is not to be had: {error.what}", where=str(one.place), next=way) from None
        with archive.open("rb") as packed:
            unpack(packed, draft / _TREE)
        archive.unlink()
        return one.place.path

    def _from_image(self, one: Published, draft: Path) -> str:
        reference = f"{one.place.where}@{one.digest}" if one.place.kind == "registry" else f"{one.place.where}:{one.place.revision}"
        with self._containers() as containers:
            image = containers.image(reference, progress=self._say)
            if one.place.kind == "image" and image.image_id != one.digest:
                what = f"is another image than the one that was locked ({image.image_id[7:19]}, locked {one.digest[7:19]})"
                raise UsageError(what, where=reference, next=f"give {one.name} a new version and {AGAIN}")
            place, root = PurePosixPath(image.directory), PurePosixPath(image.root)
            if not place.is_absolute() or not place.is_relative_to(root) or ".." in place.parts:
                raise ImmtfError("its labels don't say where in it the block is", where=reference, next="build it with `immtf image block`")
            containers.read(image, image.root, draft / _TREE)
        return str(place.relative_to(root))


def _refuse_drift(one: Published, found: str, where: str) -> None:
    if found != one.digest:
        what = f"{one.name} {one.version} was changed since it was locked ({found[7:19]}, locked {one.digest[7:19]})"
        raise UsageError(what, where=where, next=f"give it a new version and {AGAIN}; or take the change back")


def _same(block: Block, one: Published) -> Block:
    """Return the block where it is the one that was locked."""
    if (block.name, block.version) != (one.name, one.version):
        what = f"the lock has {one.name} {one.version}, and here is {block.name} {block.version}"
        raise UsageError(what, where=str(block.file), next=AGAIN)
    return block


def placed(place: Place, lock: Path) -> Place:
    """Return a place as it stands in a lock file: relative paths are meant from the file's directory on."""
    if place.kind not in {"directory", "git"} or Path(place.where).is_absolute():
        return place
    return replace(place, where=os.path.relpath(place.where, lock.resolve().parent))
