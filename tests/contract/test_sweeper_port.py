"""The `Sweeper` port: the same cases on the simulation's fake, and on boto3 against the lab's gateway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.sweeper import Ec2Sweeper
from immtf.errors import CloudFailed
from immtf.model.reaping import DISKS, KINDS
from immtf.plan.reaping import View
from immtf.run.gates import Patience
from immtf.run.reaping import Reaping
from tests.contract.cloud_benches import Bench, Ec2Bench, FakeBench, aws_of
from tests.contract.ec2_lab import serve
from tests.fakes.clock import FakeCancel, VirtualClock
from tests.fakes.cloud import TAGS
from tests.fakes.runtime import FakeRuntime
from tests.fakes.sweeper import FakeSweeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.reaping import Kind
    from immtf.run.ports import Sweeper

NO_INSTANCE, NO_VOLUME, NO_SNAPSHOT = "i-0fffffffffffffff0", "vol-0fffffffffffffff0", "snap-0fffffffffffffff0"


class Swept:
    """A bench whose instances a, b, c and their volumes bear the tags, with the sweeper on it."""

    def __init__(self, bench: Bench, sweeper: Sweeper) -> None:
        self.bench, self.sweeper = bench, sweeper

    def states(self) -> dict[str, str]:
        return {item.identity: item.state for item in (*self.sweeper.found("instance", TAGS), *self.sweeper.found("volume", TAGS))}


@pytest.fixture(params=["fake", "ec2"])
def swept(request: pytest.FixtureRequest) -> Iterator[Swept]:
    if request.param == "fake":
        bench = FakeBench()
        bench.sim.doomed = True
        yield Swept(bench, FakeSweeper(bench.sim, TAGS))
        return
    with serve(FakeRuntime()) as lab:
        real = Ec2Bench(lab)
        tags: Any = [{"Key": name, "Value": value} for name, value in TAGS.items()]
        lab.ec2.create_tags(Resources=list(real.volume.values()), Tags=tags)
        yield Swept(real, Ec2Sweeper(aws_of(lab)))


def test_what_bears_all_the_tags_is_found_with_its_tags(swept: Swept) -> None:
    bench, sweeper = swept.bench, swept.sweeper
    assert swept.states() == {**dict.fromkeys(bench.instance.values(), "running"), **dict.fromkeys(bench.volume.values(), "in-use")}
    for item in (*sweeper.found("instance", TAGS), *sweeper.found("volume", TAGS)):
        assert TAGS.items() <= item.tags.items()
    assert list(sweeper.found("instance", {**TAGS, "immtf:environment": "another"})) == []
    assert list(sweeper.found("volume", {**TAGS, "immtf:environment": "another"})) == []


def test_an_instance_goes_and_its_volume_after_it(swept: Swept) -> None:
    """F43."""
    bench, sweeper = swept.bench, swept.sweeper
    with pytest.raises(CloudFailed) as caught:
        sweeper.remove("volume", bench.volume["a"])
    assert caught.value.code == "VolumeInUse"
    sweeper.remove("instance", bench.instance["a"])
    bench.volume_until("a", "available")
    sweeper.remove("instance", bench.instance["a"])  # may be repeated
    bench.until("a", "terminated")
    sweeper.remove("volume", bench.volume["a"])
    assert set(swept.states()) == {found[key] for found in (bench.instance, bench.volume) for key in "bc"}


def test_a_snapshot_is_found_by_its_tags_and_goes(swept: Swept) -> None:
    """F43."""
    bench, sweeper = swept.bench, swept.sweeper
    taken = bench.cloud.snapshot(bench.volume["a"], {**TAGS, "immtf:run": "r1"})
    bench.cloud.snapshot(bench.volume["b"], {"immtf:block": "another"})
    (found,) = sweeper.found("snapshot", TAGS)
    assert (found.identity, found.tags) == (taken.snapshot_id, {**TAGS, "immtf:run": "r1"})
    sweeper.remove("snapshot", taken.snapshot_id)
    assert list(sweeper.found("snapshot", TAGS)) == []
    assert len(bench.cloud.snapshots({"immtf:block": "another"})) == 1


@pytest.mark.parametrize(
    ("kind", "identity", "code"),
    [
        ("instance", NO_INSTANCE, "InvalidInstanceID.NotFound"),
        ("volume", NO_VOLUME, "InvalidVolume.NotFound"),
        ("snapshot", NO_SNAPSHOT, "InvalidSnapshot.NotFound"),
    ],
)
def test_what_does_not_exist_is_an_error_with_its_code(swept: Swept, kind: Kind, identity: str, code: str) -> None:
    with pytest.raises(CloudFailed) as caught:
        swept.sweeper.remove(kind, identity)
    assert caught.value.code == code


@pytest.mark.parametrize("kind", DISKS)
def test_without_tags_nothing_is_asked(swept: Swept, kind: Kind) -> None:
    with pytest.raises((ValueError, AssertionError)):
        swept.sweeper.found(kind, {})


def test_a_network_goes_by_its_tags_in_the_order_of_the_kinds_and_another_s_does_not() -> None:
    """F43: main route tables and default groups aren't listed, they go with their VPC; two groups that let each other in go as well."""
    with serve(FakeRuntime()) as lab:
        sweeper, ec2 = Ec2Sweeper(aws_of(lab)), lab.ec2
        tags: Any = [{"Key": "immtf:class", "Value": "test"}]
        vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        one, two = (ec2.create_security_group(VpcId=vpc, GroupName=name, Description=name)["GroupId"] for name in ("one", "two"))
        for mine, theirs in ((one, two), (two, one)):
            rule: Any = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": theirs}]}]
            ec2.authorize_security_group_ingress(GroupId=mine, IpPermissions=rule)
        own = [row["RouteTableId"] for row in ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]]
        default = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        card = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        ec2.create_tags(Resources=[vpc, subnet, gateway, card, *own, *(row["GroupId"] for row in default)], Tags=tags)
        key = ec2.create_key_pair(KeyName="k", TagSpecifications=[{"ResourceType": "key-pair", "Tags": tags}])["KeyPairId"]
        template = ec2.create_launch_template(
            LaunchTemplateName="t", LaunchTemplateData={}, TagSpecifications=[{"ResourceType": "launch-template", "Tags": tags}]
        )["LaunchTemplate"]["LaunchTemplateId"]
        found = {kind: {row.identity for row in sweeper.found(kind, {"immtf:class": "test"})} for kind in KINDS}
        assert {kind: ids for kind, ids in found.items() if ids} == {
            "launch-template": {template},
            "key-pair": {key},
            "network-interface": {card},
            "security-group": {one, two},
            "internet-gateway": {gateway},
            "subnet": {subnet},
            "route-table": {table},
            "vpc": {vpc},
        }
        told: list[Any] = []
        clock = VirtualClock()
        assert Reaping(sweeper, Patience(clock, FakeCancel(), told.append), View(0.0)).everything() == ()
        assert {row["VpcId"] for row in ec2.describe_vpcs()["Vpcs"]} >= {lab.vpc, vpc}, "no time is told: it stays"
        ec2.create_tags(
            Resources=[identity for ids in found.values() for identity in ids],
            Tags=[{"Key": "immtf:expires", "Value": "2020-01-01T00:00:00Z"}],
        )
        assert Reaping(sweeper, Patience(clock, FakeCancel(), told.append), View(sweeper.now())).everything() == ()
        left = {row["VpcId"] for row in ec2.describe_vpcs()["Vpcs"]}
        assert vpc not in left
        assert lab.vpc in left


def test_a_key_pair_that_got_the_name_of_another_is_not_taken_for_it() -> None:
    """F43: its name is free when the first one is gone, and whose the next one is, its tags tell."""
    with serve(FakeRuntime()) as lab:
        sweeper, ec2 = Ec2Sweeper(aws_of(lab)), lab.ec2
        gone = ec2.create_key_pair(KeyName="k")["KeyPairId"]
        ec2.delete_key_pair(KeyName="k")
        mine = ec2.create_key_pair(KeyName="k")["KeyPairId"]
        with pytest.raises(CloudFailed) as caught:
            sweeper.remove("key-pair", gone)
        assert caught.value.code == "InvalidKeyPair.NotFound"
        assert [row["KeyPairId"] for row in ec2.describe_key_pairs()["KeyPairs"]] == [mine]


def test_the_account_s_default_network_is_no_test_s_whatever_tags_it_bears() -> None:
    """F43: a configuration that adopts it (`aws_default_vpc`) puts the test's tags on it, and others use it."""
    with serve(FakeRuntime()) as lab:
        tags: Any = [{"Key": "immtf:class", "Value": "test"}]
        (vpc,) = (row["VpcId"] for row in lab.ec2.describe_vpcs()["Vpcs"] if row["IsDefault"])
        subnets = [row["SubnetId"] for row in lab.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]]
        lab.ec2.create_tags(Resources=[vpc, *subnets], Tags=tags)
        sweeper = Ec2Sweeper(aws_of(lab))
        assert (sweeper.found("vpc", {"immtf:class": "test"}), sweeper.found("subnet", {"immtf:class": "test"})) == ((), ())


def test_the_time_is_the_api_s_own() -> None:
    """F48."""
    with serve(FakeRuntime()) as lab:
        assert abs(Ec2Sweeper(aws_of(lab)).now() - time.time()) < 60
