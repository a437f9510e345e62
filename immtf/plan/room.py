"""What a node's plan asks the cloud for, and what to say when the cloud has no room for it.

The node is away then and its volume is safe: nothing but the new instance is missing. So the way on is told exactly: the same
again, or this node alone as it was before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.errors import NoRoom
from immtf.plan.faults import Fault, fault_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from immtf.errors import CloudFailed, ImmtfError, TerraformFailed
    from immtf.model.layout import NodePlace
    from immtf.model.terraform import PlanData

RETRIED = frozenset({Fault.NO_CAPACITY, Fault.ADDRESS_IN_USE, Fault.VOLUME_IN_USE, Fault.THROTTLED})
"""Faults after which an apply is made again: nothing was done for the call, that is certain. A broken API may have made an instance."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The instance that a plan wants for a node, and the image and type that it had before; "" is not known."""

    type: str = ""
    zones: tuple[str, ...] = ()
    address: str = ""
    subnet_id: str = ""
    old_image: str = ""
    old_type: str = ""


def wanted_of(plan: PlanData, place: NodePlace, zones: Collection[str], earlier: Wanted) -> Wanted:
    """Return what the plan wants for the node in these zones; what it doesn't tell any more is taken from an `earlier` plan of the run."""
    row = next((row for row in plan.changes if row.address == place.instance and not row.deposed), None)
    after, before = (row.after, row.before) if row else ({}, {})
    return Wanted(
        type=_text(after, "instance_type") or earlier.type,
        zones=tuple(sorted(zones)),
        address=_text(after, "private_ip") or earlier.address,
        subnet_id=_text(after, "subnet_id") or earlier.subnet_id,
        old_image=earlier.old_image or _text(before, "ami"),
        old_type=earlier.old_type or _text(before, "instance_type"),
    )


def no_room(
    node: str, wanted: Wanted, error: TerraformFailed | CloudFailed, *, tries: int, seconds: float, holder: str, volumes: str
) -> ImmtfError:
    """Return what a run ends with when the last try failed as well.

    `holder` says who has the address ("" is not known), `volumes` which volumes of the node are kept. Throttling is returned as it is.
    """
    asked = f"asked {tries} times over {seconds:.0f} s"
    match fault_of(error.code):
        case Fault.NO_CAPACITY:
            type_, zone = wanted.type or "the new instance", f" in {', '.join(wanted.zones)}" if wanted.zones else ""
            what = f"{error.code}: the cloud has no capacity for {type_}{zone}, {asked}; kept and safe: {volumes}"
            next_act = f"`immtf upgrade` tries again{_as_before(node, wanted)}"
        case Fault.ADDRESS_IN_USE:
            who = f"held by {holder}" if holder else "who holds it can't be seen"
            what = f"{error.code}: the node's address {wanted.address or '(not known)'} is still in use, {asked}: {who}"
            next_act = "free the address, then `immtf upgrade` goes on with this node"
        case Fault.VOLUME_IN_USE:
            what = f"{error.code}: {volumes} can't be attached, {asked}"
            next_act = "look at what it is attached to; never detach by force; then `immtf upgrade` goes on with this node"
        case _:
            return error
    return NoRoom(what, code=error.code, where=node, next=next_act)


def no_room_for_all(block: str, error: TerraformFailed | CloudFailed, *, tries: int, seconds: float) -> ImmtfError:
    """Return what a `create` ends with when the last try failed as well; throttling is returned as it is."""
    if fault_of(error.code) is Fault.THROTTLED:
        return error
    what = f"{error.code}: the cloud has no room, asked {tries} times over {seconds:.0f} s: {error.what}"
    next_act = "`immtf create` makes what is missing; what was made stays, and `immtf destroy` takes it away"
    return NoRoom(what, code=error.code, where=f"block {block}", next=next_act)


def _as_before(node: str, wanted: Wanted) -> str:
    """Offer the image and the type that the node had, for this node alone."""
    if not wanted.old_image:
        return ""
    changed = wanted.old_type and wanted.old_type != wanted.type
    type_ = f", with the instance type {wanted.old_type} that it had in Terraform's variables" if changed else ""
    return f"; or this node alone on the image that it had{type_}: `immtf upgrade --image={wanted.old_image} --only={node}`"


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
