"""What moto accepts and AWS refuses, the errors that are AWS's own, filters over states, and answers on order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from immtf.lab.gateway import Fail, Late, Order, Stuck
from tests.contract.ec2_lab import Lab, refused, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


def test_a_volume_that_is_in_use_is_not_stolen(lab: Lab) -> None:
    first, second, volume_id = lab.running(), lab.running(), lab.volume()
    lab.attached(volume_id, first)
    for instance_id in (first, second):
        with refused("VolumeInUse"):
            lab.attach(volume_id, instance_id, "/dev/xvdg")
    with refused("VolumeInUse"):
        lab.ec2.delete_volume(VolumeId=volume_id)
    assert lab.runtime.volumes[volume_id].instance_id == first


def test_a_volume_being_detached_is_still_in_use(lab: Lab) -> None:
    first, second, volume_id = lab.running(), lab.running(), lab.volume()
    lab.attached(volume_id, first)
    with lab.runtime.hold("detach"):
        lab.ec2.detach_volume(VolumeId=volume_id)
        with refused("VolumeInUse"):
            lab.attach(volume_id, second)
    wait_until(lambda: lab.attachment(volume_id) is None)
    lab.attached(volume_id, second)
    lab.ec2.terminate_instances(InstanceIds=[first])
    lab.until(first, "terminated")
    assert lab.attachment(volume_id) == "attached"


def test_a_volume_of_another_zone_is_refused(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume("eu-central-1b")
    with refused("InvalidVolume.ZoneMismatch"):
        lab.attach(volume_id, instance_id)


def test_a_device_in_use_is_refused(lab: Lab) -> None:
    instance_id = lab.running()
    lab.attached(lab.volume(), instance_id)
    with refused("InvalidParameterValue"):
        lab.attach(lab.volume(), instance_id)


def test_an_unknown_image_is_refused(lab: Lab) -> None:
    with refused("InvalidAMIID.NotFound"):
        lab.run(ImageId="ami-0123456789abcdef0")
    lab.ec2.deregister_image(ImageId=lab.image)
    with refused("InvalidAMIID.NotFound"):
        lab.run()


def test_an_address_in_use_outside_or_reserved_is_refused(lab: Lab) -> None:
    lab.running(PrivateIpAddress="127.9.10.11")
    with refused("InvalidIPAddress.InUse"):
        lab.run(PrivateIpAddress="127.9.10.11")
    for address in ("127.9.11.11", "127.9.10.3", "127.9.10.255"):
        with refused("InvalidParameterValue"):
            lab.run(PrivateIpAddress=address)
    reservations = lab.ec2.describe_instances()["Reservations"]
    assert [len(reservation["Instances"]) for reservation in reservations] == [1]


def test_a_terminated_instance_takes_no_calls(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    for change in (lab.ec2.start_instances, lab.ec2.stop_instances, lab.ec2.reboot_instances):
        with refused("IncorrectInstanceState"):
            change(InstanceIds=[instance_id])
    with refused("IncorrectState"):
        lab.attach(volume_id, instance_id)
    again = lab.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert again["CurrentState"]["Name"] == "terminated"


def test_a_pending_instance_takes_neither_a_stop_nor_a_volume(lab: Lab) -> None:
    volume_id = lab.volume()
    with lab.runtime.hold("boot"):
        instance_id = lab.run()
        with refused("IncorrectInstanceState"):
            lab.ec2.stop_instances(InstanceIds=[instance_id])
        with refused("IncorrectState"):
            lab.attach(volume_id, instance_id)
    lab.until(instance_id, "running")


def test_a_detach_names_the_right_instance_or_none(lab: Lab) -> None:
    first, second, volume_id = lab.running(), lab.running(), lab.volume()
    with refused("IncorrectState"):
        lab.ec2.detach_volume(VolumeId=volume_id)
    lab.attached(volume_id, first)
    with refused("InvalidAttachment.NotFound"):
        lab.ec2.detach_volume(VolumeId=volume_id, InstanceId=second)
    with refused("InvalidAttachment.NotFound"):
        lab.ec2.detach_volume(VolumeId=volume_id, InstanceId=first, Device="/dev/xvdg")
    root = lab.instance(first)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    with refused("OperationNotPermitted"):
        lab.ec2.detach_volume(VolumeId=root)
    assert lab.attachment(volume_id) == "attached"


def test_a_protected_instance_is_not_ended(lab: Lab) -> None:
    instance_id, other = lab.running(DisableApiTermination=True), lab.running()
    with refused("OperationNotPermitted"):
        lab.ec2.terminate_instances(InstanceIds=[other, instance_id])
    assert (lab.state(instance_id), lab.state(other)) == ("running", "running")
    lab.ec2.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": False})
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")


def test_the_same_client_token_is_the_same_request(lab: Lab) -> None:
    instance_id = lab.run(ClientToken="t1")
    assert lab.run(ClientToken="t1") == instance_id
    with refused("IdempotentParameterMismatch"):
        lab.run(ClientToken="t1", InstanceType="t3.large")
    assert lab.run(ClientToken="t2") != instance_id
    wait_until(lambda: len(lab.runtime.guests) == 2)


def test_what_does_not_exist_is_said_so(lab: Lab) -> None:
    with refused("InvalidInstanceID.NotFound"):
        lab.ec2.stop_instances(InstanceIds=["i-0123456789abcdef0"])
    with refused("InvalidVolume.NotFound"):
        lab.ec2.detach_volume(VolumeId="vol-0123456789abcdef0")
    with refused("UnsupportedOperation"):
        lab.ec2.describe_volume_status()
    with refused("DryRunOperation"):
        lab.ec2.terminate_instances(InstanceIds=[lab.running()], DryRun=True)


def states(lab: Lab, *wanted: str, **more: Any) -> list[str]:
    filters = [{"Name": "instance-state-name", "Values": list(wanted)}, {"Name": "vpc-id", "Values": [lab.vpc]}]
    pages = lab.ec2.get_paginator("describe_instances").paginate(Filters=filters, **more)  # type: ignore[arg-type]
    return [row["State"]["Name"] for page in pages for reservation in page["Reservations"] for row in reservation["Instances"]]


def test_filters_see_the_states_that_are_shown(lab: Lab) -> None:
    lab.running()
    stopping = lab.running()
    with lab.runtime.hold("stop"):
        lab.ec2.stop_instances(InstanceIds=[stopping])
        assert states(lab, "stopping", "stopped") == ["stopping"]
        assert states(lab, "stop*") == ["stopping"]
        assert states(lab, "running") == ["running"]
        statuses = lab.ec2.describe_instance_status()["InstanceStatuses"]
        assert [row["InstanceState"]["Name"] for row in statuses] == ["running"]
        everything = lab.ec2.describe_instance_status(IncludeAllInstances=True)["InstanceStatuses"]
        assert [row["InstanceStatus"]["Status"] for row in everything] == ["ok", "not-applicable"]
    lab.until(stopping, "stopped")
    instance_id, volume_id = lab.running(), lab.volume()
    with lab.runtime.hold("attach"):
        lab.attach(volume_id, instance_id)
        for wanted, found in (("attaching", [volume_id]), ("detaching", [])):
            shown = lab.ec2.describe_volumes(Filters=[{"Name": "attachment.status", "Values": [wanted]}])["Volumes"]
            assert [volume["VolumeId"] for volume in shown] == found


def test_pages_are_left_as_they_are(lab: Lab) -> None:
    instances = [lab.running() for _ in range(5)]
    first = lab.ec2.describe_instances(MaxResults=5)
    assert "NextToken" not in first
    assert states(lab, "running", PaginationConfig={"PageSize": 5}) == ["running"] * 5
    lab.ec2.terminate_instances(InstanceIds=instances[:1])
    lab.until(instances[0], "terminated")
    assert states(lab, "running", PaginationConfig={"PageSize": 5}) == ["running"] * 4
    lab.running()
    assert "NextToken" in lab.ec2.describe_instances(MaxResults=5)
    assert states(lab, "running", PaginationConfig={"PageSize": 5}) == ["running"] * 5


def test_a_call_fails_as_often_as_ordered(lab: Lab) -> None:
    lab.gateway.order(Order("RunInstances", Fail("InsufficientInstanceCapacity", "none left", 500), times=2))
    for _ in range(2):
        with refused("InsufficientInstanceCapacity"):
            lab.run()
    lab.running()


def test_an_order_may_be_for_one_resource_and_ends_when_cleared(lab: Lab) -> None:
    first, second = lab.running(), lab.running()
    lab.gateway.order(Order("ec2.DescribeInstances", Fail("RequestLimitExceeded", status=503), resource=first, times=None))
    assert lab.state(second) == "running"
    for _ in range(2):
        with refused("RequestLimitExceeded"):
            lab.state(first)
    lab.gateway.clear_orders()
    assert lab.state(first) == "running"


def test_an_answer_may_come_late(lab: Lab) -> None:
    lab.gateway.order(Order("DescribeVolumes", Late(0.4)))
    began = time.monotonic()
    lab.ec2.describe_volumes()
    assert time.monotonic() - began >= 0.4


def test_a_detach_may_be_stuck_until_it_is_forced(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.attached(volume_id, instance_id)
    lab.gateway.order(Order("DetachVolume", Stuck(), resource=volume_id))
    lab.ec2.detach_volume(VolumeId=volume_id)
    assert lab.gateway.settle(5)
    assert lab.attachment(volume_id) == "detaching"
    lab.ec2.detach_volume(VolumeId=volume_id, Force=True)
    wait_until(lambda: lab.attachment(volume_id) is None)


def test_an_instance_may_be_stuck_and_still_be_ended(lab: Lab) -> None:
    lab.gateway.order(Order("RunInstances", Stuck()))
    instance_id = lab.run()
    assert lab.gateway.settle(5)
    assert lab.state(instance_id) == "pending"
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")


def test_calls_are_counted_and_other_services_are_motos_or_the_labs_own() -> None:
    def ssm(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
        return [b'{"InstanceInformationList": []}']

    with serve(FakeRuntime(), own={"ssm": ssm}) as lab:
        before = lab.gateway.calls()
        assert lab.client("sts").get_caller_identity()["Account"] == "123456789012"
        assert lab.client("ssm").describe_instance_information()["InstanceInformationList"] == []
        s3 = lab.client("s3")
        s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        s3.put_object(Bucket="states", Key="a", Body=b"content")
        assert s3.get_object(Bucket="states", Key="a")["Body"].read() == b"content"
        lab.gateway.order(Order("ssm.DescribeInstanceInformation", Fail("ThrottlingException")))
        with refused("ThrottlingException"):
            lab.client("ssm").describe_instance_information()
        lab.gateway.order(Order("GetCallerIdentity", Fail("ExpiredToken", status=403)))
        with refused("ExpiredToken"):
            lab.client("sts").get_caller_identity()
        after = lab.gateway.calls()
        counted = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
        assert counted == {"sts.GetCallerIdentity": 2, "ssm.DescribeInstanceInformation": 2, "s3.PUT": 2, "s3.GET": 1}


def test_instances_that_another_service_makes_and_ends_are_real_too(lab: Lab) -> None:
    group = lab.client("autoscaling")
    template = {"ImageId": lab.image, "InstanceType": "t3.micro", "UserData": "aGVsbG8="}
    lab.ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=template)  # type: ignore[arg-type]
    size = {"MinSize": 0, "MaxSize": 2, "DesiredCapacity": 1}
    chosen = {"LaunchTemplateName": "template", "Version": "1"}
    group.create_auto_scaling_group(AutoScalingGroupName="g", LaunchTemplate=chosen, VPCZoneIdentifier=lab.subnet, **size)
    wait_until(lambda: len(lab.runtime.guests) == 1)
    (instance_id,) = lab.runtime.guests
    assert lab.runtime.guests[instance_id].spec.user_data == b"hello"
    group.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    wait_until(lambda: not lab.runtime.guests)
    lab.until(instance_id, "terminated")
