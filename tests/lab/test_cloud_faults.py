"""One roll of three nodes through faults of the cloud, one after the other: each is told, none is forced, and the next run goes on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.points import at

if TYPE_CHECKING:
    from tests.lab.child import Child, Ended
    from tests.lab.rehearsal import Rehearsal

QUICK = ("--yes", "--move-limit", "8")
LIMIT_S = 600.0


@pytest.mark.lab(minutes=9)
def test_a_roll_through_faults_of_the_cloud(rehearsal: Rehearsal) -> None:
    """F13, F24, F25, F41, F42: four runs, three halts, every node replaced once, every volume with its node, every write there."""
    rehearsal.create("1.0.0")
    keys, volumes, before = rehearsal.store.write(50), kept(rehearsal), rehearsal.cloud.instances()

    first = detach_gets_stuck(rehearsal)
    keys |= rehearsal.store.write(10, value="stuck")
    second = no_capacity(rehearsal, first)
    keys |= rehearsal.store.write(10, value="capacity")
    assert rehearsal.nodes()[second]["state"] != "running"
    credentials_expire(rehearsal, second)
    keys |= rehearsal.store.write(10, value="expired")
    address_in_use(rehearsal, second)

    now = rehearsal.cloud.instances()
    assert {node for node in before if now[node] != before[node]} == set(before)
    assert made(rehearsal) == dict.fromkeys(before, 2), "one instance a node beside its first"
    assert kept(rehearsal) == volumes
    assert rehearsal.store.read() == keys
    assert {row["health"] for row in rehearsal.nodes().values()} == {"healthy"}


def detach_gets_stuck(rehearsal: Rehearsal) -> str:
    """Run 1: throttled and stale all the while; the first node's volume stays `detaching`. Return the node."""
    lab = rehearsal.lab
    lab.order("*", {"fail": {"code": "RequestLimitExceeded"}}, times=None, every=7)
    lab.order("ec2.DetachVolume", "stuck")
    child = rehearsal.begin("upgrade", *QUICK)
    node = str(child.until(at("step_started", step="StopNode"), LIMIT_S)["node"])
    lab.order("ec2.DescribeInstances", "stale", times=4)
    ended = halted(child, 24)
    assert "is detaching to" in ended["what"], ended
    assert "never detach by force" in ended["next"]
    assert f"away: {node}, with their volumes kept" in ended["safe"]
    lab.clear_orders()
    volume, instance = rehearsal.cloud.volumes()[node.removeprefix("server/")]
    rehearsal.cloud.ec2.detach_volume(VolumeId=volume, InstanceId=instance)  # the person who is needed; not by force either
    return node


def no_capacity(rehearsal: Rehearsal, first: str) -> str:
    """Run 2: goes on with the first node; the second one's new instance finds no room. Return the second."""
    child = rehearsal.begin("upgrade", *QUICK)
    assert child.until(at("node_started"), LIMIT_S)["node"] == first
    child.until(at("node_finished", node=first), LIMIT_S)
    rehearsal.lab.order("ec2.RunInstances", {"fail": {"code": "InsufficientInstanceCapacity"}}, times=None)
    node = str(child.until(at("node_started"), LIMIT_S)["node"])
    ended = halted(child, 24)
    old = image_of(rehearsal, "1.0.0")
    assert "InsufficientInstanceCapacity: the cloud has no capacity for t3.small" in ended["what"], ended
    assert "asked 3 times" in ended["what"]
    assert f"--image={old} --only={node}" in ended["next"]
    assert ended["where"] == node
    assert [event["limit_s"] for event in child.events if at("step_waited", step="ApplyNode")(event)][:1] == [8.0]
    rehearsal.lab.clear_orders()
    return node


def credentials_expire(rehearsal: Rehearsal, second: str) -> None:
    """Run 3: finds room for the second node; then the credentials are good no more."""
    child = rehearsal.begin("upgrade", *QUICK)
    assert child.until(at("node_started"), LIMIT_S)["node"] == second
    child.until(at("step_finished", step="ApplyNode"), LIMIT_S)
    rehearsal.lab.order("*", {"fail": {"code": "ExpiredToken", "message": "The security token is expired"}}, times=None)
    ended = halted(child, 24)
    assert "ExpiredToken" in ended["what"]
    assert "renew the credentials" in ended["next"]
    assert "immtf upgrade" in ended["next"]
    assert "--move-limit=8" in ended["next"], "the command that goes on has all that this one had"
    assert f"when last seen {second} was away" in ended["safe"]
    rehearsal.lab.clear_orders()


def address_in_use(rehearsal: Rehearsal, second: str) -> None:
    """Run 4: proves the second node; the third one's address is in use for a while, and the run waits for it."""
    lab = rehearsal.lab
    lab.order("ec2.RunInstances", {"fail": {"code": "InvalidIPAddress.InUse"}}, times=2)
    lab.order("*", {"fail": {"code": "RequestLimitExceeded"}}, times=None, every=9)
    child = rehearsal.begin("upgrade", *QUICK)
    ended = child.ended(LIMIT_S).expect(0)
    waits = ended.of("step_waited", step="ApplyNode")
    assert {event["node"] for event in waits}.isdisjoint({second})
    assert any("InvalidIPAddress.InUse" in event["reason"] for event in waits)
    assert ended.last["nodes_replaced"] == 1
    lab.clear_orders()


def halted(child: Child, code: int) -> dict[str, Any]:
    """Wait for a run's end, which must be a halt with this code; return what it told."""
    ended: Ended = child.ended(LIMIT_S).expect(code)
    return ended.one("run_halted")


def kept(rehearsal: Rehearsal) -> dict[str, str]:
    """Return each node's volume."""
    return {node: volume for node, (volume, _) in rehearsal.cloud.volumes().items()}


def made(rehearsal: Rehearsal) -> dict[str, int]:
    """Return how many instances each node ever had."""
    answer = rehearsal.cloud.ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": ["immtf:node"]}])
    tags = [tag for reservation in answer["Reservations"] for row in reservation["Instances"] for tag in row["Tags"]]
    return dict(Counter(str(tag["Value"]) for tag in tags if tag["Key"] == "immtf:node"))


def image_of(rehearsal: Rehearsal, version: str) -> str:
    """Return the id of an image of the lab."""
    return next(row["image_id"] for row in rehearsal.lab.images() if row["version"] == version)
