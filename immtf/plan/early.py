"""Which volumes of a node can be given to its new instance while Terraform still waits for it.

Terraform attaches them itself, but sleeps before it looks (measured: ten seconds after the instance, twenty for the attachment, ten for
one that it finds there); what it finds attached it takes into its state. So nothing is done here but what the judged plan does, and
only until Terraform has begun with it: where anything is not as expected, Terraform does it alone, as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.plan.judge import acting
from immtf.plan.layout import ATTACHMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.cloud import Instance, Volume
    from immtf.model.layout import NodePlace
    from immtf.model.snapshot import NodeNow
    from immtf.model.terraform import PlanData


@dataclass(frozen=True, slots=True)
class Expected:
    """What a judged plan makes of a node: an instance of this image, and attachments of its volumes: the devices by the volumes' ids."""

    instance: str
    image_id: str
    devices: Mapping[str, str]
    attachments: frozenset[str]

    def makes(self, begun: Collection[tuple[str, str]]) -> bool:
        """Return whether Terraform has begun to make the instance."""
        return (self.instance, "create") in begun

    def attaches(self, begun: Collection[tuple[str, str]]) -> bool:
        """Return whether Terraform has begun to attach a volume."""
        return any(address in self.attachments for address, _ in begun)


def expected(plan: PlanData, place: NodePlace) -> Expected | None:
    """Return what a plan will make of a node; None where it makes no instance to which volumes are to be attached."""
    rows = acting(plan)
    made = next((row for row in rows if row.address == place.instance and "create" in row.actions and not row.creates_first), None)
    own = {volume.volume_id for volume in place.volumes if volume.volume_id}
    ties = [row for row in rows if row.type == ATTACHMENT and row.is_create and row.after.get("volume_id") in own]
    devices = {str(row.after["volume_id"]): str(row.after.get("device_name") or "") for row in ties}
    if made is None or place.slots or not devices or not all(devices.values()):
        return None
    return Expected(place.instance, str(made.after.get("ami") or ""), devices, frozenset(row.address for row in ties))


def new_instance(now: NodeNow, wanted: Expected) -> Instance | None:
    """Return the node's new instance, seen by its tags, where it runs and is as expected; the old one has to be gone."""
    if now.alive or len(now.strays) != 1:
        return None
    found = now.strays[0]
    return found if found.state == "running" and found.image_id == wanted.image_id else None


def attachable(now: NodeNow, wanted: Expected, instance: Instance) -> dict[str, str]:
    """Return the volumes that are free and can be attached to this instance, each with its device."""
    return {
        volume.volume_id: wanted.devices[volume.volume_id]
        for volume in now.volumes.values()
        if volume and volume.volume_id in wanted.devices and _is_free(volume) and volume.zone == instance.zone
    }


def are_attached(now: NodeNow, wanted: Expected, instance: Instance) -> bool:
    """Return whether every volume is seen attached to this instance."""
    there = {
        volume.volume_id
        for volume in now.volumes.values()
        if volume and any((tie.instance_id, tie.state) == (instance.instance_id, "attached") for tie in volume.attachments)
    }
    return set(wanted.devices) <= there


def _is_free(volume: Volume) -> bool:
    return volume.state == "available" and not volume.attachments
