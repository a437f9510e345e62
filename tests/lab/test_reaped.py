"""A test that was killed half way: `reap` finds what it left by record and by tag, and removes all of it, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from tests.lab.points import at, makes_instance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.rehearsal import Rehearsal

NAMED = ("--lab", "--lab-name", "default")
KINDS = {
    "describe_instances": "Reservations",
    "describe_volumes": "Volumes",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_security_groups": "SecurityGroups",
    "describe_internet_gateways": "InternetGateways",
    "describe_subnets": "Subnets",
    "describe_route_tables": "RouteTables",
    "describe_vpcs": "Vpcs",
}
GONE = {"shutting-down", "terminated"}


def tagged(ec2: Any, value: str) -> list[str]:
    """Return the kinds of what is there with this class, as the cloud's own API tells it."""
    found = []
    for call, rows in KINDS.items():
        answer = getattr(ec2, call)(Filters=[{"Name": "tag:immtf:class", "Values": [value]}])[rows]
        if rows == "Reservations":
            answer = [item for row in answer for item in row["Instances"] if item["State"]["Name"] not in GONE]
        found += [rows] * len(answer)
    return found


def definition(rehearsal: Rehearsal) -> Path:
    """Write a definition whose states are in S3, and return its directory."""
    directory = rehearsal.directory / "environments"
    directory.mkdir()
    (directory / "tries.yaml").write_text("environment: tries\nclass: test\nbackend: { s3: { bucket: states, prefix: tests } }\n")
    return directory


def objects(rehearsal: Rehearsal) -> list[str]:
    """Return what is in S3, in any bucket."""
    variables = rehearsal.lab.environment()
    s3: Any = boto3.client(
        "s3",
        region_name=variables["AWS_REGION"],
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    buckets = [row["Name"] for row in s3.list_buckets()["Buckets"]]
    return [row["Key"] for name in buckets for row in s3.list_objects_v2(Bucket=name).get("Contents", ())]


@pytest.mark.lab(minutes=4)
@pytest.mark.parametrize("where", ["files", "s3"])
def test_a_killed_test_is_reaped_completely(infrastructure: Rehearsal, where: str) -> None:
    """F43: SIGKILL for all of `test-create` while Terraform makes instances, on a base that it had made, in a lab that stays.

    Its states are in files, or in S3 by a definition, which the record names. As long as it lives it is left alone, past its time and
    between its blocks' runs: by a lease, which in S3 is one of the whole environment.
    """
    defined = ("--environment", "tries", "--environments", str(definition(infrastructure))) if where == "s3" else ()
    child = infrastructure.begin("test-create", "--yes", "--lab-name", "default", "--ttl", "1s", "--lease-ttl", "10", *defined)
    child.until(at("stage_started", stage="producers"), 900)
    living = infrastructure.say("reap", *NAMED, "--yes").expect(0)
    told = [json.loads(line) for line in living.stdout.splitlines()]  # the newest journal may be that of the block it makes
    assert told[-1]["outcome"] == "nothing_to_do"
    assert [event for event in told if "is left: somebody may be at work in it: " in event.get("message", "")]
    assert ("tests/default/environment.json.immtf-lease" in objects(infrastructure)) == (where == "s3")
    child.until(makes_instance, 900)
    child.kill(tree=True)
    lab, ec2 = infrastructure.lab, infrastructure.cloud.ec2
    ours = {"Key": "immtf:class", "Value": "production"}
    spec: Any = [{"ResourceType": "vpc", "Tags": [ours, {"Key": "immtf:expires", "Value": "2020-01-01T00:00:00Z"}]}]
    kept = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=spec)["Vpc"]["VpcId"]
    left = tagged(ec2, "test")
    assert {"Vpcs", "Subnets", "SecurityGroups"} <= set(left)
    record = json.loads((lab.directory / "environment.json").read_text())
    assert (record["class"], [block.rpartition("/")[2] for block in record["blocks"]]) == ("test", ["base", "consul"])

    states = [key for key in objects(infrastructure) if key.endswith("terraform.tfstate")]
    assert bool(states) == (where == "s3"), "of the base; Terraform may not have written the other one yet"

    seen = infrastructure.say("reap", *NAMED, "--dry-run").expect(0)
    goes = [note for note in seen.of("noted") if " goes: its time was over" in note["message"]]
    assert where == "s3" or len(goes) >= len(left), "in S3 its leases may have been renewed of late"
    assert tagged(ec2, "test") == left

    infrastructure.say("reap", *NAMED, "--yes").expect(0)
    assert tagged(ec2, "test") == []
    assert tagged(ec2, "production") == ["Vpcs"]
    assert ec2.describe_vpcs(VpcIds=[kept])["Vpcs"]
    assert not (lab.directory / "environment.json").exists()
    assert list(lab.environments.glob("**/terraform.tfstate*")) == []
    assert objects(infrastructure) == []
    assert infrastructure.say("reap", *NAMED, "--yes").expect(0).last["outcome"] == "nothing_to_do"


@pytest.mark.lab(minutes=1)
def test_the_lab_of_a_killed_test_is_taken_down(infrastructure: Rehearsal) -> None:
    """F43: its own lab, with all that runs in it."""
    infrastructure.kill_at(at("stage_started", stage="producers"), "test-create", "--yes", tree=True)
    (name,) = infrastructure.left()
    seen = infrastructure.say("reap", "--lab", "--dry-run").expect(0)
    assert f"lab {name} goes: its test was killed" in seen.stderr
    done = infrastructure.say("reap", "--lab", "--yes").expect(0)
    assert f"took down lab {name}: its test was killed" in done.stderr
    assert not (infrastructure.home / "labs" / name / "environment.json").exists()
    assert not (infrastructure.home / "labs" / name / "runtime").exists()
