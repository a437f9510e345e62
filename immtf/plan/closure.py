"""What a test of a block has to make besides it: the blocks that it needs, directly or not, and nothing else. Pure.

All of it is decided before anything is made: a block that is nowhere, a version outside of a range. Where a previous version of the block
is made first, its needs count too: a producer is made once, so its version has to fit both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.errors import VersionsUnresolved
from immtf.plan.graph import Graph
from immtf.plan.versions import Constraint, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from immtf.model.block import Block


def closure(block: Block, others: Mapping[str, Block], before: Block | None = None) -> tuple[Block, ...]:
    """Return the blocks that a block, and the version of it from before, need of the others, in the order in which they are made.

    Raises `UsageError` where one is nowhere, with who requires it and the nearest name, and for a cycle; `VersionsUnresolved` where a
    version is outside of a range.
    """
    older = [before] if before else []
    whole = replace(block, requires={**block.requires, **{name: text for item in older for name, text in item.requires.items()}})
    known = {**others, block.name: whole}
    reached = _reached(whole, known)
    graph = Graph({name: known[name] for name in reached}, elsewhere=[name for name in known if name not in reached])
    lacks = list(_misfits([block, *older, *(known[name] for name in reached if name != block.name)], known))
    if lacks:
        raise VersionsUnresolved(
            f"what block {block.name} needs doesn't fit: {'; '.join(lacks)}",
            where=str(block.file),
            next="nothing was made; put versions beside each other that fit, or name others with --blocks",
        )
    return tuple(known[name] for name in graph.closure([block.name]) if name != block.name)


def _reached(block: Block, known: Mapping[str, Block]) -> set[str]:
    """Return the names of a block and of all that it needs, as far as they are known."""
    waiting, reached = [block.name], {block.name}
    while waiting:
        for name in known[waiting.pop()].requires:
            if name in known and name not in reached:
                reached.add(name)
                waiting.append(name)
    return reached


def _misfits(blocks: Iterable[Block], known: Mapping[str, Block]) -> Iterator[str]:
    """Tell each version that is outside of a range, with who asks for what."""
    for block in blocks:
        for name, text in sorted(block.requires.items()):
            producer = known[name]
            if not Constraint.parse(text).allows(Version.parse(producer.version)):
                yield f"{block.name} {block.version} requires {name} {text}, and {producer.file.parent} is {name} {producer.version}"
