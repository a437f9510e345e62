"""The lab's states laid over what the backend shows, row by row; what the record doesn't know stays as it came."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from immtf.lab.gateway.states import AttachmentState, InstanceState
from immtf.lab.gateway.wire import put, text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from immtf.lab.gateway.states import InstanceRecord, Record

IMAGE_DEFAULTS = {"virtualizationType": "hvm", "architecture": "x86_64", "hypervisor": "xen"}


def lay_instance(record: Record, row: Element) -> None:
    """Lay state, reason, disks and groups over a row of DescribeInstances or RunInstances."""
    known = record.instances.get(text(row, "instanceId"))
    if known:
        _lay_state(known, row)
    put(row, "architecture", record.architectures.get(text(row, "imageId"), IMAGE_DEFAULTS["architecture"]))
    for disk in row.iterfind("blockDeviceMapping/item"):
        attachment = record.attachments.get(text(disk, "ebs/volumeId"))
        if attachment:
            shown = AttachmentState.DETACHING if attachment.state.ending else attachment.state
            put(disk, "ebs/status", shown)
    _lay_groups(row)
    for interface in row.iterfind("networkInterfaceSet/item"):
        lay_interface(record, interface)


def lay_interface(record: Record, row: Element) -> None:
    """Lay attachment and groups over a row of DescribeNetworkInterfaces or of an instance: moto shows the instance's groups as its."""
    for address in row.findall("association"):
        if not len(address):
            row.remove(address)  # the provider reads an empty one as a public address
    interface_id = text(row, "networkInterfaceId")
    known = record.interfaces.get(interface_id)
    if known:
        put(row, "attachment/status", known.state)
        put(row, "attachment/deleteOnTermination", "true" if known.doomed else "false")
    groups = record.interface_groups.get(interface_id)
    shown = row.find("groupSet")
    if groups is not None and shown is not None:
        shown.clear()
        for group_id, name in groups.items():
            item = ET.SubElement(shown, "item")
            put(item, "groupId", group_id)
            put(item, "groupName", name)


def lay_status(record: Record, row: Element) -> None:
    """Lay the state over a row of DescribeInstanceStatus; checks are shown for running instances only."""
    known = record.instances.get(text(row, "instanceId"))
    if known is None:
        return
    put(row, "instanceState/code", str(known.state.code))
    put(row, "instanceState/name", known.state)
    if known.state is InstanceState.RUNNING:
        return
    for check in ("instanceStatus", "systemStatus"):
        shown = row.find(check)
        if shown is not None:
            shown.clear()
        put(row, f"{check}/status", "initializing" if known.state is InstanceState.PENDING else "not-applicable")


def lay_volume(record: Record, row: Element) -> None:
    """Lay the states of the volume and of its attachment over a row of DescribeVolumes or CreateVolume."""
    volume_id = text(row, "volumeId")
    state = record.volumes.get(volume_id, "available")
    if state != "available":
        put(row, "status", state)
    attachment = record.attachments.get(volume_id)
    for shown in row.iterfind("attachmentSet/item"):
        if attachment:
            put(shown, "status", attachment.state)


def lay_image(record: Record, row: Element) -> None:
    """Lay what moto leaves out over a row of DescribeImages: every image of the lab is an EBS-backed one."""
    put(row, "rootDeviceType", "ebs")
    if architecture := record.architectures.get(text(row, "imageId")):
        put(row, "architecture", architecture)
    for name, value in IMAGE_DEFAULTS.items():
        if not text(row, name):
            put(row, name, value)
    for disk in row.iterfind("blockDeviceMapping/item"):
        if text(disk, "deviceName") == text(row, "rootDeviceName"):
            put(disk, "ebs/deleteOnTermination", "true")
    if state := record.images.get(text(row, "imageId")):
        put(row, "imageState", state)


def lay_snapshot(record: Record, row: Element) -> None:
    """Lay the state over a row of DescribeSnapshots or CreateSnapshot."""
    if state := record.snapshots.get(text(row, "snapshotId")):
        put(row, "status", state)
        put(row, "progress", "100%" if state == "completed" else "0%")


def lay_modification(record: Record, row: Element) -> None:
    """Lay the state over a row of DescribeVolumesModifications."""
    if state := record.modifications.get(text(row, "volumeId")):
        put(row, "modificationState", state)
        put(row, "progress", "100" if state == "completed" else "50")


def _lay_state(known: InstanceRecord, row: Element) -> None:
    put(row, "instanceState/code", str(known.state.code))
    put(row, "instanceState/name", known.state)
    if known.launched:
        put(row, "launchTime", known.launched)
    if known.reason:
        put(row, "reason", known.reason.message)
        put(row, "stateReason/code", known.reason.code)
        put(row, "stateReason/message", known.reason.message)


def _lay_groups(row: Element) -> None:
    """Show the primary interface's groups as the instance's, as AWS does; moto leaves them out where the interface has them."""
    shown = row.find("groupSet")
    if shown is None or len(shown):
        return
    for interface in row.iterfind("networkInterfaceSet/item"):
        if text(interface, "attachment/deviceIndex") == "0":
            shown.extend(copy.deepcopy(group) for group in interface.iterfind("groupSet/item"))
