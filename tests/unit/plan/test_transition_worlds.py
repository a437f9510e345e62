"""The order of an upgrade over many blocks, in small worlds of every kind: all of them judged by trying every order."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from immtf.model.block import Block
from immtf.model.environment import Deployed
from immtf.plan.transitions import order_upgrade
from immtf.plan.versions import Constraint, Version
from tests.fakes.infrastructure import KNOTTED, STAYING, make_deployed, make_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

World = tuple[dict[str, Deployed], dict[str, Block]]
BASE_1, BASE_2 = make_part("base", "1.0.0"), make_part("base", "2.0.0")
NARROW_1, NARROW_2 = make_part("consul", "1.0.0", {"base": "~> 1.0"}), make_part("consul", "2.0.0", {"base": "~> 2.0"})
VERSIONS = ("1", "2")
RANGES = ("1", "2", ">= 1")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to five blocks; each may be deployed, wanted or both, and may require others then and now, the other way round too."""
    every = [f"b{number}" for number in range(draw(st.integers(2, 5)))]
    turned = draw(st.booleans())
    deployed, new = {}, {}
    for place, name in enumerate(every):
        now, then = every[:place], every[place + 1 :] if turned else every[:place]
        if draw(st.integers(0, 4)):
            deployed[name] = Deployed(name, draw(st.sampled_from(VERSIONS)), draw(ranges(then)))
        if draw(st.integers(0, 4)) or not (name in deployed or new):
            new[name] = make_part(name, draw(st.sampled_from(VERSIONS)), draw(ranges(now)))
    there = {*deployed, *new}
    cut = {
        name: make_part(name, item.version, {need: text for need, text in item.requires.items() if need in there})
        for name, item in new.items()
    }
    return deployed, cut


def ranges(names: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(RANGES) for name in names})


@cache
def within(text: str, version: str) -> bool:
    return Constraint.parse(text).allows(Version.parse(version))


def fits(requires: Mapping[str, str], name: str, version: str) -> bool:
    return name not in requires or within(requires[name], version)


def spoils(name: str, new: Block, now: Mapping[str, Deployed]) -> bool:
    """Return whether the step of one block leaves somebody with what it doesn't accept: itself, or a consumer of a changed version."""
    if any(need not in now or not fits(new.requires, need, now[need].version) for need in new.requires):
        return True
    same = name in now and now[name].version == new.version
    others = [item.requires for other, item in now.items() if other != name]
    return not same and any(not fits(requires or {}, name, new.version) for requires in others)


def holds(order: Sequence[str], deployed: Mapping[str, Deployed], new: Mapping[str, Block]) -> bool:
    now = dict(deployed)
    for name in order:
        if spoils(name, new[name], now):
            return False
        now[name] = Deployed(name, new[name].version, dict(new[name].requires))
    return True


@settings(max_examples=400, deadline=None)
@given(worlds())
@example((make_deployed(BASE_1, NARROW_1), {"base": BASE_2, "consul": NARROW_2}))
@example((make_deployed(BASE_1, NARROW_2), {"base": BASE_1}))
@example(KNOTTED)
@example(STAYING)
def test_every_order_holds_after_each_step_and_where_one_is_refused_no_permutation_does(world: World) -> None:
    """F46."""
    deployed, new = world
    found = order_upgrade(deployed, new)
    if found.refusals:
        assert found.steps == ()
        assert not any(holds(order, deployed, new) for order in permutations(new))
    else:
        assert sorted([step.name for step in found.steps]) == sorted(new)
        assert holds([step.name for step in found.steps], deployed, new)


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_any_order_that_keeps_to_what_comes_before_holds(world: World) -> None:
    """F46: what runs side by side ends in any order."""
    deployed, new = world
    steps = order_upgrade(deployed, new).steps
    before = {step.name: step.after for step in steps}
    kept = [order for order in permutations(before) if all(set(before[name]) <= set(order[:place]) for place, name in enumerate(order))]
    assert kept
    assert all(holds(order, deployed, new) for order in kept if order)


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_the_same_world_gives_the_same_order_and_the_same_words(world: World) -> None:
    deployed, new = world
    assert order_upgrade(deployed, new) == order_upgrade(dict(reversed(deployed.items())), dict(reversed(new.items())))
