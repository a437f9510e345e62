"""Knots against the plain definition: two names are in one where each is reached from the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.knots import knots

NAMES = "abcdefg"


def reached(graph: dict[str, list[str]], start: str) -> set[str]:
    found = {start}
    while more := {following for name in found for following in graph[name]} - found:
        found |= more
    return found


@given(st.fixed_dictionaries({name: st.lists(st.sampled_from(NAMES)) for name in NAMES}))
def test_two_names_are_in_one_knot_where_each_reaches_the_other_and_only_there(graph: dict[str, list[str]]) -> None:
    found = knots(graph)
    assert set(found) == set(NAMES)
    reach = {name: reached(graph, name) for name in NAMES}
    assert all((found[one] == found[two]) == (one in reach[two] and two in reach[one]) for one in NAMES for two in NAMES)


def test_a_long_chain_and_a_long_ring_need_no_deep_recursion() -> None:
    chain: dict[str, list[str]] = {str(number): [str(number + 1)] for number in range(5000)}
    assert len(set(knots({**chain, "5000": []}).values())) == 5001
    assert len(set(knots({**chain, "5000": ["0"]}).values())) == 1
