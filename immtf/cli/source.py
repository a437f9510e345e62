"""Where the previous version of a test-upgrade comes from: an image's version, a directory, or a git revision."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.app.rehearsal import Before
    from immtf.cli.options import Options

GIT = "git:"
GIT_LIMIT_S = 60.0


@contextmanager
def source_of(source: str | None, options: Options) -> Iterator[Before]:
    """Give what `--from` means; a git revision is checked out into a temporary directory for as long.

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
    elif Path(source).is_dir() or "/" in source:
        yield previous_block(load_block(options.block), load_block(Path(source)))
    else:
        yield Before(image=source)


def _check_out(revision: str, block: Path, directory: Path) -> Path:
    """Put the block as it was at a revision, with everything in its repository, into a directory; return the block's place there."""
    place = (block if block.is_dir() else block.parent).resolve()
    top = Path(_git(place, "rev-parse", "--show-toplevel").strip())
    archive = directory / "tree.tar"
    _git(place, "archive", "--format=tar", f"--output={archive}", revision, where=top)
    tree = directory / "tree"
    tree.mkdir()
    import tarfile

    with tarfile.open(archive) as tar:
        tar.extractall(tree, filter="data")
    found = tree / place.relative_to(top)
    if not found.is_dir():
        raise UsageError(f"revision {revision} has no {place.relative_to(top)}", where=str(top), next="name a revision that has the block")
    return found


def _git(place: Path, *arguments: str, where: Path | None = None) -> str:
    import os

    from immtf.adapters.process import Command, capture

    command = Command(argv=("git", *arguments), cwd=where or place, environment=os.environ, limit_s=GIT_LIMIT_S)
    done = capture(command)
    if done.exit_code != 0:
        raise UsageError(f"git {arguments[0]} failed: {done.stderr.strip()}", where=str(place), next="name a revision: --from git:v1.0.0")
    return done.stdout
