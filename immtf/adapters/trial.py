"""The `Trial` port over EC2: one instance and small volumes, all of them with the trial's tags from their first moment on.

A trial stands in a subnet that was named, or in one of the default network's; in the lab on ground of its own, which stays with the lab. It
may reach the internet from there or not: what it needs is Systems Manager, which looks into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import pages, tag_filters, translated
from immtf.errors import CloudFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.adapters.aws import Aws
    from immtf.model.imaging import TrialOrder

GROUND = {"immtf:trials": "lab"}
_LAB_SUBNET = 250
_NO_LATEST = "UnsupportedOperation"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where trials stand."""

    subnet_id: str
    zone: str
    vpc_id: str = ""


class Ec2Trial:
    """EC2 in one region."""

    def __init__(self, aws: Aws) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ec2")

    def launch(self, order: TrialOrder) -> str:
        wanted: dict[str, Any] = {
            "ImageId": order.image_id,
            "InstanceType": order.instance_type,
            "SubnetId": order.subnet_id,
            "MinCount": 1,
            "MaxCount": 1,
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required"},
            "TagSpecifications": [_tagged(kind, order.tags) for kind in ("instance", "volume")],
        }
        wanted |= {"UserData": order.user_data} if order.user_data else {}
        wanted |= {"IamInstanceProfile": {"Name": order.profile}} if order.profile else {}
        with translated(f"ec2 {order.image_id}"):
            return str(self._client.run_instances(**wanted)["Instances"][0]["InstanceId"])

    def console(self, instance_id: str) -> str:
        try:
            return self._console(instance_id, Latest=True)
        except CloudFailed as error:
            if error.code != _NO_LATEST:  # only machines on Nitro have the latest
                raise
            return self._console(instance_id)

    def make_volume(self, zone: str, tags: Mapping[str, str]) -> str:
        with translated(f"ec2 {zone}"):
            made = self._client.create_volume(AvailabilityZone=zone, Size=1, VolumeType="gp3", TagSpecifications=[_tagged("volume", tags)])
        return str(made["VolumeId"])

    def attach(self, volume_id: str, instance_id: str, device: str) -> None:
        with translated(f"ec2 {volume_id}"):
            self._client.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)

    def ground(self, subnet_id: str) -> Ground:
        """Return the subnet named, or the first of the default network's. Raises `UsageError` where there is none."""
        wanted = {"Name": "subnet-id", "Values": [subnet_id]} if subnet_id else {"Name": "default-for-az", "Values": ["true"]}
        found = self._subnets([wanted])
        if not found:
            what = f"there is no subnet {subnet_id} here" if subnet_id else "there is no default network in this region"
            raise UsageError(what, next="say with --subnet where trials may stand")
        return found[0]

    def lab_ground(self, cidr: str) -> Ground:
        """Return the lab's ground for trials, made where it isn't there; `cidr` is the lab's network, a /16."""
        found = self._subnets(tag_filters(GROUND))
        if found:
            return found[0]
        part = list(IPv4Network(cidr).subnets(new_prefix=24))[_LAB_SUBNET]
        with translated("ec2"):
            vpc = self._client.create_vpc(CidrBlock=cidr, TagSpecifications=[_tagged("vpc", GROUND)])["Vpc"]["VpcId"]
            made = self._client.create_subnet(VpcId=vpc, CidrBlock=str(part), TagSpecifications=[_tagged("subnet", GROUND)])["Subnet"]
        return Ground(made["SubnetId"], made["AvailabilityZone"], vpc)

    def _subnets(self, filters: list[dict[str, Any]]) -> list[Ground]:
        rows = pages(self._client, "describe_subnets", "Subnets", Filters=filters)
        return sorted(
            (Ground(row["SubnetId"], row["AvailabilityZone"], row["VpcId"]) for row in rows),
            key=lambda ground: (ground.zone, ground.subnet_id),
        )

    def _console(self, instance_id: str, **how: Any) -> str:
        with translated(f"ec2 {instance_id}"):
            return str(self._client.get_console_output(InstanceId=instance_id, **how).get("Output") or "")


def _tagged(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}
