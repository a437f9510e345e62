"""A network interface of its own moves from one instance to the next: what a client is shown, what is refused, and what really happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.lab.gateway import Order, Stuck
from tests.contract.ec2_lab import Lab, refused, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDRESS = "127.9.10.50"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


def make(lab: Lab, address: str | None = ADDRESS, **more: Any) -> str:
    asked: Any = {"PrivateIpAddresses": [{"PrivateIpAddress": address, "Primary": True}]} if address else {}
    return lab.ec2.create_network_interface(SubnetId=lab.subnet, **asked, **more)["NetworkInterface"]["NetworkInterfaceId"]


def shown(lab: Lab, interface_id: str) -> Any:
    return lab.ec2.describe_network_interfaces(NetworkInterfaceIds=[interface_id])["NetworkInterfaces"][0]


def attachment(lab: Lab, interface_id: str) -> str | None:
    found = shown(lab, interface_id).get("Attachment")
    return str(found["Status"]) if found else None


def attach(lab: Lab, interface_id: str, instance_id: str, index: int = 1) -> str:
    return lab.ec2.attach_network_interface(NetworkInterfaceId=interface_id, InstanceId=instance_id, DeviceIndex=index)["AttachmentId"]


def attached(lab: Lab, interface_id: str, instance_id: str, index: int = 1) -> str:
    attachment_id = attach(lab, interface_id, instance_id, index)
    wait_until(lambda: attachment(lab, interface_id) == "attached")
    return attachment_id


def further(lab: Lab, instance_id: str) -> dict[int, str]:
    return lab.runtime.guests[instance_id].interfaces


def exists(lab: Lab, interface_id: str) -> bool:
    return interface_id in {row["NetworkInterfaceId"] for row in lab.ec2.describe_network_interfaces()["NetworkInterfaces"]}


def of_instance(lab: Lab, instance_id: str) -> dict[int, tuple[str, str]]:
    rows = lab.instance(instance_id)["NetworkInterfaces"]
    return {row["Attachment"]["DeviceIndex"]: (row["PrivateIpAddress"], row["Attachment"]["Status"]) for row in rows}


def test_an_interface_is_attaching_until_its_address_is_there_and_detaching_until_it_is_gone(lab: Lab) -> None:
    instance_id, interface_id = lab.running(PrivateIpAddress="127.9.10.11"), make(lab)
    assert (shown(lab, interface_id)["Status"], shown(lab, interface_id)["PrivateIpAddress"]) == ("available", ADDRESS)
    with lab.runtime.hold("attach_interface"):
        attachment_id = attach(lab, interface_id, instance_id)
        assert (attachment(lab, interface_id), shown(lab, interface_id)["Status"]) == ("attaching", "in-use")
        assert of_instance(lab, instance_id) == {0: ("127.9.10.11", "attached"), 1: (ADDRESS, "attaching")}
        for wanted, found in (("attaching", [interface_id]), ("detaching", [])):
            rows = lab.ec2.describe_network_interfaces(Filters=[{"Name": "attachment.status", "Values": [wanted]}])["NetworkInterfaces"]
            assert [row["NetworkInterfaceId"] for row in rows] == found
    wait_until(lambda: attachment(lab, interface_id) == "attached")
    assert further(lab, instance_id) == {1: ADDRESS}
    assert lab.instance(instance_id)["PrivateIpAddress"] == "127.9.10.11"
    with lab.runtime.hold("detach_interface"):
        lab.ec2.detach_network_interface(AttachmentId=attachment_id)
        assert (attachment(lab, interface_id), shown(lab, interface_id)["Status"]) == ("detaching", "in-use")
        assert of_instance(lab, instance_id)[1] == (ADDRESS, "detaching")
    wait_until(lambda: shown(lab, interface_id)["Status"] == "available")
    assert (attachment(lab, interface_id), further(lab, instance_id)) == (None, {})
    assert of_instance(lab, instance_id) == {0: ("127.9.10.11", "attached")}


def test_a_stopped_instance_keeps_its_interface_gives_it_up_and_takes_another(lab: Lab) -> None:
    first, second, interface_id = lab.running(), lab.running(), make(lab)
    attachment_id = attached(lab, interface_id, first)
    lab.ec2.stop_instances(InstanceIds=[first, second])
    for instance_id in (first, second):
        lab.until(instance_id, "stopped")
    assert attachment(lab, interface_id) == "attached"
    lab.ec2.detach_network_interface(AttachmentId=attachment_id, Force=True)
    wait_until(lambda: attachment(lab, interface_id) is None)
    attached(lab, interface_id, second)
    lab.ec2.start_instances(InstanceIds=[second])
    lab.until(second, "running")
    assert (further(lab, first), further(lab, second)) == ({}, {1: ADDRESS})


def test_a_terminated_instance_gives_its_interface_back(lab: Lab) -> None:
    first, second, interface_id = lab.running(), lab.running(), make(lab)
    attached(lab, interface_id, first)
    with lab.runtime.hold("terminate"):
        lab.ec2.terminate_instances(InstanceIds=[first])
        assert attachment(lab, interface_id) == "attached"
        with refused("InvalidNetworkInterface.InUse"):
            attach(lab, interface_id, second)
    lab.until(first, "terminated")
    assert shown(lab, interface_id)["Status"] == "available"
    attached(lab, interface_id, second)


def test_an_interface_goes_with_its_instance_where_so_told(lab: Lab) -> None:
    instance_id, doomed, kept = lab.running(), make(lab), make(lab, "127.9.10.51")
    attachment_id = attached(lab, doomed, instance_id)
    attached(lab, kept, instance_id, 2)
    change: Any = {"AttachmentId": attachment_id, "DeleteOnTermination": True}
    lab.ec2.modify_network_interface_attribute(NetworkInterfaceId=doomed, Attachment=change)
    assert shown(lab, doomed)["Attachment"]["DeleteOnTermination"]
    assert not shown(lab, kept)["Attachment"]["DeleteOnTermination"]
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    assert (exists(lab, doomed), exists(lab, kept)) == (False, True)
    with refused("InvalidAttachmentID.NotFound"):
        lab.ec2.modify_network_interface_attribute(NetworkInterfaceId=kept, Attachment=change)


def test_an_interface_in_use_is_neither_attached_elsewhere_nor_deleted(lab: Lab) -> None:
    first, second, interface_id = lab.running(), lab.running(), make(lab)
    attachment_id = attached(lab, interface_id, first)
    for instance_id in (first, second):
        with refused("InvalidNetworkInterface.InUse"):
            attach(lab, interface_id, instance_id, 2)
    with refused("InvalidParameterValue"):
        lab.ec2.delete_network_interface(NetworkInterfaceId=interface_id)
    with lab.runtime.hold("detach_interface"):
        lab.ec2.detach_network_interface(AttachmentId=attachment_id)
        with refused("InvalidNetworkInterface.InUse"):
            attach(lab, interface_id, second)
    wait_until(lambda: attachment(lab, interface_id) is None)
    lab.ec2.delete_network_interface(NetworkInterfaceId=interface_id)
    assert not exists(lab, interface_id)
    with refused("InvalidNetworkInterfaceID.NotFound"):
        shown(lab, interface_id)


def test_a_device_index_in_use_and_another_zone_are_refused(lab: Lab) -> None:
    instance_id = lab.running()
    attached(lab, make(lab), instance_id)
    other = make(lab, "127.9.10.51")
    for index in (0, 1):
        with refused("InvalidParameterValue"):
            attach(lab, other, instance_id, index)
    subnet: Any = lab.ec2.create_subnet(VpcId=lab.vpc, CidrBlock="127.9.11.0/24", AvailabilityZone="eu-central-1b")["Subnet"]
    elsewhere = lab.ec2.create_network_interface(SubnetId=subnet["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
    with refused("InvalidParameterCombination"):
        attach(lab, elsewhere, instance_id, 2)
    assert further(lab, instance_id) == {1: ADDRESS}


def test_the_primary_interface_stays(lab: Lab) -> None:
    instance_id = lab.running()
    (primary,) = lab.instance(instance_id)["NetworkInterfaces"]
    attached(lab, make(lab), instance_id)
    with refused("OperationNotPermitted"):
        lab.ec2.detach_network_interface(AttachmentId=primary["Attachment"]["AttachmentId"])
    with refused("InvalidParameterValue"):
        lab.ec2.delete_network_interface(NetworkInterfaceId=primary["NetworkInterfaceId"])
    change: Any = {"AttachmentId": primary["Attachment"]["AttachmentId"], "DeleteOnTermination": False}
    with refused("UnsupportedOperation"):
        lab.ec2.modify_network_interface_attribute(NetworkInterfaceId=primary["NetworkInterfaceId"], Attachment=change)


def test_instances_that_pend_or_have_ended_take_no_interface(lab: Lab) -> None:
    interface_id = make(lab)
    with lab.runtime.hold("boot"):
        instance_id = lab.run()
        with refused("IncorrectState"):
            attach(lab, interface_id, instance_id)
    lab.until(instance_id, "running")
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    with refused("IncorrectState"):
        attach(lab, interface_id, instance_id)


def test_what_does_not_exist_is_said_so(lab: Lab) -> None:
    with refused("InvalidNetworkInterfaceID.NotFound"):
        attach(lab, "eni-0123456789abcdef0", lab.running())
    with refused("InvalidInstanceID.NotFound"):
        attach(lab, make(lab), "i-0123456789abcdef0")
    with refused("InvalidAttachmentID.NotFound"):
        lab.ec2.detach_network_interface(AttachmentId="eni-attach-0123456789abcdef0")
    with refused("InvalidNetworkInterfaceID.NotFound"):
        lab.ec2.delete_network_interface(NetworkInterfaceId="eni-0123456789abcdef0")
    with refused("InvalidSubnetID.NotFound"):
        lab.ec2.create_network_interface(SubnetId="subnet-0123456789abcdef0")


def test_an_address_is_taken_once_by_whomever(lab: Lab) -> None:
    lab.running(PrivateIpAddress="127.9.10.11")
    make(lab)
    for address in ("127.9.10.11", ADDRESS):
        with refused("InvalidIPAddress.InUse"):
            make(lab, address)
        with refused("InvalidIPAddress.InUse"):
            lab.run(PrivateIpAddress=address)
    for address in ("127.9.11.50", "127.9.10.3", "127.9.10.255"):
        with refused("InvalidParameterValue"):
            make(lab, address)


def test_an_address_of_an_interface_is_given_to_nobody_else(lab: Lab) -> None:
    """The backend would: it doesn't look at interfaces without an instance."""
    for host in (254, 253, 251):
        make(lab, f"127.9.10.{host}")
    one = lab.instance(lab.running())["PrivateIpAddress"]
    asked: Any = {"ImageId": lab.image, "MinCount": 1, "MaxCount": 3, "SubnetId": lab.subnet}
    several = [row["PrivateIpAddress"] for row in lab.ec2.run_instances(**asked)["Instances"]]
    free = shown(lab, make(lab, None))["PrivateIpAddress"]
    assert [one, *several, free] == [f"127.9.10.{host}" for host in (252, 250, 249, 248, 247)]
    wait_until(lambda: len(lab.runtime.guests) == 4)


def test_a_subnet_without_room_says_so(lab: Lab) -> None:
    subnet = lab.ec2.create_subnet(VpcId=lab.vpc, CidrBlock="127.9.12.0/28", AvailabilityZone="eu-central-1a")["Subnet"]["SubnetId"]
    for host in range(4, 14):
        lab.ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"127.9.12.{host}")
    with refused("InsufficientFreeAddressesInSubnet"):
        lab.run(SubnetId=subnet, MinCount=2, MaxCount=2)
    lab.running(SubnetId=subnet, MinCount=1, MaxCount=2)
    with refused("InsufficientFreeAddressesInSubnet"):
        lab.ec2.create_network_interface(SubnetId=subnet)


def test_an_interface_has_its_own_groups_not_its_instances(lab: Lab) -> None:
    first, second = (lab.ec2.create_security_group(GroupName=name, Description=name, VpcId=lab.vpc)["GroupId"] for name in ("one", "two"))
    instance_id, interface_id = lab.running(SecurityGroupIds=[first]), make(lab, Groups=[second])
    attached(lab, interface_id, instance_id)
    rows = {row["NetworkInterfaceId"]: row["Groups"] for row in lab.instance(instance_id)["NetworkInterfaces"]}
    assert shown(lab, interface_id)["Groups"] == rows[interface_id] == [{"GroupId": second, "GroupName": "two"}]
    assert [group["GroupId"] for group in lab.instance(instance_id)["SecurityGroups"]] == [first]
    lab.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface_id, Groups=[first])
    assert [group["GroupId"] for group in shown(lab, interface_id)["Groups"]] == [first]


def test_tags_and_the_same_request_twice(lab: Lab) -> None:
    tags: Any = [{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "n1"}]}]
    asked = {"ClientToken": "t1", "TagSpecifications": tags, "Description": "of n1"}
    interface_id = make(lab, **asked)
    assert make(lab, **asked) == interface_id
    with refused("IdempotentParameterMismatch"):
        make(lab, "127.9.10.51", **asked)
    assert (shown(lab, interface_id)["TagSet"], shown(lab, interface_id)["Description"]) == ([{"Key": "Name", "Value": "n1"}], "of n1")


def test_what_the_lab_does_not_make_real_is_refused_in_words(lab: Lab) -> None:
    interface_id = make(lab)
    more = [{"PrivateIpAddress": "127.9.10.51"}, {"PrivateIpAddress": "127.9.10.52"}]
    for act in (
        lambda: lab.ec2.create_network_interface(SubnetId=lab.subnet, PrivateIpAddresses=more),
        lambda: lab.ec2.create_network_interface(SubnetId=lab.subnet, SecondaryPrivateIpAddressCount=1),
        lambda: lab.ec2.assign_private_ip_addresses(NetworkInterfaceId=interface_id, PrivateIpAddresses=["127.9.10.51"]),
        lambda: lab.ec2.run_instances(
            ImageId=lab.image, MinCount=1, MaxCount=1, NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface_id}]
        ),
    ):
        with refused("UnsupportedOperation"):
            act()
    assert lab.runtime.guests == {}


def test_an_interface_that_is_not_attached_is_available_again(lab: Lab) -> None:
    instance_id, interface_id = lab.running(), make(lab)
    lab.runtime.broken.add("attach_interface")
    attach(lab, interface_id, instance_id)
    wait_until(lambda: shown(lab, interface_id)["Status"] == "available")
    assert set(of_instance(lab, instance_id)) == {0}


def test_a_detach_that_fails_stays_under_way_and_may_be_asked_for_again(lab: Lab) -> None:
    instance_id, interface_id = lab.running(), make(lab)
    attachment_id = attached(lab, interface_id, instance_id)
    lab.runtime.broken.add("detach_interface")
    lab.ec2.detach_network_interface(AttachmentId=attachment_id)
    assert lab.gateway.settle(5)
    assert attachment(lab, interface_id) == "detaching"
    lab.runtime.broken.clear()
    lab.ec2.detach_network_interface(AttachmentId=attachment_id)
    wait_until(lambda: attachment(lab, interface_id) is None)


def test_both_may_be_stuck_on_order(lab: Lab) -> None:
    instance_id, interface_id = lab.running(), make(lab)
    lab.gateway.order(Order("AttachNetworkInterface", Stuck()))
    attachment_id = attach(lab, interface_id, instance_id)
    assert lab.gateway.settle(5)
    assert (attachment(lab, interface_id), further(lab, instance_id)) == ("attaching", {})
    lab.gateway.order(Order("DetachNetworkInterface", Stuck(), resource=attachment_id))
    lab.ec2.detach_network_interface(AttachmentId=attachment_id)
    assert lab.gateway.settle(5)
    assert attachment(lab, interface_id) == "detaching"
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    assert shown(lab, interface_id)["Status"] == "available"
