"""An environment that a file defines, rehearsed in the lab: its variables, and its states in the lab's own S3."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from immtf.adapters.aws import Aws
from immtf.adapters.states import states_of
from immtf.plan.config import load_environment
from immtf.plan.environments import in_lab
from tests.lab.child import environment
from tests.lab.rehearsal import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.rehearsal import Rehearsal

BUCKET, KEY = "acme-states", "immtf/default/net/terraform.tfstate"
DEFINITION = f"""\
environment: staging
class: test
region: us-west-2
backend: {{ s3: {{ bucket: {BUCKET}, prefix: immtf, profile: nobodys, encrypt: true }} }}
variables: {{ cidr: 10.9.0.0/16, nobody_declares: this }}
blocks: {{ net: {{ variables: {{ label: staged }} }} }}
"""
BLOCK = "block: net\nversion: 1.0.0\n"
HCL = """\
variable "cidr" { type = string }
variable "label" { type = string }
variable "environment" { type = string }
provider "aws" {
  default_tags {
    tags = { Label = var.label }
  }
}
resource "aws_vpc" "this" {
  cidr_block = var.cidr
  tags       = { "immtf:environment" = var.environment }
}
output "region" { value = element(split(":", aws_vpc.this.arn), 3) }
output "block" {
  value = { name = "net", version = "1.0.0", requires = {} }
}
"""


class Bucket:
    """The lab's S3, looked at past immtf and Terraform."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.process = rehearsal.lab.environment()
        self.client: Any = boto3.client(
            "s3",
            region_name=self.process["AWS_REGION"],
            endpoint_url=self.process["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.process["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.process["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}, connect_timeout=30, read_timeout=60, s3={"addressing_style": "path"}),
        )

    @property
    def keys(self) -> list[str]:
        return [row["Key"] for row in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def get(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return document

    def put(self, key: str, text: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=text.encode())


def make_block(directory: Path) -> Path:
    block = directory / "net"
    block.mkdir()
    (block / "immtf.yaml").write_text(BLOCK)
    (block / "main.tf").write_text(HCL)
    (directory / "environments").mkdir()
    (directory / "environments/staging.yaml").write_text(DEFINITION)
    return block


@pytest.mark.lab(minutes=2)
def test_a_block_in_an_environment_whose_states_are_in_s3(rehearsal: Rehearsal) -> None:
    """The key holds environment and block; Terraform's lock and the lease are beside the state, and both are given back."""
    rehearsal.block = make_block(rehearsal.directory)
    staged = ("--environment", "staging")
    rehearsal.run("create", "--yes", *staged).expect(0)

    bucket = Bucket(rehearsal)
    assert bucket.keys == [KEY, f"{KEY}.immtf-lease"], "Terraform's lock is gone, the lease is given back and keeps its count"
    lease = bucket.get(f"{KEY}.immtf-lease")
    assert (lease["free"], lease["holder"]["command"]) == (True, "create"), lease
    state = bucket.get(KEY)
    (vpc,) = (row["instances"][0]["attributes"] for row in state["resources"] if row["type"] == "aws_vpc")
    assert vpc["cidr_block"] == "10.9.0.0/16"
    assert vpc["tags_all"] == {"immtf:environment": "default", "Label": "staged"}
    assert state["outputs"]["region"]["value"] == bucket.process["AWS_REGION"], "the lab's region, not the definition's"
    assert not list(rehearsal.home.rglob("terraform.tfstate.before-apply")), "no state of it is a file here"

    rehearsal.run("plan", *staged).expect(0)
    upgraded_by_a_lock(rehearsal, bucket, staged)
    template = in_lab(load_environment(rehearsal.directory / "environments/staging.yaml").backend, **where(bucket))
    assert template is not None
    states = states_of(template, "default", Aws.from_environment(bucket.process), bucket.process)
    assert states.there() == ("net",)

    rehearsal.run("destroy", "--yes", *staged).expect(0)
    assert bucket.get(KEY)["resources"] == []
    assert f"{KEY}.tflock" not in bucket.keys
    assert states.there() == (), "what was destroyed is not there any more"


def upgraded_by_a_lock(rehearsal: Rehearsal, bucket: Bucket, staged: tuple[str, ...]) -> None:
    """Lock the next version of the block, and upgrade by that: what the directory becomes meanwhile is in no step of it."""
    block, lock = rehearsal.block, rehearsal.directory / "net.lock"
    for file in (block / "immtf.yaml", block / "main.tf"):
        file.write_text(file.read_text().replace("1.0.0", "1.1.0"))
    argv = [sys.executable, "-m", "immtf", "resolve", "net", "--published", str(rehearsal.directory), "--lock", str(lock)]
    subprocess.run(argv, cwd=rehearsal.directory, env=environment(REPOSITORY), check=True, capture_output=True, timeout=120)
    rehearsal.block = lock
    child = rehearsal.begin("upgrade", "--yes", *staged)
    child.until(lambda event: event["event"] == "blocks_planned", 300.0)
    (block / "main.tf").write_text("this is no Terraform any more\n")
    ended = child.ended(300.0).expect(0)
    assert [event["block"] for event in ended.of("block_started")] == ["net"]
    assert ended.one("blocks_planned")["rows"][0]["now"] == "1.0.0"
    assert bucket.get(KEY)["outputs"]["block"]["value"]["version"] == "1.1.0"
    drifted = rehearsal.run("plan", *staged).expect(2)
    assert "net 1.1.0 was changed since it was locked" in drifted.stderr
    (block / "main.tf").write_text(HCL.replace("1.0.0", "1.1.0"))
    rehearsal.run("plan", *staged).expect(0)
    rehearsal.block = block


def where(bucket: Bucket) -> dict[str, str]:
    return {"endpoint": bucket.process["AWS_ENDPOINT_URL"], "region": bucket.process["AWS_REGION"]}
