"""What each block of a run waits for, by what the run does: pure, and linear in the blocks and what they require.

- create: a block waits for what it requires.
- destroy: a block waits for what requires it.
- plan and status change nothing: no block waits.
- upgrade: what is deployed decides, see `immtf.plan.transitions`.

A block that is no part of the run passes its waits on: what is needed through it is waited for as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


def waits_for(command: str, requires: Mapping[str, Collection[str]], order: Sequence[str]) -> dict[str, set[str]]:
    """Return for each block of `order` the blocks of it that it waits for. `requires` is free of cycles, and may know more blocks."""
    waits: dict[str, set[str]] = {block: set() for block in order}
    if command not in {"create", "destroy"}:
        return waits
    needed = _needed(requires, frozenset(order))
    for block in order:
        for producer in needed[block]:
            if command == "destroy":
                waits[producer].add(block)
            else:
                waits[block].add(producer)
    return waits


def _needed(requires: Mapping[str, Collection[str]], run: Collection[str]) -> dict[str, frozenset[str]]:
    """Return by block the blocks of this run that it requires, itself or through blocks that are no part of it."""
    found: dict[str, frozenset[str]] = {}
    waiting = list(run)
    while waiting:
        block = waiting[-1]
        unknown = [name for name in requires.get(block, ()) if name not in run and name not in found]
        if unknown:
            waiting += unknown
            continue
        waiting.pop()
        found[block] = frozenset[str]().union(*({name} if name in run else found[name] for name in requires.get(block, ())))
    return found
