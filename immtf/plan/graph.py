"""The graph of an infrastructure: its blocks, and which needs which.

An edge goes from a consumer to each producer that its file requires. A graph that exists is whole: every required block is in it or is
known to be elsewhere (deployed, and no part of this run), and there is no cycle. The order is by stages: a block stands in the stage
after the last of its producers, names are sorted within a stage, so the same blocks always give the same order. Every question is
answered in time linear to what it looks at; an infrastructure has some hundreds of blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from immtf.model.block import Block

_MOST_TOLD = 20  # mistakes of one kind in a message; looking for the nearest of all names takes its time for each


@dataclass(frozen=True)
class Graph:
    """Blocks by name, with what they require of one another; `elsewhere` are blocks that may be required without being here.

    Raises `UsageError` where a block is required that is nowhere, or where blocks need each other in a cycle.
    """

    blocks: Mapping[str, Block]
    elsewhere: Collection[str] = field(default=())

    def __post_init__(self) -> None:
        """Refuse what is no graph."""
        missing = [(name, need) for name in sorted(self.blocks) for need in self._requires(name) if not self._is_known(need)]
        if missing:
            raise _unknown_blocks(missing, self.blocks, self.elsewhere)
        try:
            _ = self._stages
        except CycleError as error:
            raise _cyclic(error.args[1], self.blocks) from None

    def stages(self) -> tuple[tuple[str, ...], ...]:
        """Return the blocks in stages: those of one stage need none of each other, only of the stages before."""
        return self._stages

    def order(self) -> tuple[str, ...]:
        """Return all blocks, each after everything that it needs; read backwards, it is the order to destroy them in."""
        return tuple(self.position)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """The place of each block in the order."""
        return {name: place for place, name in enumerate(name for stage in self._stages for name in stage)}

    def producers(self, name: str) -> tuple[str, ...]:
        """Return the blocks of this graph that one requires itself."""
        return tuple(need for need in self._requires(name) if need in self.blocks)

    def consumers(self, name: str) -> tuple[str, ...]:
        """Return the blocks that require this one themselves."""
        return self._consumers[name]

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return these blocks and everything that they need, directly or not, in order: the least that can be made of them."""
        return self._reached(names, self.producers)

    def dependents(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return these blocks and everything that needs them, directly or not, in order."""
        return self._reached(names, self.consumers)

    @cached_property
    def _stages(self) -> tuple[tuple[str, ...], ...]:
        names = sorted(self.blocks)
        return in_stages({name: self.producers(name) for name in names}, {name: place for place, name in enumerate(names)})

    @cached_property
    def _consumers(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {name: [] for name in self.blocks}
        for name in self.position:
            for need in self.producers(name):
                found[need].append(name)
        return {name: tuple(consumers) for name, consumers in found.items()}

    def _requires(self, name: str) -> tuple[str, ...]:
        return tuple(sorted(self.blocks[name].requires))

    def _is_known(self, name: str) -> bool:
        return name in self.blocks or name in self.elsewhere

    def _reached(self, names: Iterable[str], following: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
        """Return what is reached from these blocks, themselves too, in order."""
        waiting = list(dict.fromkeys(names))
        known(waiting, self.blocks)
        seen = set(waiting)
        while waiting:
            for name in following(waiting.pop()):
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return tuple(sorted(seen, key=self.position.__getitem__))


def chosen(graph: Graph, only: Collection[str] = (), since: str | None = None, until: str | None = None) -> tuple[str, ...]:
    """Return the blocks that a run is to be about, in order: all, where nothing is chosen.

    `only` are just these. `since` is that block and everything that needs it, directly or not; `until` is that block and everything that
    it needs; both together are what lies between: what needs the one and is needed by the other, with both. Raises `UsageError` for a
    name that no block bears, and where nothing lies between.
    """
    if only and (since or until):
        raise UsageError("--only names the blocks itself", where="--only", next="leave --from and --until out, or --only")
    if only:
        known(only, graph.blocks, "--only")
        return tuple(sorted(set(only), key=graph.position.__getitem__))
    after = _reach(graph.dependents, since, graph, "--from")
    before = _reach(graph.closure, until, graph, "--until")
    found = tuple(name for name in graph.order() if name in after and name in before)
    if since and until and not found:
        way = f"--from {until} --until {since}" if since in graph.dependents([until]) else "name two blocks of which one needs the other"
        raise UsageError(f"nothing lies between {since} and {until}: {until} doesn't need {since}", where="--from", next=way)
    return found


def known(names: Iterable[str], blocks: Collection[str], where: str = "") -> None:
    """Raise `UsageError` for the first name that no block bears, with the nearest one."""
    for name in names:
        if name not in blocks:
            there = sorted(blocks)
            listed = ", ".join([*there[:_MOST_TOLD], *(["…"] if len(there) > _MOST_TOLD else [])])
            raise UsageError(f"there is no block {name}", where=where, next=_meant(name, there) or f"those here: {listed}")


def in_stages(before: Mapping[str, Collection[str]], position: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """Return names in stages, each after all those that have to come before it; by position within a stage.

    Raises `graphlib.CycleError` where there is no order.
    """
    sorter = TopologicalSorter(before)
    sorter.prepare()
    stages = []
    while sorter.is_active():
        stage = tuple(sorted(sorter.get_ready(), key=position.__getitem__))
        sorter.done(*stage)
        stages.append(stage)
    return tuple(stages)


def turned(cycle: Sequence[str]) -> tuple[str, ...]:
    """Return a cycle as `CycleError` has it so that it begins, and ends, with its first name, and each needs the next."""
    names = list(reversed(cycle))[:-1]
    first = names.index(min(names))
    return (*names[first:], *names[:first], names[first])


def _reach(reach: Callable[[Iterable[str]], Sequence[str]], name: str | None, graph: Graph, where: str) -> Collection[str]:
    if name is None:
        return graph.blocks
    known([name], graph.blocks, where)
    return set(reach([name]))


def _cyclic(cycle: Sequence[str], blocks: Mapping[str, Block]) -> UsageError:
    names = turned(cycle)
    lines = "".join(f"\n  {_place(blocks[name], need)}: {name} requires {need}" for name, need in pairwise(names))
    what = f"blocks need each other in a cycle: {' -> '.join(names)}{lines}"
    return UsageError(what, next="take one of these out of its file's `requires`")


def _unknown_blocks(missing: Sequence[tuple[str, str]], blocks: Mapping[str, Block], elsewhere: Collection[str]) -> UsageError:
    """Say who requires what isn't there."""
    told = missing[:_MOST_TOLD]
    lines = [(_place(blocks[name], need), f"block {name} requires {need}, and there is no such block") for name, need in told]
    ways = [_meant(need, {*blocks, *elsewhere} - {name}) or f"put block {need} beside the others" for name, need in told]
    if len(missing) == 1:
        return UsageError(lines[0][1], where=lines[0][0], next=ways[0])
    more = [f"{len(missing) - len(told)} more"] if len(missing) > len(told) else []
    what = "".join(f"\n  {line}" for line in [*(f"{file}: {text}; {way}" for (file, text), way in zip(lines, ways, strict=True)), *more])
    return UsageError(f"{len(missing)} times a block is required that isn't there{what}", next="mend `requires` in these files")


def _place(block: Block, need: str) -> str:
    """Return where a block requires another: its file and, where that is known, the line."""
    line = block.lines.get(need)
    return f"{block.file}:{line}" if line else str(block.file)


def _meant(name: str, names: Iterable[str]) -> str:
    """Return the question for the nearest name; "" where none is near."""
    near = get_close_matches(name, sorted(names), n=1)
    return f"did you mean {near[0]}?" if near else ""
