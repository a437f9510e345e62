from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from immtf.lab.gateway.overlay import lay_image, lay_instance, lay_interface, lay_snapshot, lay_status, lay_volume
from immtf.lab.gateway.states import BY_USER, AttachmentRecord, AttachmentState, InstanceRecord, InstanceState, InterfaceRecord, Record
from immtf.lab.gateway.wire import text

INSTANCE = """<item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState>
<groupSet/><blockDeviceMapping><item><deviceName>/dev/xvdf</deviceName><ebs><volumeId>vol-1</volumeId><status>attached</status></ebs></item>
</blockDeviceMapping><networkInterfaceSet><item><association/><attachment><deviceIndex>0</deviceIndex></attachment>
<groupSet><item><groupId>sg-1</groupId></item></groupSet></item></networkInterfaceSet></item>"""
STATUS = """<item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState><instanceStatus>
<details><item><name>reachability</name></item></details><status>ok</status></instanceStatus></item>"""
VOLUME = """<item><volumeId>vol-1</volumeId><status>in-use</status>
<attachmentSet><item><status>attached</status></item></attachmentSet></item>"""
IMAGE = """<item><imageId>ami-1</imageId><imageState>available</imageState><rootDeviceType>standard</rootDeviceType>
<architecture>arm64</architecture><rootDeviceName>/dev/sda1</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/sda1</deviceName>
<ebs><deleteOnTermination>false</deleteOnTermination></ebs></item></blockDeviceMapping></item>"""


def row(source: str) -> ET.Element:
    return ET.fromstring(source)  # noqa: S314 - a literal of this file


def make_record(state: InstanceState, attachment: AttachmentState = AttachmentState.ATTACHED) -> Record:
    return Record(
        instances={"i-1": InstanceRecord("i-1", "r", state, BY_USER)},
        attachments={"vol-1": AttachmentRecord("vol-1", "i-1", "/dev/xvdf", "r", attachment)},
    )


def test_an_interface_shows_its_attachment_and_its_own_groups() -> None:
    source = """<item><networkInterfaceId>eni-1</networkInterfaceId><association/><attachment><status>attached</status></attachment>
    <groupSet><item><groupId>sg-1</groupId></item><item><groupId>sg-2</groupId></item></groupSet></item>"""
    known = InterfaceRecord("eni-1", "eni-attach-1", "i-1", 1, "r", AttachmentState.DETACHING, doomed=True)
    shown = row(source)
    lay_interface(Record(interfaces={"eni-1": known}, interface_groups={"eni-1": {"sg-2": "two"}}), shown)
    assert (text(shown, "attachment/status"), text(shown, "attachment/deleteOnTermination")) == ("detaching", "true")
    assert [(text(item, "groupId"), text(item, "groupName")) for item in shown.iterfind("groupSet/item")] == [("sg-2", "two")]
    assert shown.find("association") is None
    unknown = row(source)
    lay_interface(Record(), unknown)
    assert text(unknown, "attachment/status") == "attached"
    assert len(unknown.findall("groupSet/item")) == 2


@pytest.mark.parametrize("state", InstanceState)
def test_the_recorded_state_is_shown_with_its_code_and_reason(state: InstanceState) -> None:
    shown = row(INSTANCE)
    lay_instance(make_record(state), shown)
    assert (text(shown, "instanceState/name"), text(shown, "instanceState/code")) == (state.value, str(state.code))
    assert text(shown, "stateReason/code") == BY_USER.code


def test_what_is_not_recorded_stays_as_it_came() -> None:
    shown = row(INSTANCE)
    lay_instance(Record(), shown)
    assert text(shown, "instanceState/name") == "running"
    assert text(shown, "blockDeviceMapping/item/ebs/status") == "attached"


def test_an_instance_shows_the_groups_of_its_primary_interface_and_no_address_it_lacks() -> None:
    shown = row(INSTANCE)
    lay_instance(Record(), shown)
    assert text(shown, "groupSet/item/groupId") == "sg-1"
    assert shown.find("networkInterfaceSet/item/association") is None
    lay_instance(Record(), shown)
    assert len(shown.findall("groupSet/item")) == 1


def test_busy_is_shown_by_the_volume_and_detaching_by_the_instance() -> None:
    record, instance, volume = make_record(InstanceState.RUNNING, AttachmentState.BUSY), row(INSTANCE), row(VOLUME)
    lay_instance(record, instance)
    lay_volume(record, volume)
    assert text(instance, "blockDeviceMapping/item/ebs/status") == "detaching"
    assert (text(volume, "attachmentSet/item/status"), text(volume, "status")) == ("busy", "in-use")


def test_a_volume_that_is_made_or_removed_says_so() -> None:
    volume = row(VOLUME)
    lay_volume(Record(volumes={"vol-1": "creating"}), volume)
    assert text(volume, "status") == "creating"


@pytest.mark.parametrize(("state", "status"), [("running", "ok"), ("pending", "initializing"), ("stopped", "not-applicable")])
def test_checks_are_for_running_instances(state: str, status: str) -> None:
    shown = row(STATUS)
    lay_status(make_record(InstanceState(state)), shown)
    assert (text(shown, "instanceState/name"), text(shown, "instanceStatus/status")) == (state, status)


def test_an_image_looks_like_one_of_ec2s() -> None:
    shown = row(IMAGE)
    lay_image(Record(images={"ami-1": "pending"}), shown)
    assert (text(shown, "imageState"), text(shown, "rootDeviceType")) == ("pending", "ebs")
    assert (text(shown, "virtualizationType"), text(shown, "architecture")) == ("hvm", "arm64")
    assert text(shown, "blockDeviceMapping/item/ebs/deleteOnTermination") == "true"


def test_a_snapshot_shows_its_progress() -> None:
    shown = row("<item><snapshotId>snap-1</snapshotId><status>completed</status></item>")
    lay_snapshot(Record(snapshots={"snap-1": "pending"}), shown)
    assert (text(shown, "status"), text(shown, "progress")) == ("pending", "0%")
