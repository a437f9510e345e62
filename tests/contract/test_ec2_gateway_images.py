"""What an image builder asks of the cloud: a key pair, an instance that it may log in to, a stop, an image with tags, and their end."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.contract.ec2_lab import ZONE, Lab, refused, serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


def openssh(key: Any) -> str:
    return str(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def key_of(lab: Lab, instance_id: str) -> str:
    return lab.runtime.guests[instance_id].spec.public_key


def test_an_instance_is_given_the_public_half_of_its_key_pair(lab: Lab) -> None:
    material = lab.ec2.create_key_pair(KeyName="made")["KeyMaterial"]
    made = openssh(load_pem_private_key(material.encode(), None).public_key())
    own = openssh(ed25519.Ed25519PrivateKey.generate().public_key())
    lab.ec2.import_key_pair(KeyName="brought", PublicKeyMaterial=f"{own} me@here".encode())
    assert key_of(lab, lab.running(KeyName="made")) == made
    assert key_of(lab, lab.running(KeyName="brought")) == f"{own} me@here"
    assert key_of(lab, lab.running()) == ""


def test_a_key_in_the_form_of_rfc_4716_is_written_as_openssh_does(lab: Lab) -> None:
    kind, body = openssh(ed25519.Ed25519PrivateKey.generate().public_key()).split()
    lines = ["---- BEGIN SSH2 PUBLIC KEY ----", "Comment: mine", body[:40], body[40:], "---- END SSH2 PUBLIC KEY ----"]
    lab.ec2.import_key_pair(KeyName="brought", PublicKeyMaterial="\n".join(lines).encode())
    assert key_of(lab, lab.running(KeyName="brought")) == f"{kind} {body}"


def test_a_key_pair_that_is_not_there_any_more_is_refused_and_nothing_is_made(lab: Lab) -> None:
    lab.ec2.create_key_pair(KeyName="made")
    with lab.runtime.hold("boot"):
        instance_id = lab.run(KeyName="made")
        lab.ec2.delete_key_pair(KeyName="made")
    lab.until(instance_id, "running")
    assert key_of(lab, instance_id).startswith("ssh-rsa ")  # as it was when the instance was made
    with refused("InvalidKeyPair.NotFound"):
        lab.run(KeyName="made")
    assert list(lab.runtime.guests) == [instance_id]


def test_a_group_whose_key_pair_is_gone_still_makes_its_instances(lab: Lab) -> None:
    lab.ec2.create_key_pair(KeyName="made")
    template = {"ImageId": lab.image, "InstanceType": "t3.micro", "KeyName": "made"}
    lab.ec2.create_launch_template(LaunchTemplateName="template", LaunchTemplateData=template)  # type: ignore[arg-type]
    lab.ec2.delete_key_pair(KeyName="made")
    lab.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        MinSize=1,
        MaxSize=1,
        LaunchTemplate={"LaunchTemplateName": "template"},
        VPCZoneIdentifier=lab.subnet,
    )
    wait_until(lambda: lab.runtime.guests)
    assert [guest.spec.public_key for guest in lab.runtime.guests.values()] == [""]


def test_what_packer_asks_before_it_makes_an_instance_is_answered(lab: Lab) -> None:
    (found,) = lab.ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "virtualization-type", "Values": ["hvm"]}, {"Name": "root-device-type", "Values": ["ebs"]}]
    )["Images"]
    assert (found["ImageId"], found["Architecture"], found["State"]) == (lab.image, "x86_64", "available")
    assert lab.ec2.describe_regions(RegionNames=["eu-central-1"])["Regions"][0]["RegionName"] == "eu-central-1"
    assert lab.ec2.describe_subnets(SubnetIds=[lab.subnet])["Subnets"][0]["VpcId"] == lab.vpc
    assert lab.ec2.describe_vpcs(VpcIds=[lab.vpc])["Vpcs"]
    group = lab.ec2.create_security_group(GroupName="packer", Description="for a while", VpcId=lab.vpc)["GroupId"]
    ssh: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "127.0.0.0/8"}]}
    lab.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    instance_id = lab.running(SecurityGroupIds=[group], InstanceInitiatedShutdownBehavior="stop")
    shown = lab.instance(instance_id)
    assert (shown["PrivateIpAddress"], shown["Placement"]["AvailabilityZone"]) == (lab.runtime.guests[instance_id].spec.address, ZONE)
    assert [row["InstanceState"]["Name"] for row in lab.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"]] == [
        "running"
    ]
    lab.ec2.terminate_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "terminated")
    lab.ec2.delete_security_group(GroupId=group)


def test_an_image_and_its_snapshots_are_tagged_and_go_one_after_the_other(lab: Lab) -> None:
    instance_id = lab.running()
    lab.ec2.stop_instances(InstanceIds=[instance_id])
    lab.until(instance_id, "stopped")
    tags: Any = [{"ResourceType": kind, "Tags": [{"Key": "immtf:family", "Value": "consul"}]} for kind in ("image", "snapshot")]
    image_id = lab.ec2.create_image(InstanceId=instance_id, Name="consul-1", TagSpecifications=tags)["ImageId"]
    wait_until(lambda: lab.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")
    image = lab.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    snapshot_id = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    lab.ec2.create_tags(Resources=[image_id, snapshot_id], Tags=[{"Key": "immtf:version", "Value": "1"}])
    assert {tag["Key"] for tag in image["Tags"]} == {"immtf:family"}
    snapshot = lab.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert {tag["Key"] for tag in snapshot["Tags"]} == {"immtf:family", "immtf:version"}
    assert snapshot["State"] == "completed"
    with refused("InvalidSnapshot.InUse"):
        lab.ec2.delete_snapshot(SnapshotId=snapshot_id)
    lab.ec2.deregister_image(ImageId=image_id)
    lab.ec2.delete_snapshot(SnapshotId=snapshot_id)
    wait_until(lambda: image_id not in lab.runtime.images)
    with refused("InvalidAMIID.NotFound"):
        lab.run(ImageId=image_id)


def test_an_image_that_is_deregistered_while_it_is_made_leaves_nothing(lab: Lab) -> None:
    instance_id = lab.running()
    with lab.runtime.hold("create_image") as entered:
        image_id = lab.ec2.create_image(InstanceId=instance_id, Name="short-lived")["ImageId"]
        assert entered.wait(60)
        lab.ec2.deregister_image(ImageId=image_id)
    wait_until(lambda: f"delete_image {image_id}" in lab.runtime.log)
    assert image_id not in lab.runtime.images
    with refused("InvalidAMIID.Unavailable"):
        lab.ec2.deregister_image(ImageId=image_id)


def test_key_material_is_taken_as_it_is_sent(lab: Lab) -> None:
    with refused("InvalidKeyPair.Format"):
        lab.ec2.import_key_pair(KeyName="bad", PublicKeyMaterial=base64.b64encode(b"no key"))
