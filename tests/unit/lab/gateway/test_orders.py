from __future__ import annotations

from immtf.lab.gateway.orders import Fail, Late, Order, Orders, Stale, Stuck
from immtf.lab.gateway.wire import Call
from tests.fakes.clock import VirtualClock

STOP = Call("ec2", "r", "StopInstances", {"InstanceId.1": "i-1"})


def test_an_order_holds_as_often_as_said() -> None:
    orders = Orders()
    orders.add(Order("StopInstances", Fail("X"), times=2))
    assert [orders.take(STOP) is None for _ in range(3)] == [False, False, True]


def test_the_first_that_fits_is_taken() -> None:
    orders = Orders()
    for order in (Order("StopInstances", Stuck(), resource="i-2"), Order("ec2.StopInstances", Late(1)), Order("StopInstances", Stuck())):
        orders.add(order)
    taken = [orders.take(STOP) for _ in range(3)]
    assert [order.then if order else None for order in taken] == [Late(1), Stuck(), None]


def test_an_order_without_end_holds_until_it_is_cleared() -> None:
    orders = Orders()
    orders.add(Order("StopInstances", Stuck(), times=None))
    assert all(orders.take(STOP) for _ in range(5))
    orders.clear()
    assert orders.take(STOP) is None


def test_services_may_be_told_apart() -> None:
    assert not Order("ssm.StopInstances", Stuck()).fits(STOP)
    assert not Order("StartInstances", Stuck()).fits(STOP)
    assert Order("ec2.StopInstances", Stuck(), resource="i-1").fits(STOP)


def test_an_order_may_be_for_many_actions_and_strike_one_call_in_some() -> None:
    """Throttling that is sprinkled over everything."""
    orders = Orders()
    orders.add(Order("Stop*", Stuck(), times=2, every=3))
    orders.add(Order("ec2.*", Late(1), times=None))
    taken = [orders.take(STOP) for _ in range(8)]
    stuck = [place for place, order in enumerate(taken) if order and order.then == Stuck()]
    assert stuck == [2, 5]
    assert all(taken), "what one order lets pass, the next one strikes"


def test_an_order_for_some_seconds_ends_by_itself() -> None:
    clock = VirtualClock()
    orders = Orders(clock.monotonic)
    orders.add(Order("StopInstances", Stale(), times=None, seconds=5))
    assert orders.take(STOP)
    clock.sleep(5)
    assert orders.take(STOP) is None
    assert orders.holding() == ()


def test_what_still_holds_is_listed_with_the_times_left() -> None:
    orders = Orders()
    orders.add(Order("StopInstances", Fail("X"), times=3))
    orders.take(STOP)
    assert orders.holding() == (Order("StopInstances", Fail("X"), times=2),)


def test_a_refusal_has_the_status_that_aws_sends_with_its_code() -> None:
    """SDKs try again by the status."""
    codes = ("InsufficientInstanceCapacity", "RequestLimitExceeded", "AuthFailure", "ExpiredToken")
    assert [Fail(code).http_status for code in codes] == [500, 503, 401, 400]
    assert Fail("X", status=418).http_status == 418
