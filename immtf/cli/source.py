"""Where the previous version of a test-upgrade comes from: an image's version, a directory, a git revision, or a container image.

- `--from 1.0.0`, `--from ami-…`: this block, with that image of machines
- `--from ./before`: the block in a directory (anything that is one, or that has a slash and is no image's name)
- `--from git:v1.0.0`: the block as it was at a revision of its repository
- `--from image:consul-block:1.0.0`: the block's own container image, which makes it itself
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import rich_click as click

from immtf.errors import UsageError, VersionsUnresolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.app.rehearsal import Before
    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.container import ContainerImage
    from immtf.run.ports import Containers

GIT = "git:"
IMAGE = "image:"
GIT_LIMIT_S = 60.0


@contextmanager
def source_of(source: str | None, options: Options) -> Iterator[Before]:
    """Give what `--from` means; what is taken out of a revision or an image is in a temporary directory for as long.

    Another version of the block is read and compared with this one here, before there is any environment to create it in.
    """
    from immtf.app.rehearsal import Before, previous_block
    from immtf.plan.config import load_block

    if source is None:
        yield Before()
    elif source.startswith(GIT):
        with tempfile.TemporaryDirectory(prefix="immtf-") as directory:
            old = load_block(_check_out(source.removeprefix(GIT), options.block, Path(directory)))
            yield previous_block(load_block(options.block), old)
    elif source.startswith(IMAGE):
        with _container(source.removeprefix(IMAGE), options) as before:
            yield before
    elif Path(source).is_dir() or ("/" in source and not _looks_like_image(source)):
        yield previous_block(load_block(options.block), load_block(Path(source)))
    elif _looks_like_image(source):
        what = f"{source!r} is no version and no directory"
        raise UsageError(what, where="--from", next=f"for a container image: --from {IMAGE}{source}")
    else:
        yield Before(image=source)


def _looks_like_image(source: str) -> bool:
    """Return whether a text is rather the name of a container image: it has a tag or a digest, which no version has and few paths do."""
    from immtf.plan.previous import is_reference

    return not source.startswith((".", "/", "~")) and is_reference(source) and (":" in source.rpartition("/")[2] or "@" in source)


@contextmanager
def _container(reference: str, options: Options) -> Iterator[Before]:
    from immtf.adapters.docker import DockerEngine, connect
    from immtf.app.previous import sweep
    from immtf.plan.config import load_block
    from immtf.plan.previous import is_reference

    if not is_reference(reference):
        raise UsageError(f"{reference!r} can't be the name of an image", where="--from", next=f"name one: --from {IMAGE}consul-block:1.0.0")
    block = load_block(options.block)
    with DockerEngine(connect(os.environ)) as engine, tempfile.TemporaryDirectory(prefix="immtf-") as directory:
        sweep(engine, options.home, lambda text: click.echo(text, err=True))
        image = engine.image(reference, progress=lambda text: click.echo(text, err=True))
        yield container_source(engine, image, block, Path(directory) / "image")


def container_source(containers: Containers, image: ContainerImage, block: Block, into: Path) -> Before:
    """Return the previous version that is in an image; its block is copied to `into`, and compared with this one."""
    from immtf.app.previous import PreviousContainer
    from immtf.app.rehearsal import previous_block
    from immtf.model.container import VERSION
    from immtf.plan.config import load_block

    name = image.reference
    if not image.directory:
        raise UsageError("this image holds no block", where=name, next="make a block's own image with `immtf image block DIR`")
    place = PurePosixPath(image.directory)
    if not place.is_absolute() or not place.is_relative_to(image.root) or ".." in place.parts:
        what = f"this image says that its block is at {place}, in {image.root}"
        raise UsageError(what, where=name, next="its paths must be absolute, one in the other")
    containers.read(image, image.root, into)
    old = load_block(into / place.relative_to(image.root))
    told = image.labels.get(VERSION, old.version)
    if told != old.version:
        what = f"its label says version {told}, and the block in it is {old.version}"
        raise VersionsUnresolved(what, where=name, next="build it anew: `immtf image block DIR`")
    return replace(previous_block(block, old), container=PreviousContainer(containers, image, old))


def _check_out(revision: str, block: Path, directory: Path) -> Path:
    """Put the block as it was at a revision, with everything in its repository, into a directory; return the block's place there."""
    if revision.startswith("-"):  # git would take it for an option
        raise UsageError(f"{revision!r} is no revision", where="--from", next="name a revision: --from git:v1.0.0")
    place = (block if block.is_dir() else block.parent).resolve()
    top = Path(_git(place, "rev-parse", "--show-toplevel").strip())
    archive = directory / "tree.tar"
    _git(place, "archive", "--format=tar", f"--output={archive}", revision, where=top)
    tree = directory / "tree"
    tree.mkdir()
    import tarfile

    from immtf.adapters.archive import unpack

    try:
        with archive.open("rb") as packed:
            unpack(packed, tree)
    except tarfile.TarError as error:
        raise UsageError(
            f"revision {revision} can't be unpacked: {error}", where=str(top), next="check it out yourself: --from DIR"
        ) from error
    found = tree / place.relative_to(top)
    if not found.is_dir():
        raise UsageError(f"revision {revision} has no {place.relative_to(top)}", where=str(top), next="name a revision that has the block")
    return found


def _git(place: Path, *arguments: str, where: Path | None = None) -> str:
    from immtf.adapters.process import Command, capture

    command = Command(argv=("git", *arguments), cwd=where or place, environment=os.environ, limit_s=GIT_LIMIT_S)
    done = capture(command)
    if done.exit_code != 0:
        raise UsageError(f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(place), next="name a revision: --from git:v1.0.0")
    return done.stdout
