"""Transitions as a client sees them: what is shown before the real thing has happened, and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.lab.gateway import Delays
from tests.contract.ec2_lab import Lab, refused, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


def test_an_instance_is_pending_until_its_guest_runs(lab: Lab) -> None:
    with lab.runtime.hold("boot"):
        instance_id = lab.run(
            UserData="#!/bin/sh\ntrue\n",
            PrivateIpAddress="127.9.10.11",
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "n1"}]}],
        )
        assert lab.state(instance_id) == "pending"
    lab.until(instance_id, "running")
    spec = lab.runtime.guests[instance_id].spec
    assert (spec.image_id, spec.address, spec.zone) == (lab.image, "127.9.10.11", "eu-central-1a")
    assert (spec.user_data, spec.tags) == (b"#!/bin/sh\ntrue\n", {"Name": "n1"})


def test_no_user_data_is_no_user_data(lab: Lab) -> None:
    assert lab.runtime.guests[lab.running()].spec.user_data == b""


def test_an_instance_is_stopping_until_its_guest_is_gone_and_starts_again(lab: Lab) -> None:
    instance_id = lab.running()
    with lab.runtime.hold("stop") as entered:
        change = lab.ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
        assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "stopping")
        assert entered.wait(60)
        assert lab.state(instance_id) == "stopping"
        with refused("IncorrectInstanceState"):
            lab.ec2.start_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "stopped")
    assert lab.instance(instance_id)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    with lab.runtime.hold("start"):
        lab.ec2.start_instances(InstanceIds=[instance_id])
        assert lab.state(instance_id) == "pending"
    lab.until(instance_id, "running")
    assert lab.runtime.guests[instance_id].starts == 2


def test_an_address_is_free_only_when_its_instance_has_really_ended(lab: Lab) -> None:
    instance_id = lab.running(PrivateIpAddress="127.9.10.11")
    with lab.runtime.hold("terminate"):
        change = lab.ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
        assert change["CurrentState"]["Name"] == "shutting-down"
        assert lab.state(instance_id) == "shutting-down"
        with refused("InvalidIPAddress.InUse"):
            lab.run(PrivateIpAddress="127.9.10.11")
    lab.until(instance_id, "terminated")
    assert lab.instance(lab.running(PrivateIpAddress="127.9.10.11"))["PrivateIpAddress"] == "127.9.10.11"


def test_an_instance_that_is_ended_while_it_boots_never_becomes_running(lab: Lab) -> None:
    with lab.runtime.hold("boot") as entered:
        instance_id = lab.run()
        assert entered.wait(60)
        lab.ec2.terminate_instances(InstanceIds=[instance_id])
        assert lab.state(instance_id) == "shutting-down"
    lab.until(instance_id, "terminated")
    assert instance_id not in lab.runtime.guests


def test_an_instance_that_cannot_boot_is_terminated_with_the_reason(lab: Lab) -> None:
    lab.runtime.images.clear()
    instance_id = lab.run()
    lab.until(instance_id, "terminated")
    assert lab.instance(instance_id)["StateReason"]["Code"] == "Server.InternalError"


def test_a_guest_that_powers_itself_off_is_stopped(lab: Lab) -> None:
    instance_id = lab.running()
    lab.runtime.power_off(instance_id)
    lab.until(instance_id, "stopped")
    assert lab.instance(instance_id)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_a_guest_that_powers_itself_off_ends_where_so_told(lab: Lab) -> None:
    instance_id = lab.running(InstanceInitiatedShutdownBehavior="terminate")
    lab.runtime.power_off(instance_id)
    lab.until(instance_id, "terminated")


def test_a_reboot_is_a_stop_and_a_start(lab: Lab) -> None:
    instance_id = lab.running()
    lab.ec2.reboot_instances(InstanceIds=[instance_id])
    assert lab.state(instance_id) == "running"
    wait_until(lambda: lab.runtime.guests[instance_id].starts == 2 and lab.runtime.is_running(instance_id))


def test_a_volume_is_attaching_until_it_is_reachable_and_detaching_until_it_is_not(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    with lab.runtime.hold("attach"):
        lab.attach(volume_id, instance_id)
        assert (lab.attachment(volume_id), lab.volume_state(volume_id)) == ("attaching", "in-use")
    wait_until(lambda: lab.attachment(volume_id) == "attached")
    with lab.runtime.hold("detach"):
        assert lab.ec2.detach_volume(VolumeId=volume_id)["State"] == "detaching"
        assert (lab.attachment(volume_id), lab.volume_state(volume_id)) == ("detaching", "in-use")
        shown = lab.instance(instance_id)["BlockDeviceMappings"]
        assert [disk["Ebs"]["Status"] for disk in shown if disk["DeviceName"] == "/dev/xvdf"] == ["detaching"]
    wait_until(lambda: lab.volume_state(volume_id) == "available")
    assert lab.runtime.volumes[volume_id].instance_id is None


def test_a_mounted_volume_is_busy_until_its_guest_lets_go(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.attached(volume_id, instance_id)
    lab.runtime.mount(volume_id)
    lab.ec2.detach_volume(VolumeId=volume_id)
    wait_until(lambda: lab.attachment(volume_id) == "busy")
    assert lab.volume_state(volume_id) == "in-use"
    lab.runtime.unmount(volume_id)
    wait_until(lambda: lab.volume_state(volume_id) == "available")


def test_a_busy_volume_is_free_when_its_instance_stops(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.attached(volume_id, instance_id)
    lab.runtime.mount(volume_id)
    lab.ec2.detach_volume(VolumeId=volume_id)
    wait_until(lambda: lab.attachment(volume_id) == "busy")
    lab.ec2.stop_instances(InstanceIds=[instance_id])
    wait_until(lambda: lab.volume_state(volume_id) == "available")


def test_a_busy_volume_is_free_when_it_is_forced(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.attached(volume_id, instance_id)
    lab.runtime.mount(volume_id)
    lab.ec2.detach_volume(VolumeId=volume_id)
    wait_until(lambda: lab.attachment(volume_id) == "busy")
    lab.ec2.detach_volume(VolumeId=volume_id, Force=True)
    wait_until(lambda: lab.volume_state(volume_id) == "available")
    assert f"detach {volume_id} force" in lab.runtime.log


def test_volumes_go_with_their_instance_only_where_so_told(lab: Lab) -> None:
    disks = [
        {"DeviceName": "/dev/xvdg", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}},
        {"DeviceName": "/dev/xvdh", "Ebs": {"VolumeSize": 1}},
    ]
    instance_id, kept = lab.running(BlockDeviceMappings=disks), lab.volume()
    lab.attached(kept, instance_id)
    own = {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in lab.instance(instance_id)["BlockDeviceMappings"]}
    assert lab.runtime.volumes[own["/dev/xvdg"]].device == "/dev/xvdg"
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    assert set(lab.runtime.volumes) == {kept, own["/dev/xvdh"]}
    left = {volume["VolumeId"]: volume["State"] for volume in lab.ec2.describe_volumes()["Volumes"]}
    assert left == {kept: "available", own["/dev/xvdh"]: "available"}


def test_a_snapshot_is_pending_until_it_is_taken_and_becomes_a_volume(lab: Lab) -> None:
    volume_id = lab.volume()
    lab.runtime.volumes[volume_id].content = "data"
    with lab.runtime.hold("snapshot"):
        made = lab.ec2.create_snapshot(VolumeId=volume_id)
        assert made["State"] == "pending"
        with refused("IncorrectState"):
            lab.ec2.create_volume(AvailabilityZone="eu-central-1a", SnapshotId=made["SnapshotId"])
    wait_until(lambda: lab.ec2.describe_snapshots(SnapshotIds=[made["SnapshotId"]])["Snapshots"][0]["State"] == "completed")
    copy = lab.volume(SnapshotId=made["SnapshotId"])
    assert lab.runtime.volumes[copy].content == "data"


def test_a_volume_is_deleting_until_it_is_gone(lab: Lab) -> None:
    volume_id = lab.volume()
    with lab.runtime.hold("delete_volume"):
        lab.ec2.delete_volume(VolumeId=volume_id)
        assert lab.volume_state(volume_id) == "deleting"
    wait_until(lambda: not lab.ec2.describe_volumes()["Volumes"])
    assert lab.runtime.volumes == {}


def test_an_image_is_made_of_an_instance_and_looks_like_one_of_ec2s(lab: Lab) -> None:
    instance_id = lab.running()
    tags = [{"ResourceType": "image", "Tags": [{"Key": "immtf:version", "Value": "1.1.0"}]}]
    with lab.runtime.hold("create_image"):
        image_id = lab.ec2.create_image(InstanceId=instance_id, Name="two", TagSpecifications=tags)["ImageId"]  # type: ignore[arg-type]
        assert lab.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "pending"
        with refused("InvalidAMIID.Unavailable"):
            lab.run(ImageId=image_id)
    filters = [{"Name": name, "Values": [value]} for name, value in [("state", "available"), ("tag:immtf:version", "1.1.0")]]
    wait_until(lambda: lab.ec2.describe_images(Filters=filters)["Images"])  # type: ignore[arg-type]
    image = lab.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    assert (image["RootDeviceType"], image["VirtualizationType"], image["Architecture"]) == ("ebs", "hvm", "x86_64")
    lab.running(ImageId=image_id)


def test_an_image_of_a_directory_that_is_not_there_is_refused(lab: Lab) -> None:
    with refused("InvalidManifest"):
        lab.ec2.register_image(Name="none", ImageLocation="/nowhere")
    assert [image["ImageId"] for image in lab.ec2.describe_images(Owners=["self"])["Images"]] == [lab.image]


def test_delays_are_added_to_what_the_real_thing_takes() -> None:
    with serve(FakeRuntime(), delays=Delays(pending=0.4, stop=0.4)) as lab:
        instance_id = lab.run()
        wait_until(lambda: instance_id in lab.runtime.guests)
        assert lab.state(instance_id) == "pending"
        lab.until(instance_id, "running")
        lab.ec2.stop_instances(InstanceIds=[instance_id])
        wait_until(lambda: not lab.runtime.is_running(instance_id))
        assert lab.state(instance_id) == "stopping"
        lab.until(instance_id, "stopped")
