"""The blocks that an argument means: one block's directory, an infrastructure, which is a directory of blocks, or a lock file of several.

An infrastructure has no `immtf.yaml` of its own; its blocks are its direct subdirectories that have one. Hidden directories are none of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from immtf.errors import UsageError
from immtf.model.lock import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.block import Block

_NEARLY = ("immtf.yml", "immtf.json")  # names that the file is given by mistake: such a block would be left out without a word


def is_infrastructure(path: Path) -> bool:
    """Return whether a path is of several blocks: a directory of them that is no block itself, or a lock file."""
    return is_lock(path) or bool(_block_directories(path))


def is_lock(path: Path) -> bool:
    """Return whether a path is a lock file, by its name: one that isn't there is told as a lock file that lacks."""
    return path.suffix == SUFFIX and not path.is_dir()


def blocks_at(path: Path, home: Path = Path(".immtf"), load: Callable[[Path], Block] | None = None) -> dict[str, Block]:
    """Return the blocks at a path by name, in the order of their names; those of a lock file are unpacked below `home`.

    `load` reads a block's file in the place of `load_block`.

    Raises `UsageError` with everything that is wrong in any of their files, and for a name that two blocks bear. For a lock file:
    `ImmtfError` where the content of a block is not what was locked, or can't be had.
    """
    from immtf.plan.config import load_block

    load = load or load_block
    if is_lock(path):
        import rich_click as click

        from immtf.adapters.published import blocks_of

        return blocks_of(path, home, say=lambda text: click.echo(text, err=True))
    directories = _block_directories(path)
    if not directories:
        block = load(path)
        return {block.name: block}
    blocks, wrong = [], []
    for directory in directories:
        try:
            blocks.append(load(directory))
        except UsageError as error:
            wrong.append(error)
    by_name: dict[str, Block] = {}
    wrong += [_twice(first, block) for block in blocks if (first := by_name.setdefault(block.name, block)) is not block]
    _refuse(wrong, path, len(directories))
    return dict(sorted(by_name.items()))


def _block_directories(path: Path) -> list[Path]:
    """Return the directories of an infrastructure's blocks; none where the path is something else."""
    from immtf.plan.config.load import FILE_NAME

    try:
        if not path.is_dir() or (path / FILE_NAME).exists():
            return []
        inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith(".") and entry.is_dir())
        return [entry for entry in inside if any((entry / name).exists() for name in (FILE_NAME, *_NEARLY))]
    except OSError as error:
        raise UsageError(
            f"the blocks can't be looked for: {error.strerror}", where=str(path), next="name the directory of a block or of several"
        ) from None


def _twice(first: Block, second: Block) -> UsageError:
    return UsageError(
        f"block {first.name} is in {first.file} too", where=str(second.file), next="give one of them another name: states go by it"
    )


def _refuse(wrong: list[UsageError], path: Path, count: int) -> None:
    """Raise what is wrong: a single error as it is, several as one that has them all."""
    if len(wrong) > 1:
        lines = "".join(f"\n{error.where}: {error.what}" for error in wrong)
        ways = "; ".join(dict.fromkeys(error.next for error in wrong))
        raise UsageError(f"{len(wrong)} of the files of {count} blocks can't be used{lines}", where=str(path), next=ways)
    if wrong:
        raise wrong[0]
