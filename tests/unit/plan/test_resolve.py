from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immtf.errors import ExitCode, VersionsUnresolved
from immtf.plan.resolve import Conflict, cycle_in, newer_than, read_wish, resolve
from immtf.plan.shelf import stock
from immtf.plan.versions import ConstraintInvalid
from tests.fakes.publishing import make_published, make_shelf, many

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.published import Published
    from immtf.plan.resolve import Wish
    from immtf.plan.shelf import Candidate, Shelf

INFRA = (
    make_published("base 1.0.0"),
    make_published("base 1.3.0"),
    make_published("base 2.0.0"),
    make_published("base 3.0.0-rc1"),
    make_published("consul 1.0.0", base=">= 1.0"),
    make_published("consul 1.1.0", base="~> 1.0"),
    make_published("service 1.0.0", base="~> 1.0", consul="~> 1.1"),
    make_published("service 2.0.0", base="~> 2.0", consul="~> 1.1"),
)


def versions(shelf: Shelf, *asked: str) -> dict[str, str]:
    return {name: str(one.version) for name, one in resolve([read_wish(text) for text in asked], shelf).chosen.items()}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["base"], {"base": "2.0.0"}),
        (["consul"], {"base": "1.3.0", "consul": "1.1.0"}),
        (["service"], {"base": "1.3.0", "consul": "1.1.0", "service": "1.0.0"}),
        (["base", "consul"], {"base": "2.0.0", "consul": "1.0.0"}),
        (["consul", "base"], {"base": "1.3.0", "consul": "1.1.0"}),
        (["consul=1.0.0"], {"base": "2.0.0", "consul": "1.0.0"}),
        (["base=3.0.0-rc1"], {"base": "3.0.0-rc1"}),
        (["base>=1.0", "base<2"], {"base": "1.3.0"}),
    ],
    ids=[
        "the newest release",
        "what it needs",
        "older, as nothing fits the newest",
        "the first asked for goes before",
        "and the other way round",
        "a certain one",
        "a pre-release that is named",
        "asked twice",
    ],
)
def test_the_newest_that_fit_together(asked: list[str], found: dict[str, str]) -> None:
    assert versions(make_shelf(*INFRA), *asked) == found


def test_a_pre_release_is_taken_only_where_every_constraint_names_it() -> None:
    shelf = make_shelf(
        make_published("base 2.0.0-rc1"), make_published("web 1.0.0", base="~> 2.0"), make_published("app 1.0.0", base="= 2.0.0-rc1")
    )
    assert versions(shelf, "app") == {"app": "1.0.0", "base": "2.0.0-rc1"}
    with pytest.raises(Conflict):
        resolve([read_wish("web"), read_wish("base=2.0.0-rc1")], shelf)


@pytest.mark.parametrize(
    ("text", "name", "constraint"),
    [
        ("consul", "consul", ">= 0"),
        ("consul=1.2.0", "consul", "1.2.0"),
        ("consul=~> 1.2", "consul", "~> 1.2"),
        ("consul~>1.2", "consul", "~>1.2"),
        ("consul>=1.2", "consul", ">=1.2"),
        ("consul==1.2", "consul", "=1.2"),
        ("my-db_2=>= 1, < 2", "my-db_2", ">= 1, < 2"),
    ],
)
def test_a_wish_is_read(text: str, name: str, constraint: str) -> None:
    wish = read_wish(text)
    assert (wish.name, wish.constraint.text) == (name, constraint)
    assert str(wish) == (name if constraint == ">= 0" else f"{name}={constraint}")


@pytest.mark.parametrize("text", ["=1.0", "consul=", "consul=banana", "consul=^1.0", "~> 1.0", "a b"])
def test_a_wish_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConstraintInvalid) as caught:
        read_wish(text)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.next


def test_why_the_newest_was_not_chosen() -> None:
    shelf = make_shelf(*INFRA, make_published("web 1.0.0"), make_published("web 2.0.0", base=">= 1.0", gone="~> 1.0"))
    wishes = [read_wish("service"), read_wish("web"), read_wish("consul=1.1.0")]
    assert newer_than(resolve(wishes, shelf).chosen, wishes, shelf) == {
        "base": "2.0.0 is published, and consul 1.1.0 requires `~> 1.0`",
        "service": "2.0.0 is published, and requires base `~> 2.0`, which doesn't fit with the rest",
        "web": "2.0.0 is published, and requires gone `~> 1.0`, which leads to nothing that fits",
    }
    older = [read_wish("consul=1.0.0")]
    assert newer_than(resolve(older, shelf).chosen, older, shelf) == {"consul": "1.1.0 is published, and `1.0.0` was asked for"}


def test_the_newest_may_lose_against_what_its_needs_need() -> None:
    deep = make_published("mid 1.0.0", base="~> 1.0")
    shelf = make_shelf(
        *INFRA, deep, make_published("top 1.0.0"), make_published("top 2.0.0", mid="~> 1.0"), make_published("end 1.0.0", base="~> 2.0")
    )
    wishes = [read_wish("mid"), read_wish("end<1"), read_wish("top")]
    with pytest.raises(Conflict):
        resolve(wishes, shelf)
    two = [read_wish("end"), read_wish("top")]
    assert newer_than(resolve(two, shelf).chosen, two, shelf)["top"].endswith("requires mid `~> 1.0`, which leads to nothing that fits")


def test_a_circle_is_shown_as_one() -> None:
    shelf = make_shelf(make_published("a 1.0.0", b="~> 1.0"), make_published("b 1.0.0", c=">= 1"), make_published("c 1.0.0", a=">= 1"))
    row = [one.name for one in cycle_in(resolve([read_wish("a")], shelf).chosen)]
    assert "".join([*row, *row]).count("abc"[:2]) == 2
    assert sorted(row) == ["a", "b", "c"]
    assert cycle_in(resolve([read_wish("service")], make_shelf(*INFRA)).chosen) == ()


def test_a_search_that_takes_too_long_is_given_up_and_says_so() -> None:
    with pytest.raises(VersionsUnresolved) as caught:
        resolve([read_wish("service")], make_shelf(*INFRA), rounds=1)
    assert "there may be some" in caught.value.what
    assert caught.value.exit_code == ExitCode.VERSIONS_UNRESOLVED


def test_what_was_not_proven_in_time_is_told() -> None:
    """What fits is found soon; that nothing newer does isn't proven where the search for that is given up."""
    circle = [make_published("a 1.3.0", b="= 1.2"), make_published("b 1.2.0", c="<= 1.1"), make_published("c 1.1.0", a="<= 1.0")]
    others = [make_published(f"d 1.{minor}.0") for minor in range(4)]
    shelf = make_shelf(make_published("a 1.0.0"), *circle, *others)
    found = resolve([read_wish("a"), read_wish("d")], shelf, rounds=10)
    assert {name: str(one.version) for name, one in found.chosen.items()} == {"a": "1.0.0", "d": "1.3.0"}
    assert not found.sure
    assert resolve([read_wish("a"), read_wish("d")], shelf).sure


# Small worlds, with versions of two blocks that may need one another.
NAMES = "abcdef"


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Published], list[Wish]]:
    count, row = draw(st.integers(2, 6)), draw(st.integers(1, 4))
    numbers = st.integers(0, row - 1)
    published = []
    for name in NAMES[:count]:
        for version in range(row):
            others = draw(st.lists(st.sampled_from([one for one in NAMES[:count] if one != name]), max_size=3, unique=True))
            requires = {other: draw(st.sampled_from(["=", "!=", "<=", ">="])) + f" 1.{draw(numbers)}" for other in others}
            published.append(make_published(f"{name} 1.{version}.0", **requires))
    asked = draw(st.lists(st.sampled_from(NAMES[:count]), min_size=1, max_size=3, unique=True))
    return draw(st.permutations(published)), [read_wish(name) for name in asked]


def fits(chosen: Mapping[str, Candidate], wishes: Sequence[Wish]) -> bool:
    """Return whether nothing that is there is against anything else that is there."""
    needs = [(wish.name, wish.constraint) for wish in wishes] + [need for one in chosen.values() for need in one.requires.items()]
    return all(constraint.allows(chosen[name].version) for name, constraint in needs if name in chosen)


def first_by_trying_all(shelf: Shelf, wishes: Sequence[Wish], chosen: Mapping[str, Candidate]) -> Mapping[str, Candidate] | None:
    """Return the first of all combinations that fits, what was asked for first and the newest first; None where there is none."""
    if not fits(chosen, wishes):
        return None
    needed = [wish.name for wish in wishes] + [name for one in chosen.values() for name in one.requires]
    name = next((name for name in needed if name not in chosen), None)
    if name is None:
        return chosen
    tries = (first_by_trying_all(shelf, wishes, {**chosen, name: one}) for one in shelf.of(name))
    return next((found for found in tries if found is not None), None)


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_all_constraints_hold_and_whatever_can_be_had_is_found(world: tuple[list[Published], list[Wish]]) -> None:
    published, wishes = world
    shelf = stock(published)
    expected = first_by_trying_all(shelf, wishes, {})
    if expected is None:
        with pytest.raises(Conflict):
            resolve(wishes, shelf)
        return
    found = resolve(wishes, shelf).chosen
    assert {need for one in found.values() for need in one.requires} | {wish.name for wish in wishes} == found.keys()
    assert fits(found, wishes)
    assert [str(found[wish.name].version) for wish in wishes] == [str(expected[wish.name].version) for wish in wishes]


@settings(max_examples=50, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_result_does_not_hang_on_the_order_of_what_is_published(world: tuple[list[Published], list[Wish]], chance: object) -> None:
    published, wishes = world
    again = list(published)
    chance.shuffle(again)  # type: ignore[attr-defined]

    def result(rows: list[Published]) -> object:
        try:
            return {name: one.published for name, one in resolve(wishes, stock(rows)).chosen.items()}
        except Conflict:
            return None

    assert result(published) == result(again)


def test_a_large_infrastructure_takes_one_choice_a_block() -> None:
    """200 blocks of ten versions: each is settled once, with nothing taken back (`tests/benchmarks/resolve.py` has the seconds)."""
    found = resolve([read_wish("b199"), read_wish("b198")], stock(many(200, 10)))
    assert len(found.chosen) > 80
    assert found.tried <= 2 * len(found.chosen)


def test_hopeless_versions_are_put_aside_without_a_search() -> None:
    """A chain of 300 blocks whose end nobody published: no version of any can be had, and that takes no choice at all."""
    chain = [make_published(f"b{number} 1.{version}.0", **{f"b{number + 1}": ">= 1"}) for number in range(300) for version in range(3)]
    shelf = make_shelf(*chain)
    with pytest.raises(Conflict) as caught:
        resolve([read_wish("b0")], shelf)
    assert len(shelf.hopeless) == 900
    assert [need.name for need in caught.value.needs] == ["b0"]
