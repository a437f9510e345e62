"""Images as the real adapter reads them from the gateway: what is missing, not ready, or made for another machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.adapters.aws import Aws
from immtf.adapters.ec2 import Ec2
from immtf.app.images import choose_image, present_architecture
from immtf.errors import PlanRefused, VersionsUnresolved
from immtf.model.snapshot import ChangeKind, NodeChange, NodeNow, Snapshot
from immtf.plan.fitness import judge_images
from immtf.plan.judge import refuse
from tests.contract.ec2_lab import REGION, Lab, serve
from tests.fakes.builders import A, make_place
from tests.fakes.runtime import FakeRuntime
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS = {"immtf:block": "consul"}


@pytest.fixture
def lab() -> Iterator[Lab]:
    with serve(FakeRuntime()) as served:
        yield served


@pytest.fixture
def ec2(lab: Lab) -> Ec2:
    variables = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL": lab.url, "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}
    return Ec2(Aws.from_environment(variables))


def register(lab: Lab, name: str, version: str, architecture: str = "x86_64") -> str:
    named = {"immtf:family": "consul", "immtf:version": version, "immtf:promoted": "2026-01-01T00:00:00Z"}
    tags = [{"Key": key, "Value": value} for key, value in named.items()]
    given = lab.ec2.register_image(Name=name, ImageLocation=f"/images/{name}", Architecture=architecture)  # type: ignore[arg-type]  # a word
    lab.ec2.create_tags(Resources=[given["ImageId"]], Tags=tags)  # type: ignore[arg-type]  # keys and values
    return given["ImageId"]


def tagged(lab: Lab) -> str:
    return lab.running(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "immtf:block", "Value": "consul"}]}])


def refused(lab: Lab, ec2: Ec2, image_id: str) -> str:
    """Return the check that refuses a node's replacement by this image, "" for none."""
    instance_id = tagged(lab)
    now = NodeNow(make_place(), ec2.instances([instance_id])[instance_id])
    snapshot = Snapshot({A: now}, {A: NodeChange(ChangeKind.REPLACE, image_id=image_id)})
    found = judge_images(snapshot, {image_id: ec2.image(image_id)})
    if found:
        with pytest.raises(PlanRefused, match=image_id):
            refuse(found, "block consul")
    return ", ".join(item.check for item in found)


def test_an_image_that_is_not_shared_with_this_account_is_missing(lab: Lab, ec2: Ec2) -> None:
    """F26: EC2 doesn't tell a missing image from one that isn't shared."""
    assert ec2.image("ami-0123456789abcdef0") is None
    assert refused(lab, ec2, "ami-0123456789abcdef0") == "image-missing"


def test_an_image_of_another_architecture_is_refused_and_one_that_fits_is_not(lab: Lab, ec2: Ec2) -> None:
    """F26."""
    arm = register(lab, "arm", "1.1.0", "arm64")
    assert refused(lab, ec2, arm) == "image-architecture"
    assert refused(lab, ec2, lab.image) == ""


def test_an_image_that_is_being_made_is_not_there_yet(lab: Lab, ec2: Ec2) -> None:
    """F26."""
    instance_id = tagged(lab)
    with lab.runtime.hold("create_image"):
        image_id = lab.ec2.create_image(InstanceId=instance_id, Name="copy")["ImageId"]
        assert refused(lab, ec2, image_id) == "image-missing"


def test_the_newest_image_for_the_machines_that_are_there_is_taken(lab: Lab, ec2: Ec2) -> None:
    """F26: a family built for two architectures; the newer version is there for the other one only."""
    fits = register(lab, "x86", "1.1.0")
    register(lab, "arm", "1.2.0", "arm64")
    block = make_block()
    assert present_architecture(block, ec2, TAGS) is None, "nothing runs yet"
    tagged(lab)
    runs = present_architecture(block, ec2, TAGS)
    assert runs == "x86_64"
    choice = choose_image(block, ec2, None, architecture=runs)
    assert choice is not None
    assert choice.image_id == fits
    with pytest.raises(VersionsUnresolved, match="is made for arm64, not for x86_64"):
        choose_image(block, ec2, "1.2.0", architecture=runs)
