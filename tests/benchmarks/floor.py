"""The floor: what can't be avoided when a node changes its machine, by bare calls to the API, with nothing around them.

`move`: beside the node's instance another one runs already; the old one is stopped, the volume and the interface go over, and the service
starts there.
`restart`: the same instance is stopped and started again, and keeps its volume.
"""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.lab.client import Lab
    from tests.benchmarks.eyes import Eyes
    from tests.lab.cloud import Cloud

PAUSE_S = 0.02
LIMIT_S = 120.0
HEALTHY_LIMIT_S = 180.0


def until(found: Callable[[], bool]) -> None:
    """Wait for something, with a limit."""
    deadline = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < deadline, f"that did not come within {LIMIT_S:g} s"
        time.sleep(PAUSE_S)


def move(lab: Lab, cloud: Cloud, node: str) -> None:
    """Give the node another instance, which was made and waits already when the old one is stopped."""
    old = cloud.instances()[node]
    new = _beside(lab, cloud, old)
    volume = cloud.volumes()[node][0]
    (interface,) = cloud.ec2.describe_network_interfaces(Filters=[{"Name": "tag:immtf:node", "Values": [node]}])["NetworkInterfaces"]
    (tie,) = cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
    cloud.ec2.stop_instances(InstanceIds=[old])
    until(lambda: cloud.state_of(old) == "stopped")
    cloud.ec2.detach_volume(VolumeId=volume, InstanceId=old)
    cloud.ec2.detach_network_interface(AttachmentId=interface["Attachment"]["AttachmentId"])
    until(lambda: cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available")
    cloud.ec2.attach_volume(VolumeId=volume, InstanceId=new, Device=tie["Device"])
    key = interface["NetworkInterfaceId"]
    until(lambda: cloud.ec2.describe_network_interfaces(NetworkInterfaceIds=[key])["NetworkInterfaces"][0]["Status"] == "available")
    cloud.ec2.attach_network_interface(NetworkInterfaceId=key, InstanceId=new, DeviceIndex=1)
    cloud.ec2.terminate_instances(InstanceIds=[old])


def restart(lab: Lab, cloud: Cloud, node: str) -> None:  # noqa: ARG001 - as `move`
    """Stop the node's instance and start it again."""
    here = cloud.instances()[node]
    cloud.ec2.stop_instances(InstanceIds=[here])
    until(lambda: cloud.state_of(here) == "stopped")
    cloud.ec2.start_instances(InstanceIds=[here])


def each(lab: Lab, cloud: Cloud, eyes: Eyes, act: Callable[[Lab, Cloud, str], None]) -> dict[str, Any]:
    """Do this to one node after the other, each when the cluster is healthy again, and return what the client saw."""
    began = time.monotonic()
    for node in eyes.addresses:
        at = time.monotonic()
        act(lab, cloud, node)
        until(lambda at=at, node=node: bool((seen := eyes.lines[node].longest(at - 1, time.monotonic())) and seen.back))  # type: ignore[misc]
        eyes.until_healthy(time.monotonic(), HEALTHY_LIMIT_S)
    return {"nodes": eyes.rows(began, time.monotonic()), "total_s": None}  # nobody would wait so long between two nodes


def _beside(lab: Lab, cloud: Cloud, old: str) -> str:
    """Make another instance like this one and wait until its service waits for what the node has."""
    (row,) = cloud.ec2.describe_instances(InstanceIds=[old])["Reservations"][0]["Instances"]
    told = cloud.ec2.describe_instance_attribute(InstanceId=old, Attribute="userData")["UserData"]["Value"]
    made = cloud.ec2.run_instances(
        ImageId=row["ImageId"],
        InstanceType=row["InstanceType"],
        SubnetId=row["SubnetId"],
        SecurityGroupIds=[group["GroupId"] for group in row["SecurityGroups"]],
        UserData=base64.b64decode(told).decode(),
        TagSpecifications=[{"ResourceType": "instance", "Tags": row["Tags"]}],
        MinCount=1,
        MaxCount=1,
    )
    new = str(made["Instances"][0]["InstanceId"])
    until(lambda: any(item.instance_id == new and "waiting" in item.services.values() for item in lab.status()))
    return new
