from __future__ import annotations

import pytest

from immtf.errors import ExitCode, VersionsUnresolved
from immtf.model.published import Unread
from immtf.plan.conflict import told
from immtf.plan.resolve import Conflict, read_wish, resolve
from immtf.plan.shelf import Shelf, stock
from tests.fakes.publishing import make_published, make_shelf

BASE = tuple(make_published(f"base {version}") for version in ("1.0.0", "1.3.0", "2.0.0", "2.1.0", "3.0.0-rc1"))
CONSUL = (make_published("consul 1.0.0", base="~> 1.0"), make_published("consul 1.1.0", base="~> 1.0"))
SERVICE = (
    make_published("service 1.0.0", base="~> 1.0", consul="~> 1.0"),
    make_published("service 2.0.0", base="~> 2.0", consul="~> 1.1"),
    make_published("service 2.1.0", base="~> 2.0", consul="~> 1.1"),
)


def conflict(shelf: Shelf, *asked: str) -> VersionsUnresolved:
    """Return what is told of wishes that can't be had."""
    wishes = [read_wish(text) for text in asked]
    with pytest.raises(Conflict):
        resolve(wishes, shelf)
    error = told(wishes, shelf)
    assert error.exit_code == ExitCode.VERSIONS_UNRESOLVED
    return error


def test_who_needs_what_of_whom_and_what_is_published_and_the_way_out() -> None:
    error = conflict(make_shelf(*BASE, *CONSUL, *SERVICE), "service=~> 2.0")
    assert error.what.splitlines() == [
        "no versions fit together: each of these can be had, and no base satisfies both",
        "  consul 1.1.0 requires base `~> 1.0` (consul is required by service 2.1.0 with `~> 1.1`); so do 1.0.0",
        "  service 2.1.0 requires base `~> 2.0`; so do 2.0.0; 1.0.0: `~> 1.0`",
        "  published of base: 3.0.0-rc1 (a pre-release: taken only where it is named exactly), 2.1.0, 2.0.0, 1.3.0, 1.0.0",
    ]
    assert error.next == "ask for service=1.0.0, which fits"


def test_only_the_part_that_does_not_fit_is_told() -> None:
    more = [make_published("web 1.0.0", base=">= 1"), make_published("app 1.0.0")]
    error = conflict(make_shelf(*BASE, *CONSUL, *SERVICE, *more), "app", "web", "service=~> 2.0")
    assert "web" not in error.what
    assert "app" not in error.what


def test_two_that_were_asked_for() -> None:
    error = conflict(make_shelf(*BASE, *CONSUL), "base=~> 2.0", "consul")
    assert error.what.splitlines()[1:3] == ["  you asked for base `~> 2.0`", "  consul 1.1.0 requires base `~> 1.0`; so do 1.0.0"]
    assert error.next == "ask for base=1.3.0, which fits"


def test_one_that_was_asked_for_twice() -> None:
    error = conflict(make_shelf(*BASE), "base=~> 2.0", "base=~> 1.0")
    assert error.what.splitlines()[1:3] == ["  you asked for base `~> 2.0`", "  you asked for base `~> 1.0`"]
    assert error.next == "ask for base=1.3.0, which fits; or ask for base=2.1.0, which fits"


def test_three_against_each_other() -> None:
    rows = [make_published(f"{name} 1.0.0", base=text) for name, text in (("a", "< 2.1"), ("b", "!= 1.0, != 1.3, != 2.0"), ("c", ">= 1"))]
    error = conflict(make_shelf(*BASE, *rows), "a", "b", "c")
    assert "  c 1.0.0" not in error.what
    three = [
        make_published(f"{name} 1.0.0", base=text) for name, text in (("a", "!= 1.0, < 2.1"), ("b", "!= 1.3, >= 1"), ("c", "!= 2.0.0"))
    ]
    assert "no base satisfies all of them" in conflict(make_shelf(*BASE, *three), "a", "b", "c").what


def test_nothing_satisfies_what_was_asked_for() -> None:
    error = conflict(make_shelf(*BASE), "base=~> 4.0")
    assert error.what.splitlines()[:2] == [
        "no versions fit together: no base that is published satisfies `~> 4.0`",
        "  you asked for base `~> 4.0`",
    ]
    assert error.next == "ask for base=2.1.0, which fits"


def test_nothing_satisfies_what_is_required_further_down() -> None:
    deep = [make_published("top 1.0.0", mid=">= 1"), make_published("mid 1.0.0", base="~> 7.0"), make_published("mid 1.1.0", base="~> 7.0")]
    error = conflict(make_shelf(*BASE, *deep), "top")
    assert "no base that is published satisfies `~> 7.0`" in error.what
    assert "mid 1.1.0 requires base `~> 7.0` (mid is required by top 1.0.0 with `>= 1`); so do 1.0.0" in error.what
    assert error.next == "publish a version of mid that accepts base 2.1.0"


def test_a_required_block_that_is_published_nowhere() -> None:
    error = conflict(make_shelf(*BASE, make_published("web 1.0.0", bas="~> 1.0"), make_published("web 0.9.0", bas="~> 1.0")), "web")
    assert error.what.splitlines() == [
        "no block bas is published, and web 1.0.0 requires bas `~> 1.0`; so do 0.9.0",
        "  looked in infra",
    ]
    assert error.next == "did you mean `base`? Else name further places with --published"


def test_a_block_that_nobody_published() -> None:
    error = conflict(make_shelf(*BASE, *CONSUL), "zebra")
    assert error.what.splitlines() == ["no block zebra is published", "  looked in infra"]
    assert error.next == "published are: base, consul; name further places with --published"
    empty = conflict(make_shelf(), "zebra")
    assert empty.next == "nothing is published there; name further places with --published"


def test_what_could_not_be_read_is_told_with_it() -> None:
    unread = [Unread("infra/x/immtf.yaml", "line 2: version: no version"), Unread("git:i base/9.0.0", "tag", "base", "9.0.0")]
    shelf = stock([*BASE, *CONSUL], unread, ["infra"])
    assert "  not read: infra/x/immtf.yaml: line 2: version: no version" in conflict(shelf, "base=~> 2.0", "consul").what
    missing = conflict(shelf, "zebra").what
    assert "infra/x/immtf.yaml" in missing
    assert "git:i" not in missing, "that one is of another block"


def test_the_way_out_may_be_another_publication_or_less_asked_for() -> None:
    rows = [make_published("a 1.0.0", base="~> 1.0"), make_published("b 1.0.0", base="~> 2.0")]
    assert (
        conflict(make_shelf(*BASE, *rows), "a", "b").next
        == "publish a version of a that accepts base 2.1.0; or publish a version of b that accepts base 1.3.0"
    )
    two = [make_published(f"{name} 1.0.0", x=text, y=text) for name, text in (("a", "= 1"), ("b", "= 2"))]
    four = [make_published(f"{name} {version}.0") for name in "xy" for version in (1, 2)]
    assert conflict(make_shelf(*two, *four), "a", "b").next == "leave a out; or leave b out"


def test_long_lists_are_cut() -> None:
    shelf = make_shelf(*[make_published(f"base 1.{minor}.0") for minor in range(20)], make_published("base 2.0.0"))
    assert conflict(shelf, "base=~> 3.0").what.endswith("1.14.0, 1.13.0 and 13 more")


def test_versions_of_one_block_may_need_other_blocks() -> None:
    rows = [make_published("web 2.0.0", base="~> 9.0"), make_published("web 1.0.0", gone="~> 1.0"), make_published("gone 2.0.0")]
    error = conflict(make_shelf(*BASE, *rows), "web")
    assert "web 2.0.0 requires base `~> 9.0`; 1.0.0: none" in error.what


def test_an_absurd_number_of_wishes_is_cut_down_to_the_two_that_matter() -> None:
    rows = [make_published(f"b{number} 1.0.0") for number in range(40)]
    shelf = make_shelf(*BASE, *CONSUL, *rows)
    error = conflict(shelf, *[f"b{number}" for number in range(40)], "base=~> 2.0", "consul")
    assert "b1" not in error.what
    assert error.next == "ask for base=1.3.0, which fits"


def test_where_one_need_is_the_only_one_that_can_be_had_no_more() -> None:
    rows = [make_published("a 1.0.0", b="= 1.0.0", c=">= 1"), make_published("b 1.0.0", d="= 1"), make_published("c 1.0.0", d="= 2")]
    error = conflict(make_shelf(*rows, make_published("d 1.0.0"), make_published("d 2.0.0")), "a")
    assert "no d satisfies both" in error.what
    assert "b 1.0.0 requires d `= 1` (b is required by a 1.0.0 with `= 1.0.0`)" in error.what


def test_a_conflict_about_several_blocks() -> None:
    rows = [
        make_published("a 1.0.0", b=">= 1", c=">= 1", x="= 2", y="= 2"),
        make_published("b 1.0.0", x="= 1"),
        make_published("b 2.0.0", y="= 1"),
        make_published("c 1.0.0", b=">= 1"),
    ]
    error = conflict(make_shelf(*rows, *[make_published(f"{name} {version}.0") for name in "xy" for version in (1, 2)]), "a")
    assert "it is about " in error.what
    assert "a 1.0.0 requires x `= 2`" in error.what


def test_asked_twice_for_what_is_not_there() -> None:
    assert conflict(make_shelf(*BASE), "base=~> 8.0", "base=~> 9.0").next.startswith("publish versions that accept one another")


def test_what_takes_long_to_take_apart_is_told_all_the_same() -> None:
    """Eight that each need one of seven places for themselves: any seven would fit, and only a long search shows that eight don't."""
    places = [make_published(f"h{place} {number}.0") for place in range(7) for number in range(8)]
    guests = [make_published(f"g{number} {place}.0", **{f"h{place}": f"= {number}"}) for number in range(8) for place in range(7)]
    wishes = [read_wish(f"g{number}") for number in range(8)]
    error = told(wishes, make_shelf(*places, *guests))
    assert "no h6 satisfies" in error.what
