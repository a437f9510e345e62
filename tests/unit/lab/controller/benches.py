"""Labs for the tests of the controller: started in a folder, with an instance in them, ended whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from tests.contract.runtime_benches import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_ec2 import EC2Client

    from immtf.lab import client

SLEEPER = [{"name": "sleeper", "command": ["sleep", "1000"]}]


def make_ec2(lab: client.Lab) -> EC2Client:
    environment = lab.environment()
    return boto3.client(
        "ec2",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


def run_instance(lab: client.Lab, tree: Path) -> str:
    image_id = lab.register_image("sleeper", "1.0.0", tree)
    ec2 = make_ec2(lab)
    vpc = ec2.create_vpc(CidrBlock=lab.cidr)["Vpc"]["VpcId"]
    network = lab.cidr.removesuffix(".0.0/16")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{network}.10.0/24")["Subnet"]["SubnetId"]
    made = ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, SubnetId=subnet, PrivateIpAddress=f"{network}.10.11")
    ec2.close()
    eventually(lambda: any(row.services.get("sleeper") == "running" for row in lab.status()))
    return made["Instances"][0]["InstanceId"]
