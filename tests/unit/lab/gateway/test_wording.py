"""Orders as JSON: read as they are written, and refused where they aren't understood."""

from __future__ import annotations

from typing import Any

import pytest

from immtf.errors import LabFailed
from immtf.lab.gateway.orders import Dropped, Fail, Late, Order, Stale, Stuck
from immtf.lab.gateway.wording import read_order, write_order


@pytest.mark.parametrize("then", [Fail("VolumeInUse", "no", 400), Late(2.5), Stuck(), Stale(), Dropped(), Dropped(done=True)])
def test_an_order_is_read_as_it_was_written(then: Any) -> None:
    order = Order("AttachVolume", then, resource="vol-1", times=3, seconds=60.0, every=2)
    assert read_order(write_order(order)) == order


def test_what_is_left_out_is_the_usual() -> None:
    assert read_order({"action": "RunInstances", "then": {"fail": {"code": "X"}}}) == Order("RunInstances", Fail("X"))


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"action": "RunInstances"},
        {"action": "RunInstances", "then": "explode"},
        {"action": "RunInstances", "then": {"late": "soon"}},
        {"action": "RunInstances", "then": {"fail": {"cod": "X"}}},
        {"action": "RunInstances", "then": 5},
        {"action": "RunInstances", "then": "stuck", "time": 5},
        {"action": "RunInstances", "then": "stuck", "times": 0},
        {"action": "RunInstances", "then": "stuck", "every": 0},
    ],
)
def test_nonsense_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(LabFailed, match="isn't understood"):
        read_order(rule)
