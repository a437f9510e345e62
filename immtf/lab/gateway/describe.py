"""`Describe*` of what the lab has states for.

Filters over states are taken out, the backend is asked, the states are laid over, the filters are applied to what is shown.
Pages stay the backend's: a page may then hold fewer rows than asked for, as on AWS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.lab.gateway.filters import Filter, fits_all, take_out
from immtf.lab.gateway.overlay import lay_image, lay_instance, lay_interface, lay_modification, lay_snapshot, lay_status, lay_volume
from immtf.lab.gateway.wire import Answer, parse_xml, write_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from immtf.lab.gateway.cloud import Cloud
    from immtf.lab.gateway.states import Record
    from immtf.lab.gateway.wire import Call


@dataclass(frozen=True, slots=True)
class Listing:
    """One `Describe*`: where its rows are, how a row is laid over, and where the filters that are held back look."""

    rows: str
    lay: Callable[[Record, Element], None]
    held: Mapping[str, str]
    sent: Mapping[str, str] = field(default_factory=dict)


LISTINGS = {
    "DescribeInstances": Listing(
        "reservationSet/item/instancesSet",
        lay_instance,
        {
            "instance-state-name": "instanceState/name",
            "instance-state-code": "instanceState/code",
            "block-device-mapping.status": "blockDeviceMapping/item/ebs/status",
            "state-reason-code": "stateReason/code",
        },
    ),
    "DescribeInstanceStatus": Listing(
        "instanceStatusSet",
        lay_status,
        {
            "instance-state-name": "instanceState/name",
            "instance-state-code": "instanceState/code",
            "instance-status.status": "instanceStatus/status",
            "system-status.status": "systemStatus/status",
        },
        {"IncludeAllInstances": "true"},
    ),
    "DescribeVolumes": Listing(
        "volumeSet",
        lay_volume,
        {"status": "status", "attachment.status": "attachmentSet/item/status"},
    ),
    "DescribeNetworkInterfaces": Listing(
        "networkInterfaceSet",
        lay_interface,
        {
            "status": "status",
            "attachment.status": "attachment/status",
            "attachment.device-index": "attachment/deviceIndex",
            "attachment.delete-on-termination": "attachment/deleteOnTermination",
        },
    ),
    "DescribeSnapshots": Listing("snapshotSet", lay_snapshot, {"status": "status"}),
    "DescribeVolumesModifications": Listing("volumeModificationSet", lay_modification, {"modification-state": "modificationState"}),
    "DescribeImages": Listing(
        "imagesSet",
        lay_image,
        {
            "state": "imageState",
            "root-device-type": "rootDeviceType",
            "virtualization-type": "virtualizationType",
            "architecture": "architecture",
            "hypervisor": "hypervisor",
            "image-type": "imageType",
        },
    ),
}

RUNNING_ONLY = Filter("instance-state-name", ("running",))


def describe(cloud: Cloud, call: Call) -> Answer:
    """Answer one of `LISTINGS`."""
    listing = LISTINGS[call.action]
    form, filters = take_out(call.form, listing.held)
    if call.action == "DescribeInstanceStatus" and not call.is_set("IncludeAllInstances"):
        filters.append(RUNNING_ONLY)
    with cloud.lock:
        answer = cloud.backend.ask(call, form | dict(listing.sent))
        if answer.failed:
            return answer
        root = parse_xml(answer.body)
        for rows in root.iterfind(listing.rows):
            for row in list(rows):
                listing.lay(cloud.record, row)
                if not fits_all(row, filters, listing.held):
                    rows.remove(row)
    _drop_empty_reservations(root)
    return Answer(answer.status, write_xml(root))


def _drop_empty_reservations(root: Element) -> None:
    for reservations in root.iterfind("reservationSet"):
        for reservation in list(reservations):
            if reservation.find("instancesSet/item") is None:
                reservations.remove(reservation)
