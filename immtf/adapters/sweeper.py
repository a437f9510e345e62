"""The `Sweeper` port over EC2: finds what carries a test environment's tags, and takes it away."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from immtf.adapters.aws import pages, tag_filters, tags_in, translated
from immtf.errors import CloudFailed
from immtf.model.cloud import Stray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.adapters.aws import Aws
    from immtf.model.reaping import Kind

NOT_TERMINATED = ["pending", "running", "stopping", "stopped", "shutting-down"]
NOT_ATTACHED, VIOLATION = "Gateway.NotAttached", "DependencyViolation"


@dataclass(frozen=True)
class Way:
    """How things of a kind are listed, and how one is removed: EC2's own names. `state` is where a row tells its state, "" for nowhere."""

    listing: str
    rows: str
    identity: str
    removal: str
    argument: str
    state: str = ""
    paged: bool = True


WAYS: Mapping[Kind, Way] = {
    "instance": Way("describe_instances", "Reservations", "InstanceId", "terminate_instances", "InstanceIds"),
    "launch-template": Way(
        "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", "delete_launch_template", "LaunchTemplateId"
    ),
    "key-pair": Way("describe_key_pairs", "KeyPairs", "KeyPairId", "delete_key_pair", "KeyName", paged=False),
    "volume": Way("describe_volumes", "Volumes", "VolumeId", "delete_volume", "VolumeId", "State"),
    "snapshot": Way("describe_snapshots", "Snapshots", "SnapshotId", "delete_snapshot", "SnapshotId", "State"),
    "network-interface": Way(
        "describe_network_interfaces",
        "NetworkInterfaces",
        "NetworkInterfaceId",
        "delete_network_interface",
        "NetworkInterfaceId",
        "Status",
    ),
    "security-group": Way("describe_security_groups", "SecurityGroups", "GroupId", "delete_security_group", "GroupId"),
    "internet-gateway": Way(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId", "delete_internet_gateway", "InternetGatewayId"
    ),
    "subnet": Way("describe_subnets", "Subnets", "SubnetId", "delete_subnet", "SubnetId", "State"),
    "route-table": Way("describe_route_tables", "RouteTables", "RouteTableId", "delete_route_table", "RouteTableId"),
    "vpc": Way("describe_vpcs", "Vpcs", "VpcId", "delete_vpc", "VpcId", "State"),
}


class Ec2Sweeper:
    """EC2 in one region; whether something may be taken away is not asked here (`immtf.plan.sweep`, `immtf.plan.reaping`)."""

    def __init__(self, aws: Aws) -> None:
        """Make the client; no call is made yet."""
        self._client = aws.client("ec2")
        self._before: Mapping[Kind, Callable[[str], None]] = {
            "internet-gateway": self._detach_gateway,
            "route-table": self._free_table,
        }

    def found(self, kind: Kind, tags: Mapping[str, str]) -> tuple[Stray, ...]:
        way = WAYS[kind]
        return tuple(
            Stray(_identity(row, way), _state(row, way), _tags(row)) for row in self._rows(kind, way, tags) if not _goes_along(kind, row)
        )

    def remove(self, kind: Kind, identity: str) -> None:
        way = WAYS[kind]
        if kind in self._before:
            self._before[kind](identity)
        try:
            named = self._key_name(identity) if kind == "key-pair" else identity
            with translated(f"ec2 {identity}"):
                getattr(self._client, way.removal)(**{way.argument: [named] if way.argument.endswith("Ids") else named})
        except CloudFailed as error:
            if kind == "security-group" and error.code == VIOLATION:  # two groups that let each other in hold each other
                self._empty_group(identity)
            raise

    def now(self) -> float:
        """Return the time that the API's answer bears."""
        with translated("ec2"):
            answer = self._client.describe_availability_zones()
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
        except (KeyError, ValueError, TypeError) as error:
            raise CloudFailed(
                f"the API's answer bears no time ({type(error).__name__}), so nobody knows what is past its own", where="ec2"
            ) from error

    def _rows(self, kind: Kind, way: Way, tags: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        arguments: dict[str, Any] = {"Filters": tag_filters(tags)}
        if kind == "instance":
            arguments["Filters"].append({"Name": "instance-state-name", "Values": NOT_TERMINATED})
            for reservation in pages(self._client, way.listing, way.rows, **arguments):
                yield from reservation["Instances"]
            return
        if kind == "snapshot":
            arguments["OwnerIds"] = ["self"]
        if way.paged:
            yield from pages(self._client, way.listing, way.rows, **arguments)
            return
        with translated("ec2"):
            answer = getattr(self._client, way.listing)(**arguments)
        yield from answer[way.rows]

    def _key_name(self, identity: str) -> str:
        """Return the name of a key pair that has this id: another one may have got the name since its tags were read."""
        with translated(f"ec2 {identity}"):
            rows = self._client.describe_key_pairs(Filters=[{"Name": "key-pair-id", "Values": [identity]}])["KeyPairs"]
        found = [str(row["KeyName"]) for row in rows if row.get("KeyPairId") == identity]
        if not found:
            raise CloudFailed(f"the key pair {identity} does not exist", code="InvalidKeyPair.NotFound", where=f"ec2 {identity}")
        return found[0]

    def _detach_gateway(self, identity: str) -> None:
        with translated(f"ec2 {identity}"):
            rows = self._client.describe_internet_gateways(InternetGatewayIds=[identity])["InternetGateways"]
        for vpc in (tie["VpcId"] for row in rows for tie in row.get("Attachments", ())):
            try:
                with translated(f"ec2 {identity}"):
                    self._client.detach_internet_gateway(InternetGatewayId=identity, VpcId=vpc)
            except CloudFailed as error:
                if error.code != NOT_ATTACHED:
                    raise

    def _free_table(self, identity: str) -> None:
        """Take a route table off the subnets that use it still."""
        with translated(f"ec2 {identity}"):
            rows = self._client.describe_route_tables(RouteTableIds=[identity])["RouteTables"]
            for tie in (tie for row in rows for tie in row.get("Associations", ()) if not tie.get("Main")):
                self._client.disassociate_route_table(AssociationId=tie["RouteTableAssociationId"])

    def _empty_group(self, identity: str) -> None:
        """Take the rules out of a group that is to go. Where that is refused, the group stays, as its removal said."""
        with suppress(CloudFailed), translated(f"ec2 {identity}"):
            for row in self._client.describe_security_groups(GroupIds=[identity])["SecurityGroups"]:
                if row.get("IpPermissions"):
                    self._client.revoke_security_group_ingress(GroupId=identity, IpPermissions=row["IpPermissions"])
                if row.get("IpPermissionsEgress"):
                    self._client.revoke_security_group_egress(GroupId=identity, IpPermissions=row["IpPermissionsEgress"])


def _identity(row: Mapping[str, Any], way: Way) -> str:
    return str(row[way.identity])


def _state(row: Mapping[str, Any], way: Way) -> str:
    if isinstance(state := row.get("State"), dict):  # an instance's has a name and a code
        return str(state["Name"])
    return str(row.get(way.state) or "there")


def _tags(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row's tags; network interfaces have them in a set of another name."""
    return tags_in(row) or {tag["Key"]: tag["Value"] for tag in row.get("TagSet", ())}


def _goes_along(kind: Kind, row: Mapping[str, Any]) -> bool:
    """Return whether something can't be removed by itself, and goes with its VPC, or is the account's default one.

    A configuration may adopt the account's default network (`aws_default_vpc`): it bears the test's tags then, and no test made it.
    """
    if kind in {"vpc", "subnet"}:
        return bool(row.get("IsDefault") or row.get("DefaultForAz"))
    if kind == "security-group":
        return bool(row.get("GroupName") == "default")
    return kind == "route-table" and any(tie.get("Main") for tie in row.get("Associations", ()))
