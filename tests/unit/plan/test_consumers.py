"""A block against the deployed blocks that require it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.model.environment import Deployed
from immtf.plan.checks import may_override
from immtf.plan.consumers import judge_producer, judge_removed
from tests.fakes.infrastructure import make_part

if TYPE_CHECKING:
    from immtf.model.block import Block

NEW = make_part("base", "2.0.0")
OLD = Deployed("base", "1.2.0", {})


def consul(accepts: str, version: str = "1.0.0") -> Deployed:
    return Deployed("consul", version, {"base": accepts, "dns": "1.0.0"})


def test_a_deployed_consumer_that_does_not_accept_the_new_version_refuses_it_with_both_named() -> None:
    """F46."""
    (refusal,) = judge_producer(NEW, [OLD, consul("~> 1.0")])
    assert (refusal.check, refusal.addresses) == ("consumer-version", ("block consul 1.0.0",))
    assert refusal.what == "is deployed and accepts base ~> 1.0; base would go from 1.2.0 to 2.0.0"
    assert refusal.mend == "upgrade consul first, or in the same run, to a version that accepts base 2.0.0, or keep base within ~> 1.0"
    assert not may_override(refusal.check)


@pytest.mark.parametrize("accepts", ["~> 2.0", ">= 1.0", "2.0.0"])
def test_one_that_accepts_it_lets_it_pass(accepts: str) -> None:
    assert judge_producer(NEW, [OLD, consul(accepts)]) == []


def test_every_consumer_is_judged_and_in_the_order_of_their_names() -> None:
    """F46."""
    found = judge_producer(NEW, [Deployed("web", "1", {"base": "1.2.0"}), OLD, consul("~> 1.0"), Deployed("dns", "1", {})])
    assert [refusal.addresses for refusal in found] == [("block consul 1.0.0",), ("block web 1",)]


def test_where_the_version_stays_nothing_is_refused() -> None:
    """Another image for the same version takes nothing from a consumer that it has."""
    silent = Deployed("web", "1")
    assert judge_producer(NEW, [Deployed("base", "2.0.0", {}), consul("~> 1.0"), silent]) == []


def test_where_it_is_not_known_what_is_deployed_consumers_are_asked() -> None:
    """F46."""
    (refusal,) = judge_producer(NEW, [Deployed("base", problem="publishes no output `block`"), consul("~> 1.0")])
    assert refusal.what == "is deployed and accepts base ~> 1.0; base would go from an unknown version to 2.0.0"


def test_a_producer_that_is_not_deployed_is_judged_too() -> None:
    """F46: its state may have been lost, and its consumers not."""
    (refusal,) = judge_producer(NEW, [consul("~> 1.0")])
    assert refusal.what == "is deployed and accepts base ~> 1.0; base would be made in version 2.0.0"


def test_a_consumer_that_does_not_tell_what_it_requires_is_unknown() -> None:
    (refusal,) = judge_producer(NEW, [OLD, Deployed("web", "1.0.0")])
    assert (refusal.check, refusal.addresses) == ("consumer-unknown", ("block web 1.0.0",))
    assert refusal.what == "is deployed and doesn't tell which blocks it requires, perhaps base"
    assert refusal.mend == 'publish it: output "block" { value = { name, version, requires } } in the root module of web, and apply that'
    assert may_override(refusal.check)


def test_why_it_tells_nothing_is_told() -> None:
    (refusal,) = judge_producer(NEW, [OLD, Deployed("web", problem="its state can't be read: locked")])
    assert refusal.addresses == ("block web (version unknown)",)
    assert "doesn't tell which blocks it requires (its state can't be read: locked), perhaps base" in refusal.what


def test_a_range_that_is_none_is_unknown() -> None:
    (refusal,) = judge_producer(NEW, [OLD, consul("newest")])
    assert (refusal.check, refusal.mend) == ("consumer-unknown", "apply consul anew with a file that says it rightly")
    assert refusal.what == "is deployed and says that it requires base `newest`, which is no constraint; base would go from 1.2.0 to 2.0.0"


def test_what_the_block_needs_itself_is_not_asked_whether_it_needs_the_block() -> None:
    """By its own file, by what is deployed of it, and over others."""
    block = make_part("web", "2.0.0", {"consul": "~> 1.0"})
    deployed = [
        Deployed("web", "1.0.0", {"etcd": "~> 1.0"}),
        consul("~> 1.0"),
        Deployed("base", "1"),
        Deployed("etcd", "1"),
        Deployed("dns", "1"),
    ]
    assert judge_producer(block, deployed) == []
    assert [refusal.addresses for refusal in judge_producer(block, [*deployed, Deployed("mail", "1")])] == [("block mail 1",)]


def test_a_block_is_no_consumer_of_itself() -> None:
    assert judge_producer(NEW, [Deployed("base", "1.0.0", {"base": "~> 1.0"})]) == []
    assert judge_producer(NEW, [Deployed("base", "1.0.0")]) == []


def test_of_many_that_tell_nothing_twenty_are_told() -> None:
    found = judge_producer(NEW, [OLD, *(Deployed(f"b{number}", "1") for number in range(30))])
    assert len(found) == 20


def test_of_many_that_could_be_required_three_are_told() -> None:
    from immtf.plan.consumers import judge_unknown

    wanted: dict[str, Block] = {f"b{number}": make_part(f"b{number}", "2") for number in range(5)}
    deployed = {name: Deployed(name, "1", {}) for name in wanted}
    (refusal,) = judge_unknown([Deployed("web", "1")], wanted, deployed)
    assert refusal.what.endswith("perhaps b0, b1, b2 and 2 more")


def test_a_block_is_not_destroyed_under_one_that_requires_it() -> None:
    """F46: whatever version of it that one accepts."""
    (refusal,) = judge_removed(NEW, [OLD, consul("~> 1.0"), Deployed("dns", "1", {})])
    assert (refusal.check, refusal.addresses) == ("consumer-deployed", ("block consul 1.0.0",))
    assert not may_override(refusal.check)
    assert judge_removed(NEW, [OLD, Deployed("dns", "1", {})]) == []


def test_a_block_is_not_destroyed_beside_one_that_tells_nothing_but_may_be() -> None:
    """F46: a block that this one needs itself can't stand on it."""
    (refusal,) = judge_removed(NEW, [OLD, Deployed("web", problem="can't be read"), Deployed("api", "1", {"web": "1"})])
    assert (refusal.check, refusal.addresses) == ("consumer-unknown", ("block web (version unknown)",))
    assert refusal.what == "is deployed and doesn't tell which blocks it requires (can't be read), perhaps base"
    assert may_override(refusal.check)
    (refusal,) = judge_removed(NEW, [Deployed("web")])
    assert refusal.what.endswith("which blocks it requires, perhaps base")
    assert judge_removed(make_part("base", requires={"web": "1"}), [Deployed("web")]) == []
