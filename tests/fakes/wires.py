"""Network interfaces in the simulated cloud: a node's own, with its address, which moves from one instance to another as a volume does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.simulation import SimInstance, SimWorld


@dataclass
class SimInterface:
    """A node's own network interface; like a volume it hangs on one instance at the most."""

    interface_id: str
    node: str
    zone: str
    address: str
    owner: str = ""
    tie: str = ""


def plug(sim: SimWorld, interface: SimInterface, item: SimInstance) -> None:
    """Attach a free network interface; the caller has asked whether it is free."""
    assert not interface.owner, f"{interface.interface_id} would hang on {interface.owner} and {item.instance_id}"
    interface.owner, interface.tie = item.instance_id, "attaching"
    sim.clock.after(sim.times.move, lambda: sim.tie(interface, item, "attaching", "attached"))


def unplug(sim: SimWorld, interface: SimInterface, item: SimInstance) -> None:
    """Detach a network interface; from an instance that runs it is never to come."""
    if item.state in {"running", "stopping"}:
        sim.pulled.append(interface.interface_id)
    interface.tie = "detaching"
    sim.clock.after(sim.times.move, lambda: _loose(interface, item))


def plugged(sim: SimWorld, item: SimInstance) -> bool:
    """Return whether an instance has its node's address: always, where the node has no interface of its own."""
    own = [interface for interface in sim.interfaces.values() if interface.node == item.node]
    return not own or any((interface.owner, interface.tie) == (item.instance_id, "attached") for interface in own)


def _loose(interface: SimInterface, item: SimInstance) -> None:
    if (interface.owner, interface.tie) == (item.instance_id, "detaching"):
        interface.owner = interface.tie = ""
