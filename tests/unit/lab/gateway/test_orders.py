from __future__ import annotations

from immtf.lab.gateway.orders import Fail, Late, Order, Orders, Stuck
from immtf.lab.gateway.wire import Call

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
