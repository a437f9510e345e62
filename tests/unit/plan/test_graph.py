"""The graph of an infrastructure: order, stages, closures, what is chosen of it, and what is no graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import UsageError
from immtf.plan.graph import Graph, chosen
from tests.fakes.infrastructure import make_infrastructure, make_part

if TYPE_CHECKING:
    from immtf.model.block import Block

PARTS = make_infrastructure(web="consul etcd", etcd="base", consul="base", base="", dns="", mail="dns")


@st.composite
def infrastructures(draw: st.DrawFn) -> dict[str, Block]:
    """Blocks without a cycle, told in any order: each needs some of those with a smaller number."""
    names = [f"b{number}" for number in draw(st.permutations(range(draw(st.integers(1, 12)))))]
    needs = {name: draw(st.sets(st.sampled_from(names[:place]))) if place else set() for place, name in enumerate(names)}
    told = draw(st.permutations(names))
    return {name: make_part(name, requires=dict.fromkeys(draw(st.permutations(sorted(needs[name]))), "~> 1.0")) for name in told}


def test_a_block_is_in_the_stage_after_the_last_of_its_producers_and_names_are_sorted() -> None:
    assert Graph(PARTS).stages() == (("base", "dns"), ("consul", "etcd", "mail"), ("web",))
    assert Graph(PARTS).order() == ("base", "dns", "consul", "etcd", "mail", "web")


def test_nothing_has_no_stages() -> None:
    assert Graph({}).stages() == ()
    assert chosen(Graph({})) == ()


@given(infrastructures())
def test_producers_come_first_and_the_order_in_which_blocks_are_told_counts_for_nothing(blocks: dict[str, Block]) -> None:
    graph = Graph(blocks)
    assert sorted(graph.order()) == sorted(blocks)
    assert all(graph.position[need] < graph.position[name] for name, block in blocks.items() for need in block.requires)
    assert graph.stages() == Graph(dict(sorted(blocks.items()))).stages()


@given(infrastructures(), st.data())
def test_a_closure_is_what_is_needed_and_nothing_else(blocks: dict[str, Block], data: st.DataObject) -> None:
    graph, name = Graph(blocks), data.draw(st.sampled_from(sorted(blocks)))
    closure = graph.closure([name])
    assert closure[-1] == name
    assert all(need in closure for item in closure for need in blocks[item].requires)
    assert all(any(item in blocks[other].requires for other in closure) for item in closure[:-1])
    assert all((name in graph.closure([other])) == (other in graph.dependents([name])) for other in blocks)


def test_who_needs_whom() -> None:
    graph = Graph(PARTS)
    assert graph.consumers("base") == ("consul", "etcd")
    assert graph.consumers("web") == ()
    assert graph.producers("web") == ("consul", "etcd")
    assert graph.closure(["consul", "mail"]) == ("base", "dns", "consul", "mail")
    assert graph.dependents(["base"]) == ("base", "consul", "etcd", "web")


def test_a_cycle_is_shown_as_the_cycle_with_the_files() -> None:
    blocks = make_infrastructure(a="b", b="d", c="b", d="a", e="c")
    with pytest.raises(UsageError) as refused:
        Graph(blocks)
    assert str(refused.value) == (
        "blocks need each other in a cycle: a -> b -> d -> a\n"
        "  /blocks/a/immtf.yaml: a requires b\n"
        "  /blocks/b/immtf.yaml: b requires d\n"
        "  /blocks/d/immtf.yaml: d requires a\n"
        "  next: take one of these out of its file's `requires`"
    )


def test_a_long_cycle_is_found_without_recursion() -> None:
    count = 3000
    blocks = {f"b{number}": make_part(f"b{number}", requires={f"b{(number + 1) % count}": ">= 0"}) for number in range(count)}
    with pytest.raises(UsageError, match="in a cycle: b0 -> b1 -> b2 -> "):
        Graph(blocks)


def test_an_unknown_block_is_told_with_who_requires_it_where_and_the_nearest_name() -> None:
    with pytest.raises(UsageError) as refused:
        Graph(make_infrastructure(consul="bass", base=""))
    assert str(refused.value) == (
        "/blocks/consul/immtf.yaml: block consul requires bass, and there is no such block\n  next: did you mean base?"
    )


def test_a_block_that_nothing_is_near_to_is_to_be_put_beside_the_others() -> None:
    with pytest.raises(UsageError) as refused:
        Graph(make_infrastructure(consul="vault", base=""))
    assert refused.value.next == "put block vault beside the others"


def test_a_block_is_not_told_that_it_was_meant_itself() -> None:
    with pytest.raises(UsageError) as refused:
        Graph(make_infrastructure(consul="consuls", base=""))
    assert refused.value.next == "put block consuls beside the others"


def test_all_unknown_blocks_are_told_at_once() -> None:
    with pytest.raises(UsageError) as refused:
        Graph(make_infrastructure(consul="bass", etcd="bose vault", base=""))
    assert refused.value.what.splitlines() == [
        "3 times a block is required that isn't there",
        "  /blocks/consul/immtf.yaml: block consul requires bass, and there is no such block; did you mean base?",
        "  /blocks/etcd/immtf.yaml: block etcd requires bose, and there is no such block; did you mean base?",
        "  /blocks/etcd/immtf.yaml: block etcd requires vault, and there is no such block; put block vault beside the others",
    ]


def test_of_very_many_unknown_blocks_twenty_are_told() -> None:
    with pytest.raises(UsageError) as refused:
        Graph({f"b{number}": make_part(f"b{number}", requires={"x": ">= 0"}) for number in range(25)})
    lines = refused.value.what.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (22, "25 times a block is required that isn't there", "  5 more")


def test_what_is_deployed_may_be_required_without_being_here() -> None:
    graph = Graph(make_infrastructure(consul="base"), elsewhere={"base"})
    assert graph.order() == ("consul",)
    assert graph.producers("consul") == ()


CHOSEN: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "everything": ({}, ("base", "dns", "consul", "etcd", "mail", "web")),
    "only": ({"only": ("web", "base", "web")}, ("base", "web")),
    "from": ({"since": "base"}, ("base", "consul", "etcd", "web")),
    "until": ({"until": "consul"}, ("base", "consul")),
    "between": ({"since": "consul", "until": "web"}, ("consul", "web")),
    "one": ({"since": "consul", "until": "consul"}, ("consul",)),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_what_is_chosen(name: str) -> None:
    options, expected = CHOSEN[name]
    assert chosen(Graph(PARTS), **options) == expected  # type: ignore[arg-type]


REFUSED: dict[str, tuple[dict[str, object], str, str, str]] = {
    "only": ({"only": ("consol",)}, "--only", "there is no block consol", "did you mean consul?"),
    "from": ({"since": "bas"}, "--from", "there is no block bas", "did you mean base?"),
    "until": ({"until": "x"}, "--until", "there is no block x", "those here: base, consul, dns, etcd, mail, web"),
    "both": ({"only": ("web",), "since": "base"}, "--only", "--only names the blocks itself", "leave --from and --until out, or --only"),
    "swapped": (
        {"since": "web", "until": "base"},
        "--from",
        "nothing lies between web and base: base doesn't need web",
        "--from base --until web",
    ),
    "apart": (
        {"since": "dns", "until": "base"},
        "--from",
        "nothing lies between dns and base: base doesn't need dns",
        "name two blocks of which one needs the other",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_chosen(name: str) -> None:
    options, where, what, way = REFUSED[name]
    with pytest.raises(UsageError) as refused:
        chosen(Graph(PARTS), **options)  # type: ignore[arg-type]
    assert (refused.value.where, refused.value.what, refused.value.next) == (where, what, way)


def test_of_very_many_names_some_are_listed() -> None:
    with pytest.raises(UsageError, match=r"those here: b0, b1, b10, .*, …"):
        Graph({f"b{number}": make_part(f"b{number}") for number in range(30)}).closure(["nothing-like-it"])
