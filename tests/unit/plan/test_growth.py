"""No step over a graph grows faster than the graph: counted, not timed.

Every look at a name in a mapping or a set hashes it, every search in a list compares it: names that count both tell what was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.model.drawing import Standing
from immtf.plan.drawing import draw
from immtf.plan.graph import Graph, chosen
from immtf.plan.transitions import order_upgrade
from immtf.report.graph_picture import graph_svg
from immtf.report.graphs import graph_dot, graph_text
from tests.fakes.infrastructure import SHAPES, make_deployed, make_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.block import Block

SMALL, LARGE = 250, 500
ALLOWED = 1.1  # beyond twice: what a graph of twice the size may take, for its rims


class Name(str):
    """A name that counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    def __hash__(self) -> int:
        Name.looks += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        Name.looks += 1
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def parts(shape: str, count: int, version: str = "2") -> dict[str, Block]:
    names = [Name(f"b{number}") for number in range(count)]
    needs = SHAPES[shape](count)
    return {name: make_part(name, version, {names[need]: ">= 1" for need in needs[number]}) for number, name in enumerate(names)}


def ordered(blocks: dict[str, Block]) -> object:
    graph = Graph(blocks)
    return graph.stages(), graph.order(), [graph.consumers(name) for name in blocks]


def reached(blocks: dict[str, Block]) -> object:
    graph, names = Graph(blocks), list(blocks)
    return graph.closure(names[-1:]), graph.dependents(names[:1]), chosen(graph, since=names[0]), chosen(graph, until=names[-1])


def upgraded(blocks: dict[str, Block]) -> object:
    """Every consumer before its producer: the order against that of the dependencies."""
    old = {name: make_part(name, "1", dict.fromkeys(block.requires, "1")) for name, block in blocks.items()}
    steps = order_upgrade(make_deployed(*old.values()), blocks).steps
    assert len(steps) == len(blocks)
    return steps


def refused(blocks: dict[str, Block]) -> object:
    """Every consumer is deployed, no part of the run, and refuses."""
    first = next(iter(blocks))
    deployed = make_deployed(*(make_part(name, "1", dict.fromkeys(block.requires, "1")) for name, block in blocks.items()))
    return order_upgrade(deployed, {first: make_part(first, "2")}).refusals


def drawn(blocks: dict[str, Block]) -> object:
    drawing = draw(Graph(blocks), {name: Standing(is_deployed=True, version="1") for name in blocks})
    return graph_text(drawing), graph_dot(drawing), graph_svg(drawing)


ACTS = [ordered, reached, upgraded, refused, drawn]


def looks(act: Callable[[dict[str, Block]], object], shape: str, count: int) -> int:
    blocks = parts(shape, count)
    Name.looks = 0
    act(blocks)
    return Name.looks


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_twice_the_blocks_take_twice_the_looks(act: Callable[[dict[str, Block]], object], shape: str) -> None:
    small, large = looks(act, shape, SMALL), looks(act, shape, LARGE)
    assert small > SMALL
    assert large <= 2 * ALLOWED * small


def test_the_count_would_see_a_quadratic_step() -> None:
    def slow(blocks: dict[str, Block]) -> object:
        return [[name for name in blocks if name in block.requires] for block in blocks.values()]

    assert looks(slow, "chain", LARGE) > 3 * looks(slow, "chain", SMALL)
