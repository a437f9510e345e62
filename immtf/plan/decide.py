"""Before each step: the step against the world as it is now. Done, to do, to wait for, or not to be done by a machine.

Nothing is remembered from before the step, so a step that was carried out half, twice, or by somebody else is decided right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from immtf.model.cloud import GONE

if TYPE_CHECKING:
    from immtf.model.cloud import Attachment, Instance, Volume
    from immtf.model.layout import VolumePlace
    from immtf.model.snapshot import NodeNow


@dataclass(frozen=True, slots=True)
class Done:
    """What the step is for holds; `evidence` says how that was seen."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Act:
    """There is something to do, on what, and why."""

    what: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The world is on its way; `reason` says where it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """A machine must not go on here; `next` says what a person does, `check` which rule it is (`plan.checks`)."""

    reason: str
    next: str
    check: str


Decision: TypeAlias = Done | Act | Wait | Halt


def decide_stop(now: NodeNow) -> Decision:
    """Decide `StopNode`."""
    instance = now.instance
    if instance is None or instance.state == "terminated":
        return Done("there is no instance any more")
    match instance.state:
        case "stopped":
            return Done(f"{instance.instance_id} is stopped")
        case "running":
            return Act(f"stop {instance.instance_id}")
        case _:
            return Wait(f"{instance.instance_id} is {instance.state}")


def decide_start(now: NodeNow) -> Decision:
    """Decide `StartNode`."""
    instance = now.instance
    if instance is None or instance.state in GONE:
        return Halt("there is no instance to start", "run `immtf upgrade` again: it plans anew", "no-instance")
    match instance.state:
        case "running":
            return Done(f"{instance.instance_id} is running")
        case "stopped":
            return Act(f"start {instance.instance_id}")
        case _:
            return Wait(f"{instance.instance_id} is {instance.state}")


def decide_detach(now: NodeNow) -> Decision:
    """Decide `DetachVolumes`, volume by volume; the first that is not available speaks for the step."""
    for place in now.place.volumes:
        decision = _decide_volume(place, now.volumes.get(place.name), now.instance)
        if not isinstance(decision, Done):
            return decision
    return Done(", ".join(f"{place.volume_id} is available" for place in now.place.volumes) or "no volumes")


def _decide_volume(place: VolumePlace, volume: Volume | None, instance: Instance | None) -> Decision:
    if volume is None:
        return lost(place)
    if volume.state == "available" and not volume.attachments:
        return Done(f"{volume.volume_id} is available")
    if not volume.attachments:
        return Wait(f"{volume.volume_id} is {volume.state}")
    return _decide_tie(volume, volume.attachments[0], instance)


def _decide_tie(volume: Volume, tie: Attachment, instance: Instance | None) -> Decision:
    """Decide what to do about a volume that is tied to an instance."""
    if instance is None or tie.instance_id != instance.instance_id:
        return Halt(
            f"{volume.volume_id} of this node is {tie.state} to {tie.instance_id}, which is not this node's instance",
            f"look at {tie.instance_id}; detach the volume by hand if it doesn't belong there",
            "volume-elsewhere",
        )
    if instance.state == "running":
        what = f"{volume.volume_id} is in use in {instance.instance_id}, which runs"
        return Halt(what, "run `immtf upgrade` again: it stops it first", "volume-in-use")
    if tie.state == "attached" and instance.state == "stopped":
        return Act(f"detach {volume.volume_id} from {instance.instance_id}")
    return Wait(f"{volume.volume_id} is {tie.state} to {tie.instance_id}, which is {instance.state}")


def decide_apply(now: NodeNow) -> Decision:
    """Decide `ApplyNode`: every volume must be free or on an instance of this node's own, and no stray instance may wait for it.

    A volume that is still on its way off another instance is waited for.
    """
    if now.strays:
        names = ", ".join(f"{stray.instance_id} ({stray.state})" for stray in now.strays)
        return Halt(
            f"an instance tagged as this node's is not in Terraform's state: {names}",
            "it was left by an interrupted apply: terminate it, "
            f"or take it in with terraform import '{now.place.instance}' {now.strays[0].instance_id}",
            "stray-instance",
        )
    own = {item.instance_id for item in (now.instance, *now.slots.values()) if item is not None}
    for place in now.place.volumes:
        volume = now.volumes.get(place.name)
        if volume is None and place.volume_id:
            return lost(place)
        for tie in volume.attachments if volume else ():
            if tie.instance_id not in own:
                what = f"{place.volume_id} is {tie.state} to {tie.instance_id}, not to this node's instance"
                if tie.state == "detaching":  # on its way off, as it was seen to come back from `available`
                    return Wait(what)
                return Halt(what, f"look at {tie.instance_id}", "volume-elsewhere")
    return interface_astray(now) or Act("apply this node's change")


def interface_astray(now: NodeNow) -> Halt | None:
    """Return the halt for a node whose own network interface is gone, or hangs on an instance that isn't the node's."""
    if now.place.interface is None or not now.place.interface.interface_id:
        return None
    if now.interface is None:
        what = f"the node's network interface {now.place.interface.interface_id} can't be found"
        return Halt(what, "find it before anything else is touched", "interface-lost")
    owner = now.interface.instance_id
    if owner and owner not in {item.instance_id for item in now.slots.values() if item}:
        what = f"{now.interface.interface_id} is {now.interface.tie} to {owner}, which is not this node's instance"
        return Halt(what, f"look at {owner}; detach it by hand if it doesn't belong there", "interface-elsewhere")
    return None


def lost(place: VolumePlace) -> Halt:
    """Return the halt for a volume that the cloud doesn't show."""
    what = f"volume {place.name} ({place.volume_id or 'no id'}) can't be found"
    return Halt(what, "find the volume before anything else is touched", "volume-lost")
