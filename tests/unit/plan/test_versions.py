from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.plan.versions import Constraint, ConstraintInvalid, Version, VersionInvalid

NUMBERS = st.integers(min_value=0, max_value=30)
TRIPLES = st.tuples(NUMBERS, NUMBERS, NUMBERS)


def version(numbers: tuple[int, ...]) -> Version:
    return Version.parse(".".join(map(str, numbers)))


def allows(constraint: str, text: str) -> bool:
    return Constraint.parse(constraint).allows(Version.parse(text))


@given(TRIPLES, TRIPLES)
def test_versions_compare_by_number_and_never_as_text(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (version(one) < version(other)) == (one < other)
    assert (version(one) == version(other)) == (one == other)


@given(TRIPLES, TRIPLES)
def test_pessimistic_with_three_numbers_lets_the_last_one_grow(base: tuple[int, ...], seen: tuple[int, ...]) -> None:
    expected = seen[:2] == base[:2] and seen[2] >= base[2]
    assert Constraint.parse(f"~> {version(base)}").allows(version(seen)) == expected


@given(st.tuples(NUMBERS, NUMBERS), TRIPLES)
def test_pessimistic_with_two_numbers_lets_the_second_grow(base: tuple[int, ...], seen: tuple[int, ...]) -> None:
    expected = seen[0] == base[0] and seen[1] >= base[1]
    assert Constraint.parse(f"~> {version(base)}").allows(version(seen)) == expected


@given(NUMBERS, TRIPLES)
def test_pessimistic_with_one_number_keeps_the_next_major_version_out(base: int, seen: tuple[int, ...]) -> None:
    assert Constraint.parse(f"~> {base}").allows(version(seen)) == (seen[0] == base)


@given(TRIPLES, TRIPLES)
def test_each_comparison_and_its_opposite_share_out_all_releases(base: tuple[int, ...], seen: tuple[int, ...]) -> None:
    for one, opposite in (("=", "!="), (">", "<="), ("<", ">=")):
        holds = [Constraint.parse(f"{operator} {version(base)}").allows(version(seen)) for operator in (one, opposite)]
        assert sorted(holds) == [False, True]


@given(st.lists(st.tuples(st.sampled_from(["", "=", "!=", ">", ">=", "<", "<=", "~>"]), TRIPLES), min_size=1, max_size=4), TRIPLES)
def test_a_row_of_comparisons_holds_where_each_holds(row: list[tuple[str, tuple[int, ...]]], seen: tuple[int, ...]) -> None:
    terms = [f"{operator} {version(base)}" for operator, base in row]
    assert Constraint.parse(",".join(terms)).allows(version(seen)) == all(Constraint.parse(term).allows(version(seen)) for term in terms)


@given(TRIPLES, TRIPLES, st.sampled_from(["!=", ">", ">=", "<", "<=", "~>"]))
def test_a_prerelease_is_allowed_only_by_its_exact_name(base: tuple[int, ...], seen: tuple[int, ...], operator: str) -> None:
    candidate = Version.parse(f"{version(seen)}-rc1")
    assert not Constraint.parse(f"{operator} {version(base)}").allows(candidate)
    assert not Constraint.parse(f"{operator} {candidate}").allows(candidate)
    assert Constraint.parse(f"= {candidate}").allows(candidate)
    assert Constraint.parse(f"{candidate}").allows(candidate)


@pytest.mark.parametrize(
    ("constraint", "allowed", "refused"),
    [
        ("~> 1.2, != 1.2.3", "1.2.4", "1.2.3"),
        (">= 1.9", "1.10.0", "1.2.0"),
        ("~> 1.2.3-rc1", "1.2.3", "1.3.0"),
        ("= 1.2.3-rc1, >= 1.2", "1.2.3-rc1", "1.2.3"),
        ("= 1.0", "1.0.0", "1.0.1"),
        ("1.2.3", "1.2.3+build.7", "1.2.4"),
        ("v1.2", "1.2", "1.2.1"),
        ("~> 1.2.3.4", "1.2.3.9", "1.2.4"),
        (">=1,<2", "1.99", "2.0.0"),
    ],
)
def test_constraints_by_example(constraint: str, allowed: str, refused: str) -> None:
    assert allows(constraint, allowed)
    assert not allows(constraint, refused)


def test_the_users_text_is_kept() -> None:
    text = "~>1.2 ,  != 1.2.3"
    assert str(Constraint.parse(text)) == text
    assert str(Version.parse("v1.0")) == "v1.0"


def test_versions_that_mean_the_same_are_one_in_a_set() -> None:
    assert len({Version.parse("1.0"), Version.parse("v1.0.0"), Version.parse("1+b")}) == 1
    assert Version.parse("1") != "1"
    assert Version.parse("1.0.0-rc1").is_prerelease


@pytest.mark.parametrize("text", ["", "x", "1.x", "1..2", "1.2.3-1", "1.0.0-foo", "1.0-post1", "1!2", "1.0 2", "٣", "1" * 200, "1.0\n2"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(VersionInvalid):
        Version.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("^1.2", "write `~> 1.2`"),
        ("~1.2", "write `~> 1.2`"),
        ("~= 1.2", "write `~> 1.2`"),
        ("== 1", "write `= 1`"),
        ("=> 1", "write `>= 1`"),
        ("1.x", "write `~> 1.0`"),
        ("= 1.2.*", "write `~> 1.2.0`"),
        ("? 1", "Terraform's operators are = != > >= < <= ~>"),
        (">= 1.2 < 2", "write it like `1.2.3` or `1.2.3-rc1`"),
        (">= 1,", "write constraints like `~> 1.2, != 1.2.3`"),
        ("", "write constraints like `~> 1.2, != 1.2.3`"),
        (">=", "write constraints like `~> 1.2, != 1.2.3`"),
    ],
)
def test_what_is_no_constraint_is_refused_with_what_was_meant(text: str, meant: str) -> None:
    with pytest.raises(ConstraintInvalid) as caught:
        Constraint.parse(text)
    assert caught.value.next == meant


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_order(text: str) -> None:
    with suppress(ConstraintInvalid):
        assert Constraint.parse(text).terms
