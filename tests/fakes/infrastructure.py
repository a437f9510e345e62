"""Blocks that need each other, without anything in them; and shapes of whole infrastructures, of any size.

A shape gives for each block, by its number, the numbers of those that it needs.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.model.block import Block
from immtf.model.environment import Deployed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path("/blocks")


def make_part(name: str, version: str = "1.0.0", requires: Mapping[str, str] | None = None) -> Block:
    """Return a block with a name, a version and what it requires."""
    here = ROOT / name
    return Block(name, version, here, here / "immtf.yaml", here, requires=requires or {})


def make_infrastructure(**needs: str) -> dict[str, Block]:
    """Return blocks of version 1.0.0 by name, given the names of what each requires, separated by spaces."""
    return {name: make_part(name, requires=dict.fromkeys(text.split(), "~> 1.0")) for name, text in needs.items()}


def make_deployed(*blocks: Block) -> dict[str, Deployed]:
    """Return what these blocks publish when they are deployed, by name."""
    return {block.name: Deployed(block.name, block.version, dict(block.requires)) for block in blocks}


KNOTTED: tuple[dict[str, Deployed], dict[str, Block]] = (
    make_deployed(
        make_part("a", "1"),
        make_part("b", "1", {"a": "1"}),
        make_part("c", "1", {"a": ">= 1", "b": "1"}),
        make_part("d", "1", {"a": ">= 1"}),
    ),
    {
        "a": make_part("a", "2"),
        "b": make_part("b", "2", {"a": ">= 1"}),
        "c": make_part("c", "2", {"a": ">= 1", "b": ">= 1"}),
        "d": make_part("d", "2", {"a": ">= 1"}),
    },
)
"""An upgrade in which c must go before b and b before a, so that nobody may wish a before c."""


STAYING: tuple[dict[str, Deployed], dict[str, Block]] = (
    make_deployed(make_part("a", "2"), make_part("b", "1", {"a": "2"}), make_part("c", "1", {"b": "2"})),
    {"a": make_part("a", "1"), "b": make_part("b", "1"), "c": make_part("c", "1", {"a": "1"})},
)
"""An upgrade in which b keeps its version, so that c, which doesn't accept that one now, needn't go before it."""


def chain(count: int) -> list[list[int]]:
    return [[number - 1] if number else [] for number in range(count)]


def star(count: int) -> list[list[int]]:
    return [[0] if number else [] for number in range(count)]


def fan(count: int) -> list[list[int]]:
    return [[*range(count - 1)] if number == count - 1 else [] for number in range(count)]


def layers(count: int) -> list[list[int]]:
    chance = random.Random(7)  # noqa: S311 - the same graph each time
    return [chance.sample(range(number // 25 * 25 - 25, number // 25 * 25), 3) if number >= 25 else [] for number in range(count)]


def tower(count: int) -> list[list[int]]:
    """A chain whose blocks all need the lowest one too: its edges pass all the others by."""
    return [sorted({0, number - 1}) if number else [] for number in range(count)]


SHAPES: dict[str, Callable[[int], list[list[int]]]] = {"chain": chain, "star": star, "fan": fan, "layers": layers, "tower": tower}
