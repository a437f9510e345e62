"""Strategy `swap` on a simulated cluster: the node is away for the move alone, and a new instance that is no good changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, PersonNeeded
from immtf.model.events import NodeFinished, NodeStarted, StepFinished
from tests.fakes.simulation import NEW, OLD
from tests.fakes.slots import make_slotted
from tests.fakes.watch import Watch

if TYPE_CHECKING:
    from tests.fakes.world import Scene


def order(scene: Scene) -> list[str]:
    return [event.step for event in scene.events if isinstance(event, StepFinished)]


def test_a_cluster_is_swapped_node_by_node() -> None:
    scene = make_slotted(3, leader=0)
    Watch(scene)
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    started = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert started == ["server/b", "server/c", "server/a"]
