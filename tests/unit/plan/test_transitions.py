"""The order of an upgrade over many blocks: case by case, and against every permutation of small worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import UsageError
from immtf.model.environment import Deployed
from immtf.plan.checks import may_override
from immtf.plan.transitions import Step, order_upgrade
from tests.fakes.infrastructure import KNOTTED, make_deployed, make_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.block import Block

BASE_1, BASE_2 = make_part("base", "1.0.0"), make_part("base", "2.0.0")
NARROW_1, NARROW_2 = make_part("consul", "1.0.0", {"base": "~> 1.0"}), make_part("consul", "2.0.0", {"base": "~> 2.0"})
WIDE_1, WIDE_2 = make_part("consul", "1.0.0", {"base": ">= 1.0"}), make_part("consul", "2.0.0", {"base": ">= 1.0"})


def wanted(*blocks: Block) -> dict[str, Block]:
    return {block.name: block for block in blocks}


def names(steps: Sequence[Step]) -> list[str]:
    return [step.name for step in steps]


def test_where_the_old_consumer_does_not_take_the_new_producer_and_the_new_one_takes_the_old_the_consumer_is_first() -> None:
    """F46."""
    found = order_upgrade(make_deployed(BASE_1, NARROW_1), wanted(BASE_2, WIDE_2))
    assert not found.refusals
    assert found.steps == (
        Step(
            "consul",
            "1.0.0",
            "2.0.0",
            (),
            ("goes before base, as base 2.0.0 isn't accepted by consul as it is deployed (base ~> 1.0)",),
        ),
        Step("base", "1.0.0", "2.0.0", ("consul",)),
    )


def test_where_the_new_consumer_does_not_take_the_old_producer_the_producer_is_first() -> None:
    """F46."""
    found = order_upgrade(make_deployed(BASE_1, WIDE_1), wanted(BASE_2, NARROW_2))
    assert (names(found.steps), found.refusals) == (["base", "consul"], ())
    assert found.steps[1].after == ("base",)


def test_where_both_orders_do_dependencies_decide() -> None:
    found = order_upgrade(make_deployed(BASE_1, WIDE_1), wanted(BASE_2, WIDE_2))
    assert (names(found.steps), found.refusals) == (["base", "consul"], ())
    assert [step.reasons for step in found.steps] == [("goes before consul, which accepts base 1.0.0 and 2.0.0",), ()]


def test_where_the_producer_stays_there_is_no_reason_but_the_dependency() -> None:
    found = order_upgrade(make_deployed(BASE_1, WIDE_1), wanted(BASE_1, WIDE_2))
    assert [(step.name, step.reasons) for step in found.steps] == [("base", ()), ("consul", ())]


def test_where_no_order_does_both_are_named_with_versions_and_ranges_and_the_way_out() -> None:
    """F46."""
    found = order_upgrade(make_deployed(BASE_1, NARROW_1), wanted(BASE_2, NARROW_2))
    (refusal,) = found.refusals
    assert (found.steps, refusal.check, refusal.addresses) == ((), "upgrade-order", ("block consul 2.0.0",))
    assert refusal.what == (
        "requires base ~> 2.0, and base 1.0.0 is deployed; consul 1.0.0, which is deployed, accepts base ~> 1.0, "
        "and 2.0.0 is wanted: neither can go first"
    )
    assert refusal.mend == "upgrade consul first to a version in between that accepts both base 1.0.0 and 2.0.0, then to 2.0.0"


def test_a_deployed_consumer_that_is_no_part_of_the_run_has_to_accept_the_new_producer() -> None:
    """F46."""
    found = order_upgrade(make_deployed(BASE_1, NARROW_1), wanted(BASE_2))
    (refusal,) = found.refusals
    assert (found.steps, refusal.check, refusal.addresses) == ((), "consumer-version", ("block consul 1.0.0",))
    assert refusal.what == "is deployed and accepts base ~> 1.0; base would go from 1.0.0 to 2.0.0"
    assert names(order_upgrade(make_deployed(BASE_1, WIDE_1), wanted(BASE_2)).steps) == ["base"]


def test_a_new_consumer_has_to_accept_a_producer_that_stays() -> None:
    """F46."""
    (refusal,) = order_upgrade(make_deployed(BASE_1, WIDE_1), wanted(NARROW_2)).refusals
    assert (refusal.check, refusal.what) == ("requires-version", "requires base ~> 2.0, and block base 1.0.0 is deployed")
    assert refusal.mend == "take a version of base within ~> 2.0, or a version of consul that accepts base 1.0.0"
    assert names(order_upgrade(make_deployed(BASE_2, WIDE_1), wanted(NARROW_2)).steps) == ["consul"]


def test_what_does_not_fit_already_and_does_not_change_refuses_nothing() -> None:
    """Another image for base goes through, whatever a consumer that stays says of the version it has."""
    found = order_upgrade(make_deployed(BASE_1, NARROW_2), wanted(BASE_1))
    assert (names(found.steps), found.refusals) == (["base"], ())


def test_what_is_wanted_has_to_fit_together() -> None:
    """F46."""
    (refusal,) = order_upgrade({}, wanted(BASE_2, NARROW_1)).refusals
    assert (refusal.check, refusal.what) == ("requires-version", "requires base ~> 1.0, and block base 2.0.0 is wanted")


def test_from_nothing_the_order_is_that_of_dependencies() -> None:
    found = order_upgrade({}, wanted(NARROW_1, BASE_1))
    why = "goes before consul, as consul 1.0.0 requires base ~> 1.0"
    assert found.steps == (Step("base", "", "1.0.0", (), (why,)), Step("consul", "", "1.0.0", ("base",)))


def test_a_producer_that_is_not_deployed_comes_first_and_a_deployed_consumer_has_to_accept_it() -> None:
    plain = make_part("consul", "1.0.0")
    assert names(order_upgrade(make_deployed(plain), wanted(NARROW_2, BASE_2)).steps) == ["base", "consul"]
    (refusal,) = order_upgrade(make_deployed(NARROW_1), wanted(NARROW_2, BASE_2)).refusals
    assert refusal.check == "upgrade-order"
    assert "and no base is deployed" in refusal.what
    (refusal,) = order_upgrade(make_deployed(NARROW_1), wanted(BASE_2)).refusals
    assert refusal.what == "is deployed and accepts base ~> 1.0; base would be made in version 2.0.0"


def test_a_consumer_that_needs_the_producer_no_longer_goes_first_where_it_did_not_accept_the_new_one() -> None:
    found = order_upgrade(make_deployed(BASE_1, NARROW_1), wanted(BASE_2, make_part("consul", "2.0.0")))
    assert (names(found.steps), found.refusals) == (["consul", "base"], ())


def test_a_required_block_that_is_nowhere_is_no_graph() -> None:
    with pytest.raises(UsageError, match="block consul requires base, and there is no such block"):
        order_upgrade(make_deployed(NARROW_1), wanted(NARROW_2))


def test_a_cycle_of_what_must_be_first_is_refused_and_shown() -> None:
    """F46: b before a, c before b, a before c."""
    deployed = make_deployed(make_part("a", "1"), make_part("b", "1", {"a": "1"}), make_part("c", "1", {"a": "1", "b": "1"}))
    new = wanted(make_part("a", "2"), make_part("b", "2", {"a": ">= 1"}), make_part("c", "2", {"a": "2", "b": ">= 1"}))
    deployed["c"] = Deployed("c", "1", {"b": "1"})
    found = order_upgrade(deployed, new)
    (refusal,) = found.refusals
    assert (found.steps, refusal.check, refusal.addresses) == ((), "upgrade-order", ("block a", "block c", "block b"))
    assert refusal.what == (
        "can't be put in an order, a before c before b before a: "
        "a goes before c, as c 2 requires a 2; "
        "c goes before b, as b 2 isn't accepted by c as it is deployed (b 1); "
        "b goes before a, as a 2 isn't accepted by b as it is deployed (a 1)"
    )


def test_a_wish_gives_way_to_what_must_be_and_only_there() -> None:
    """F46: `c` before `b` before `a` must be, so that `a` can't be before `c`; `d` still follows `a`, and `z` the `y` that it needs."""
    deployed, new = KNOTTED
    deployed = {**deployed, **make_deployed(make_part("y", "1"), make_part("z", "1", {"y": ">= 1"}))}
    new = {**new, **wanted(make_part("y", "2"), make_part("z", "2", {"y": ">= 1"}))}
    assert names(order_upgrade(deployed, new).steps) == ["y", "c", "b", "z", "a", "d"]


def test_a_deployed_block_that_does_not_tell_what_it_requires_is_unknown_and_may_be_passed_over() -> None:
    deployed = {**make_deployed(BASE_1), "consul": Deployed("consul", "1.0.0", None)}
    for new in (wanted(BASE_2), wanted(BASE_2, WIDE_2)):
        found = order_upgrade(deployed, new)
        (refusal,) = found.refusals
        assert (refusal.check, refusal.addresses, may_override(refusal.check)) == ("consumer-unknown", ("block consul 1.0.0",), True)
        assert names(found.steps) == [name for name in ("base", "consul") if name in new]


def test_a_producer_of_unknown_version_goes_first_where_the_deployed_consumer_accepts_the_new_one() -> None:
    deployed = {**make_deployed(WIDE_1), "base": Deployed("base", problem="publishes no output `block`", requires={})}
    assert names(order_upgrade(deployed, wanted(BASE_2, NARROW_2)).steps) == ["base", "consul"]


def test_where_only_an_unknown_version_could_tell_whether_the_consumer_may_be_first_it_is_unknown() -> None:
    deployed = {**make_deployed(NARROW_1), "base": Deployed("base", problem="publishes no output `block`", requires={})}
    found = order_upgrade(deployed, wanted(BASE_2, NARROW_2))
    (refusal,) = found.refusals
    assert refusal.check == "requires-unknown"
    assert refusal.what == "requires base ~> 2.0, and nobody knows which version of base is deployed"
    assert names(found.steps) == ["consul", "base"]


def test_a_producer_of_unknown_version_that_stays_is_unknown() -> None:
    deployed = {"base": Deployed("base", "latest", {})}
    found = order_upgrade(deployed, wanted(NARROW_1))
    assert [refusal.check for refusal in found.refusals] == ["requires-unknown"]
    assert names(found.steps) == ["consul"]


def test_a_range_that_is_none_is_unknown() -> None:
    deployed = {**make_deployed(BASE_1), "consul": Deployed("consul", "1.0.0", {"base": "newest"})}
    for new in (wanted(BASE_2), wanted(BASE_2, WIDE_2)):
        found = order_upgrade(deployed, new)
        (refusal,) = found.refusals
        assert refusal.check == "consumer-unknown"
        assert "says that it requires base `newest`, which is no constraint" in refusal.what
        assert len(found.steps) == len(new)
