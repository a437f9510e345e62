"""The order of an upgrade over many blocks: after every step each deployed block accepts what it requires, as far as that is deployed.

Dependency order isn't enough for that. A consumer C of a producer P, both upgraded, is for a moment old beside new, and which of the two
may be old is a matter of two questions: does the new C accept the old P, and does the old C accept the new P?

| new C accepts old P | old C accepts new P | |
|---|---|---|
| yes | no | C goes first |
| no | yes | P goes first |
| yes | yes | P goes first, as in the order of dependencies; what has to be the other way round elsewhere goes before this wish |
| no | no | refused: a version of C in between is needed, that accepts both |

A consumer that isn't deployed has no old version that could refuse anything; a producer that isn't deployed is accepted by nobody, so it
goes first. A consumer that stays as it is has to accept the new producer (`plan.consumers`), and a new consumer what stays as it is
of its producers. What doesn't fit now, before the run, refuses nothing by itself: the run may be what mends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError
from itertools import pairwise
from typing import TYPE_CHECKING

from immtf.plan.checks import may_override
from immtf.plan.consumers import judge_consumer, judge_unknown
from immtf.plan.graph import Graph, in_stages, turned
from immtf.plan.judge import Refusal
from immtf.plan.knots import knots
from immtf.plan.pairs import Pairs, judge_wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.model.block import Block
    from immtf.model.environment import Deployed


@dataclass(frozen=True, slots=True)
class Step:
    """The upgrade, or the creation, of one block: `old` is "" where nothing is deployed or its version isn't known.

    `after` are the steps that have to be done before, by name; any order that keeps to them is safe. `reasons` say why it goes before
    others: who accepts what.
    """

    name: str
    old: str
    new: str
    after: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ordering:
    """Steps in order, and what speaks against carrying them out. There are no steps where a hard rule speaks against it."""

    steps: tuple[Step, ...]
    refusals: tuple[Refusal, ...] = ()


def order_upgrade(deployed: Mapping[str, Deployed], wanted: Mapping[str, Block]) -> Ordering:
    """Put the upgrade of `wanted` in an order, given everything that is `deployed` in the environment, wanted anew or not.

    Raises `UsageError` where the wanted blocks are no graph: one requires what is neither wanted nor deployed, or they need each other.
    """
    graph = Graph(wanted, elsewhere=deployed)
    pairs = Pairs()
    for name in graph.order():
        judge_wanted(name, wanted, deployed, pairs)
    staying = [item for name, item in sorted(deployed.items()) if name not in wanted]
    pairs.refusals += [refusal for item in staying for refusal in judge_consumer(item, wanted, deployed)]
    pairs.refusals += judge_unknown([item for _, item in sorted(deployed.items())], wanted, deployed)
    return _ordered(graph, deployed, pairs)


def _ordered(graph: Graph, deployed: Mapping[str, Deployed], pairs: Pairs) -> Ordering:
    """Put the steps in order: by what must be, then by what is wished where that isn't against it, then by dependencies."""
    if any(not may_override(item.check) for item in pairs.refusals):
        return Ordering((), tuple(pairs.refusals))
    knot = knots(_before(graph, {*pairs.must, *pairs.wish}))
    before = _before(graph, {*pairs.must, *((first, then) for first, then in pairs.wish if knot[first] != knot[then])})
    try:
        order = [name for stage in in_stages(before, graph.position) for name in stage]
    except CycleError as error:
        return Ordering((), (*pairs.refusals, _cyclic(turned(error.args[1])[::-1], pairs.must)))
    reasons: dict[str, list[str]] = {name: [] for name in order}
    place = {name: index for index, name in enumerate(order)}
    for (first, then), reason in sorted({**pairs.wish, **pairs.must}.items()):
        if reason and place[first] < place[then]:
            reasons[first].append(reason)
    made = ((name, graph.blocks[name].version, deployed.get(name)) for name in order)
    steps = [Step(name, old.version if old else "", new, before[name], tuple(reasons[name])) for name, new, old in made]
    return Ordering(tuple(steps), tuple(pairs.refusals))


def _before(graph: Graph, edges: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Return what has to come before each name, given pairs of which the first goes before the second."""
    found: dict[str, list[str]] = {name: [] for name in graph.order()}
    for first, then in sorted(edges):
        found[then].append(first)
    return {name: tuple(before) for name, before in found.items()}


def _cyclic(names: Sequence[str], must: Mapping[tuple[str, str], str]) -> Refusal:
    """Show a cycle in which each block has to go before the next."""
    why = "; ".join(f"{first} {must[first, then]}" for first, then in pairwise(names))
    what = f"can't be put in an order, {' before '.join(names)}: {why}"
    mend = "upgrade in two runs, with a version in between of one of them that accepts the other both as it is and as it is to be"
    return Refusal("upgrade-order", tuple(f"block {name}" for name in names[:-1]), what, mend)
