"""The `ImageStore` port: the same cases on the fake, and on boto3 against the lab's gateway. And the `Trial` port's calls there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.image_store import Ec2ImageStore
from immtf.adapters.trial import Ec2Trial, Ground
from immtf.errors import CloudFailed, UsageError
from immtf.model.imaging import TrialOrder
from immtf.plan.image import Image
from tests.contract.cloud_benches import aws_of
from tests.contract.ec2_lab import ZONE, Lab, serve, wait_until
from tests.fakes.image_store import FakeImageStore
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.run.image_ports import ImageStore

TAGS = {"immtf:block": "image-consul", "immtf:environment": "t-0a1b2c3d"}


class Stored:
    """Two images of the family consul, one of another, and an instance of the first."""

    def __init__(self, store: ImageStore, one: str, two: str, instance: str) -> None:
        self.store, self.one, self.two, self.instance = store, one, two, instance


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


@pytest.fixture(params=["fake", "ec2"])
def stored(request: pytest.FixtureRequest) -> Stored:
    if request.param == "fake":
        rows = (("ami-1", "consul", "1.0.0"), ("ami-2", "consul", "1.1.0"), ("ami-3", "etcd", "3.0.0"))
        fake = FakeImageStore.of(Image(image_id, family, version, "") for image_id, family, version in rows)
        fake.used["ami-1"] = ["i-1 (running)"]
        return Stored(fake, "ami-1", "ami-2", "i-1")
    lab: Lab = request.getfixturevalue("lab")
    one, two, _ = (register(lab, family, version) for family, version in (("consul", "1.0.0"), ("consul", "1.1.0"), ("etcd", "3.0.0")))
    return Stored(Ec2ImageStore(aws_of(lab)), one, two, lab.running(ImageId=one))


def register(lab: Lab, family: str, version: str) -> str:
    given = lab.ec2.register_image(Name=f"{family}-{version}", ImageLocation=f"/images/{family}-{version}")["ImageId"]
    lab.ec2.create_tags(Resources=[given], Tags=[{"Key": "immtf:family", "Value": family}, {"Key": "immtf:version", "Value": version}])
    return given


def test_images_are_told_by_family_or_all(stored: Stored) -> None:
    assert sorted(image.version for image in stored.store.images("consul")) == ["1.0.0", "1.1.0"]
    assert sorted(image.version for image in stored.store.images("")) == ["1.0.0", "1.1.0", "3.0.0"]
    assert stored.store.images("kafka") in ([], ())


def test_a_tag_is_set_and_read(stored: Stored) -> None:
    stored.store.tag(stored.two, {"immtf:verified": "now r1"})
    image = stored.store.image(stored.two)
    assert image is not None
    assert (image.is_verified, image.is_promoted) == (True, False)
    with pytest.raises(CloudFailed):
        stored.store.tag("ami-0fffffffffffffff0", {"immtf:verified": "now"})


def test_what_runs_is_used(stored: Stored) -> None:
    assert list(stored.store.uses().get(stored.one, ())) == [f"{stored.instance} (running)"]
    assert stored.two not in stored.store.uses()


def test_an_image_goes_and_may_be_removed_again(stored: Stored) -> None:
    image = stored.store.image(stored.two)
    assert image is not None
    stored.store.remove(image)
    assert stored.store.image(stored.two) is None
    stored.store.remove(image)


def test_a_stopped_instance_and_every_version_of_a_launch_template_use_their_images(lab: Lab) -> None:
    one, two = register(lab, "consul", "1.0.0"), register(lab, "consul", "1.1.0")
    stopped = lab.running(ImageId=one)
    lab.ec2.stop_instances(InstanceIds=[stopped])
    lab.until(stopped, "stopped")
    made = lab.ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": one})["LaunchTemplate"]
    lab.ec2.create_launch_template_version(LaunchTemplateId=made["LaunchTemplateId"], LaunchTemplateData={"ImageId": two})
    uses = Ec2ImageStore(aws_of(lab)).uses()
    assert list(uses[one]) == [f"{stopped} (stopped)", "launch template web, version 1"]
    assert list(uses[two]) == ["launch template web, version 2"]


def test_the_snapshots_of_an_image_go_with_it(lab: Lab) -> None:
    store = Ec2ImageStore(aws_of(lab))
    image_id = lab.ec2.create_image(InstanceId=lab.running(), Name="copy")["ImageId"]
    wait_until(lambda: (found := store.image(image_id)) and found.state == "available")
    image = store.image(image_id)
    assert image is not None
    assert image.snapshots
    store.remove(image)
    assert [
        row["SnapshotId"] for row in lab.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] if row["SnapshotId"] in image.snapshots
    ] == []


def test_a_trial_is_made_with_its_tags_and_read_from_outside(lab: Lab) -> None:
    trial = Ec2Trial(aws_of(lab))
    ground = trial.lab_ground(f"{lab.cidr}.0.0/16")
    assert trial.lab_ground(f"{lab.cidr}.0.0/16") == ground, "made once"
    order = TrialOrder(image_id=lab.image, subnet_id=ground.subnet_id, zone=ground.zone, tags=TAGS, user_data="#!/bin/sh\n")
    instance_id = trial.launch(order)
    lab.until(instance_id, "running")
    told: Any = lab.instance(instance_id)
    assert TAGS.items() <= {tag["Key"]: tag["Value"] for tag in told["Tags"]}.items()
    assert told["PrivateIpAddress"].startswith(f"{lab.cidr}.250.")
    assert trial.console(instance_id) == ""
    volume_id = trial.make_volume(ground.zone, TAGS)
    wait_until(lambda: lab.volume_state(volume_id) == "available")
    trial.attach(volume_id, instance_id, "/dev/xvdf")
    wait_until(lambda: lab.volume_state(volume_id) == "in-use")


def test_a_trial_stands_where_it_is_told_or_on_the_default_network(lab: Lab) -> None:
    trial = Ec2Trial(aws_of(lab))
    assert trial.ground(lab.subnet) == Ground(lab.subnet, ZONE, lab.vpc)
    assert trial.ground("").zone == ZONE
    with pytest.raises(UsageError, match="no subnet subnet-0ff"):
        trial.ground("subnet-0ff")
    with pytest.raises(CloudFailed):
        trial.launch(TrialOrder(image_id="ami-0fffffffffffffff0", subnet_id=lab.subnet, zone=ZONE, tags=TAGS, profile="ssm"))
