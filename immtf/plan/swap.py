"""The steps of strategy `swap` against the world as it is now: what serves is stopped, then everything of the node moves at once.

Volumes and the network interface move side by side, each as soon as it can: the node is away for that long. Everything is asked of the
cloud; nothing depends on how far an earlier run came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from immtf.model.cloud import GONE
from immtf.plan.decide import Act, Done, Halt, Wait, decide_start, decide_stop, interface_astray, lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.cloud import Instance, Volume
    from immtf.model.layout import VolumePlace
    from immtf.model.snapshot import NodeNow
    from immtf.plan.decide import Decision

_AGAIN = "run `immtf upgrade` again: it plans anew"


@dataclass(frozen=True, slots=True)
class Order:
    """One call to the cloud: what is moved (a volume's id, or "" for the interface), off or on to which instance."""

    what: Literal["attach", "detach"]
    instance_id: str
    volume_id: str = ""


Ordered: TypeAlias = "tuple[Decision, Order | None]"


def has_moved(now: NodeNow, slot: str) -> bool:
    """Return whether everything that holds data hangs on the wanted slot's instance: the volumes, or the interface where there are none."""
    target = now.slots.get(slot)
    ties = [{tie.instance_id for tie in volume.attachments} if volume else set() for volume in now.volumes.values()]
    if not ties:
        ties = [{now.interface.instance_id}] if now.interface else []
    return target is not None and bool(ties) and all(target.instance_id in owners for owners in ties)


def has_part(now: NodeNow, slot: str) -> bool:
    """Return whether anything of the node hangs on the wanted slot's instance: a volume, or the network interface."""
    target = now.slots.get(slot)
    owners = {tie.instance_id for volume in now.volumes.values() if volume for tie in volume.attachments}
    return target is not None and target.instance_id in owners | ({now.interface.instance_id} if now.interface else set())


def decide_raise(now: NodeNow, slot: str) -> Decision:
    """Decide what becomes of an instance that is in the wanted slot: it has to run, or to be gone altogether."""
    target = now.slots.get(slot)
    if target is None or target.state == "terminated":
        return Done("there is no instance yet")
    if target.state == "shutting-down":
        return Wait(f"{target.instance_id} is {target.state}")
    return decide_start(replace(now, instance=target))


def decide_stop_old(now: NodeNow, slot: str) -> Decision:
    """Decide `StopOld`: every instance of the node but the wanted slot's, one after the other; none while the wanted one doesn't run."""
    target = now.slots.get(slot)
    if to_stop(now, slot) and (target is None or target.state != "running"):
        what = f"the new instance {target.instance_id} does not run ({target.state})" if target else f"there is no instance in slot {slot}"
        return Halt(f"{what}: nothing is stopped for it", _AGAIN, "no-instance")
    decisions = [decide_stop(replace(now, instance=item)) for name, item in now.slots.items() if name != slot and item is not None]
    unfinished = [decision for decision in decisions if not isinstance(decision, Done)]
    seen = ", ".join(decision.evidence for decision in decisions if isinstance(decision, Done))
    return unfinished[0] if unfinished else Done(seen or "no other instance")


def to_stop(now: NodeNow, slot: str) -> list[str]:
    """Return the ids of the instances that `StopOld` has still to stop."""
    return [item.instance_id for name, item in now.slots.items() if name != slot and item is not None and item.state == "running"]


def decide_move(now: NodeNow, slot: str) -> Decision:
    """Decide `MoveToSlot`: what halts one thing halts the step; otherwise whatever can be moved now is."""
    found = [decision for decision, _ in _each(now, slot)]
    for kind in (Halt, Act, Wait):
        chosen = [decision for decision in found if isinstance(decision, kind)]
        if chosen and isinstance(chosen[0], Act):
            return Act("; ".join(item.what for item in chosen if isinstance(item, Act)))
        if chosen:
            return chosen[0]
    return Done(", ".join(item.evidence for item in found if isinstance(item, Done)))


def orders(now: NodeNow, slot: str) -> list[Order]:
    """Return the calls that `MoveToSlot` has to make now; volumes are attached before the interface, which their service waits for too."""
    return [order for decision, order in _each(now, slot) if isinstance(decision, Act) and order is not None]


def _each(now: NodeNow, slot: str) -> Sequence[Ordered]:
    target = now.slots.get(slot)
    if target is None or target.state in GONE:
        return [(Halt(f"there is no instance in slot {slot}", _AGAIN, "no-instance"), None)]
    found = [_volume(now, place, now.volumes.get(place.name), target) for place in now.place.volumes]
    return [*found, _interface(now, target)] if now.place.interface else found


def _volume(now: NodeNow, place: VolumePlace, volume: Volume | None, target: Instance) -> Ordered:
    if volume is None:
        return lost(place), None
    if not volume.attachments:
        ready = volume.state == "available"
        attach = (Act(f"attach {volume.volume_id} to {target.instance_id}"), Order("attach", target.instance_id, volume.volume_id))
        return attach if ready else (Wait(f"{volume.volume_id} is {volume.state}"), None)
    strange = [tie for tie in volume.attachments if tie.instance_id != target.instance_id]
    tie = (strange or volume.attachments)[0]  # a volume may hang on several: what is done says nothing about another one
    return _tied(now, volume.volume_id, tie.instance_id, tie.state, target)


def _interface(now: NodeNow, target: Instance) -> Ordered:
    interface, astray = now.interface, interface_astray(now)
    if astray or interface is None:
        return astray or Wait("the node's network interface isn't there yet"), None
    if not interface.instance_id:
        attach = (Act(f"attach {interface.interface_id} to {target.instance_id}"), Order("attach", target.instance_id))
        return attach if interface.state == "available" else (Wait(f"{interface.interface_id} is {interface.state}"), None)
    decision, order = _tied(now, interface.interface_id, interface.instance_id, interface.tie, target)
    return decision, Order(order.what, order.instance_id) if order else None


def _tied(now: NodeNow, thing: str, owner: str, state: str, target: Instance) -> Ordered:
    """Decide about a thing that hangs on an instance: on the wanted one, on another of this node's, or on a stranger."""
    what = f"{thing} is {state} to {owner}"
    if owner == target.instance_id:
        return (Done(what), None) if state == "attached" else (Wait(what), None)
    own = next((item for item in now.slots.values() if item is not None and item.instance_id == owner), None)
    if own is None:
        look = f"look at {owner}; detach it by hand if it doesn't belong there"
        return Halt(f"{what}, which is not this node's instance", look, "volume-elsewhere"), None
    if own.state == "running":
        return Halt(f"{what}, which runs", "run `immtf upgrade` again: it stops it first", "volume-in-use"), None
    if state == "attached" and own.state == "stopped":
        return Act(f"detach {thing} from {owner}"), Order("detach", owner, thing)
    return Wait(f"{what}, which is {own.state}"), None
