"""A server whose address can't move with it leaves the cluster before it is stopped, and joins it again at its new address.

Taken away without that, a Consul server that came back at another address took 53 s and 27 rounds of election; one that had left took
as long as one that is new. Others can't leave for a time (etcd): for those `refuse_addressless` stands before everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import GateFailed
from immtf.model.events import Noted, StepStarted
from immtf.run.world import service_gate

if TYPE_CHECKING:
    from immtf.model.names import NodeId
    from immtf.model.service import ServiceView
    from immtf.run.gates import Patience
    from immtf.run.world import World

OUT_S = 30.0
_AGAIN = "look at the server's log; `immtf upgrade` goes on from what it finds"


def leave(world: World, node: NodeId, patience: Patience, step: str) -> None:
    """Let a node's server leave, where its address stays behind when the node goes; one that has left, or is dead, is left alone.

    Raises `CloudFailed` where it won't, `GateFailed` where the others still count it, or where that can't be seen. Nothing was stopped.
    """
    gate = service_gate(world.cluster(node))
    if gate is None or world.layout.nodes[node].interface is not None:
        return
    view = _seen(world, node)
    address, answer = view.addresses.get(node, ""), view.answers.get(node)
    if view.peer(node) is None:
        return
    if not address or answer is None or answer.problem:
        what = f"{node}: its server doesn't answer, so it can't leave; it is counted as a dead one until it is back"
        patience.emit(Noted("warning", what))
        return
    patience.emit(StepStarted(str(node), step, f"the server at {address} leaves: its address can't move with it"))
    world.service.leave(gate, address)
    _wait_until_out(world, node, patience)


def _seen(world: World, node: NodeId) -> ServiceView:
    view = world.view(node.cluster)
    if view is None or view.problem:
        raise GateFailed(f"who is in the cluster can't be seen: {view.problem if view else ''}", where=str(node), next=_AGAIN)
    return view


def _wait_until_out(world: World, node: NodeId, patience: Patience) -> None:
    deadline = patience.clock.monotonic() + OUT_S
    while True:
        view = world.view(node.cluster)
        if view is not None and not view.problem and view.peer(node) is None:
            return
        if patience.clock.monotonic() >= deadline:
            why = f" ({view.problem})" if view is not None and view.problem else ""
            raise GateFailed(f"it was asked to leave and is still in the cluster after {OUT_S:.0f} s{why}", where=str(node), next=_AGAIN)
        patience.clock.sleep(0.5)
