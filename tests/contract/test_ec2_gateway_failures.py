"""What a client sees when the runtime can't do what the API has accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.ec2_lab import Lab, refused, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


def test_an_instance_that_does_not_start_again_is_stopped_with_the_reason(lab: Lab) -> None:
    instance_id = lab.running()
    lab.ec2.stop_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "stopped")
    lab.runtime.broken.add("start")
    lab.ec2.start_instances(InstanceIds=[instance_id])
    wait_until(lambda: lab.instance(instance_id).get("StateReason", {}).get("Code") == "Server.InternalError")
    assert lab.state(instance_id) == "stopped"


def test_a_stop_or_an_end_that_can_not_be_told_stays_under_way_and_may_be_asked_for_again(lab: Lab) -> None:
    instance_id = lab.running()
    for operation, change, now, then in (
        ("stop", lab.ec2.stop_instances, "stopping", "stopped"),
        ("terminate", lab.ec2.terminate_instances, "shutting-down", "terminated"),
    ):
        lab.runtime.broken.add(operation)
        change(InstanceIds=[instance_id])
        assert lab.gateway.settle(5)
        assert lab.state(instance_id) == now
        lab.runtime.broken.clear()
        change(InstanceIds=[instance_id])
        lab.until(instance_id, then)


def test_a_volume_that_is_not_attached_is_available_again(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.runtime.broken.add("attach")
    lab.attach(volume_id, instance_id)
    wait_until(lambda: lab.volume_state(volume_id) == "available")
    assert len(lab.instance(instance_id)["BlockDeviceMappings"]) == 1


def test_a_volume_that_is_not_made_is_an_error(lab: Lab) -> None:
    lab.runtime.broken.add("create_volume")
    volume_id = lab.ec2.create_volume(AvailabilityZone="eu-central-1a", Size=1)["VolumeId"]
    wait_until(lambda: lab.volume_state(volume_id) == "error")


def test_copies_that_are_not_made_are_errors(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    lab.runtime.broken |= {"snapshot", "create_image"}
    snapshot_id = lab.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"]
    image_id = lab.ec2.create_image(InstanceId=instance_id, Name="two")["ImageId"]
    wait_until(lambda: lab.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]["State"] == "error")
    wait_until(lambda: lab.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "failed")


def test_what_the_lab_does_not_do_is_said_at_once(lab: Lab) -> None:
    root = lab.instance(lab.running())["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    with refused("UnsupportedOperation"):
        lab.ec2.create_snapshot(VolumeId=root)
    with refused("UnsupportedOperation"):
        lab.ec2.copy_image(Name="copy", SourceImageId=lab.image, SourceRegion="eu-central-1")
    with refused("MissingParameter"):
        lab.ec2.register_image(Name="two")
    with refused("MissingParameter"):
        lab.ec2.run_instances(MinCount=1, MaxCount=1)


def test_an_instance_that_ends_while_a_volume_is_attached_gives_it_back(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    with lab.runtime.hold("attach") as entered:
        lab.attach(volume_id, instance_id)
        assert entered.wait(60)
        lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    assert lab.volume_state(volume_id) == "available"
    assert lab.runtime.volumes[volume_id].instance_id is None


def test_a_volume_that_is_detached_while_it_is_attached_ends_up_available(lab: Lab) -> None:
    instance_id, volume_id = lab.running(), lab.volume()
    with lab.runtime.hold("attach") as entered:
        lab.attach(volume_id, instance_id)
        assert entered.wait(60)
        lab.ec2.detach_volume(VolumeId=volume_id, InstanceId=instance_id)
        assert lab.attachment(volume_id) == "detaching"
    wait_until(lambda: lab.volume_state(volume_id) == "available")
    assert lab.runtime.volumes[volume_id].instance_id is None
