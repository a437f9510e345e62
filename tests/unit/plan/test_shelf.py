from __future__ import annotations

from immtf.model.published import Place, Published, Unread
from immtf.plan.shelf import stock
from immtf.plan.versions import Constraint
from tests.fakes.publishing import make_published, make_shelf


def test_newest_first_by_version_and_not_by_text() -> None:
    shelf = make_shelf(*[make_published(f"base {version}") for version in ("1.9.0", "1.10.0", "1.0.9", "2.0.0-rc1")])
    assert [str(one.version) for one in shelf.of("base")] == ["2.0.0-rc1", "1.10.0", "1.9.0", "1.0.9"]
    assert shelf.of("nobody") == ()


def test_a_version_that_is_published_twice_is_taken_from_the_first_place_and_told() -> None:
    first, second = (Published("base", version, {}, Place("directory", where)) for version, where in (("1.0.0", "one"), ("1.0", "two")))
    shelf = stock([first, second, first])
    assert [one.published for one in shelf.of("base")] == [first]
    assert shelf.remarks == ("base 1.0.0 is published twice: taken from one, not from two",)


def test_what_is_no_version_or_constraint_joins_what_cannot_be_read() -> None:
    """A version that isn't a version is told, and never silently taken for old."""
    shelf = stock([make_published("base 1.0.0"), make_published("base banana"), make_published("web 1.0.0", base="^1")], [Unread("x", "y")])
    assert list(shelf.candidates) == ["base"]
    assert [(one.name, one.version) for one in shelf.unread] == [("", ""), ("base", "banana"), ("web", "1.0.0")]
    assert "not an operator" in shelf.unread[2].what


def test_hopeless_are_those_that_need_what_nothing_satisfies_and_those_that_need_them() -> None:
    rows = [
        make_published("a 1.0.0", b="~> 1.0"),
        make_published("a 2.0.0", b="~> 2.0"),
        make_published("b 1.0.0"),
        make_published("b 2.0.0", c=">= 1"),
    ]
    shelf = make_shelf(*rows)
    assert sorted(str(one) for one in shelf.hopeless) == ["a 2.0.0", "b 2.0.0"]
    assert {str(one) for one in shelf.allowed("b", Constraint.parse(">= 1"))} == {"b 1.0.0", "b 2.0.0"}


def test_the_nearest_name() -> None:
    shelf = make_shelf(make_published("consul 1.0.0"), make_published("base 1.0.0"))
    assert (shelf.nearest("consol"), shelf.nearest("zebra")) == ("consul", "")
