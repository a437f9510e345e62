"""What a test makes besides its block: all that the block needs, in order, and nothing else; what doesn't fit is known before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import UsageError, VersionsUnresolved
from immtf.plan.closure import closure
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from immtf.model.block import Block


def block(name: str, version: str = "1.0.0", **requires: str) -> Block:
    return replace(make_block(), name=name, version=version, requires=requires)


BASE, OTHER = block("base"), block("other", lost="~> 9.0")
CONSUL = block("consul", base="~> 1.0")
SERVICE = block("service", consul="~> 1.0", base="~> 1.0")


def names(*blocks: Block, of: Block, before: Block | None = None) -> list[str]:
    return [item.name for item in closure(of, {item.name: item for item in blocks}, before)]


def test_all_that_is_needed_is_made_in_order_and_nothing_else() -> None:
    assert names(OTHER, SERVICE, CONSUL, BASE, of=SERVICE) == ["base", "consul"]
    assert names(OTHER, SERVICE, CONSUL, BASE, of=CONSUL) == ["base"]
    assert names(OTHER, of=BASE) == []


def test_the_needs_of_the_version_before_count_too() -> None:
    """F45."""
    assert names(BASE, OTHER, CONSUL, of=replace(CONSUL, requires={}), before=CONSUL) == ["base"]
    older = replace(CONSUL, version="0.9.0", requires={"base": "~> 0.9"})
    with pytest.raises(VersionsUnresolved, match=r"consul 0\.9\.0 requires base ~> 0\.9, and /blocks/consul is base 1\.0\.0"):
        names(BASE, of=CONSUL, before=older)


def test_a_version_outside_of_a_range_is_told_with_all_others() -> None:
    """F45: before anything is made; of a producer's own needs too."""
    with pytest.raises(VersionsUnresolved) as caught:
        names(replace(BASE, version="2.0.0"), CONSUL, of=SERVICE)
    assert caught.value.what.count("requires base ~> 1.0") == 2
    assert caught.value.next.startswith("nothing was made")


def test_a_block_that_is_nowhere_is_told_with_who_requires_it_and_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="block consul requires bsae, and there is no such block") as caught:
        names(BASE, CONSUL, of=block("consul", bsae="~> 1.0"))
    assert caught.value.next == "did you mean base?"


def test_a_cycle_is_shown() -> None:
    with pytest.raises(UsageError, match="base -> consul -> base"):
        names(block("base", consul="~> 1.0"), of=CONSUL)
