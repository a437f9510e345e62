"""Leadership is handed over before the leader is stopped, where the service can do it.

It is a comfort for clients, never a condition: a service that can't hand over elects anew when its leader stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import ImmtfError, LeaseLost
from immtf.model.events import StepStarted
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView
    from immtf.run.gates import Patience
    from immtf.run.world import World

WAIT_S = 15.0


def hand_over(world: World, node: NodeId, patience: Patience) -> tuple[str, bool]:
    """Hand leadership over if this node leads; return what was seen, and whether it was handed over."""
    gate = service_gate(world.cluster(node))
    view = world.view(node.cluster)
    if gate is None or view is None:
        return "no service that could be asked who leads", False
    if view.leader() != node:
        return f"{view.leader() or 'nobody known'} leads", False
    heir = _heir(view, world.at_work(node))
    if heir is None:
        return "no healthy voter to hand over to", False
    patience.emit(StepStarted(str(node), "HandOver", f"hand leadership over to {heir}"))
    try:
        told = world.service.hand_over(gate, view.addresses[node], view.addresses[heir])
    except LeaseLost:
        raise
    except ImmtfError as error:
        return f"not handed over ({error.what}); the others elect a leader when it stops", False
    return (told, True) if _wait(world, node, patience) else (f"{told}; it leads still", False)


def _heir(view: ServiceView, leaving: Collection[NodeId]) -> NodeId | None:
    """Return the healthy voter that is least behind, of those that stay."""
    peers = [(view.peer(other), other) for other in sorted(view.addresses) if other not in leaving]
    fit = [(peer.lag or 0, other) for peer, other in peers if peer is not None and peer.voter and peer.healthy]
    return min(fit)[1] if fit else None


def _wait(world: World, node: NodeId, patience: Patience) -> bool:
    deadline = patience.clock.monotonic() + WAIT_S
    while patience.clock.monotonic() < deadline:
        view = world.view(node.cluster)
        if view is not None and view.leader() not in {None, node}:
            return True
        patience.clock.sleep(0.5)
    return False
