"""The lab's cloud as its API tells it, through boto3: instances and volumes by node."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.lab.client import Lab

GONE = frozenset({"shutting-down", "terminated"})
LOOK_S = 0.3
WAIT_S = 30.0


@dataclass(frozen=True)
class Machine:
    """An instance of a node."""

    node: str
    instance_id: str
    state: str
    image: str
    address: str


class Cloud:
    """Reads, and what a person does by hand."""

    def __init__(self, lab: Lab, *, many: bool = False) -> None:
        """Speak to this lab; `ec2` and `s3` are boto3's clients. With `many` blocks in it a node is named `block/cluster/key`."""
        self.many = many
        self.ec2, self.s3 = self._client(lab, "ec2"), self._client(lab, "s3")

    def _client(self, lab: Lab, service: str) -> Any:
        variables = lab.environment()
        return boto3.client(
            service,
            region_name=variables["AWS_REGION"],
            endpoint_url=variables["AWS_ENDPOINT_URL"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}, connect_timeout=30, read_timeout=60, retries={"total_max_attempts": 2}),
        )

    def machines(self) -> list[Machine]:
        """Return every instance that is not gone, by node."""
        answer = self.ec2.describe_instances(Filters=[{"Name": "tag-key", "Values": ["immtf:node"]}])
        found = [self._machine(row) for reservation in answer["Reservations"] for row in reservation["Instances"]]
        return sorted((item for item in found if item.state not in GONE), key=lambda item: (item.node, item.instance_id))

    def instances(self) -> dict[str, str]:
        """Return the one instance of each node that runs."""
        found = [item for item in self.machines() if item.state == "running"]
        assert len({item.node for item in found}) == len(found), f"two instances of one node: {found}"
        return {item.node: item.instance_id for item in found}

    def state_of(self, instance_id: str) -> str:
        """Return the state of one instance, also of one that is gone."""
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])

    def addresses(self) -> list[str]:
        """Return the addresses of the instances that run."""
        return [item.address for item in self.machines() if item.state == "running"]

    def interfaces(self) -> dict[str, tuple[str, str]]:
        """Return each node's own network interface by its private address, with the instance that it is attached to ("" for none)."""
        answer = self.ec2.describe_network_interfaces(Filters=[{"Name": "tag-key", "Values": ["immtf:node"]}])["NetworkInterfaces"]
        return {
            self._node({"Tags": row["TagSet"]}): (row["PrivateIpAddress"], row.get("Attachment", {}).get("InstanceId", ""))
            for row in answer
        }

    def volumes(self) -> dict[str, tuple[str, str]]:
        """Return each node's volume, with the instance that it is attached to ("" for none)."""
        answer = self.ec2.describe_volumes(Filters=[{"Name": "tag-key", "Values": ["immtf:node"]}])["Volumes"]
        found = {self._node(row): (row["VolumeId"], "".join(tie["InstanceId"] for tie in row["Attachments"])) for row in answer}
        assert len(found) == len(answer), f"two volumes of one node: {answer}"
        return found

    def wait_for_instance(self, node: str) -> str:
        """Wait until a node has an instance that is not gone, and return its id."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for machine in self.machines():
                if machine.node == node:
                    return machine.instance_id
            time.sleep(0.02)
        raise AssertionError(f"{node} got no instance within {WAIT_S:g} s")

    def delete_volume(self, node: str) -> str:
        """Stop a node, detach its volume and delete it, as nobody should; return the volume's id."""
        volume, instance = self.volumes()[node]
        self.ec2.stop_instances(InstanceIds=[instance])
        self.ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        self.ec2.detach_volume(VolumeId=volume, InstanceId=instance)
        self.ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        self.ec2.delete_volume(VolumeId=volume)
        return volume

    def objects(self, bucket: str) -> list[str]:
        """Return the keys of a bucket."""
        return sorted(row["Key"] for row in self.s3.list_objects_v2(Bucket=bucket).get("Contents", []))

    def _machine(self, row: dict[str, Any]) -> Machine:
        return Machine(self._node(row), row["InstanceId"], row["State"]["Name"], row["ImageId"], row.get("PrivateIpAddress", ""))

    def _node(self, row: dict[str, Any]) -> str:
        names = ("immtf:block", "immtf:cluster", "immtf:node") if self.many else ("immtf:node",)
        return "/".join(_tag(row, name) for name in names)


def _tag(row: dict[str, Any], name: str) -> str:
    return next(str(tag["Value"]) for tag in row["Tags"] if tag["Key"] == name)


@dataclass
class Watch:
    """Looks at the cloud's instances several times a second, and keeps the worst that was seen."""

    fewest_running: int = 1000
    most_of_one_node: int = 0
    problems: list[str] = field(default_factory=list)

    def look(self, machines: list[Machine]) -> None:
        nodes = [item.node for item in machines]
        self.fewest_running = min(self.fewest_running, len({item.node for item in machines if item.state == "running"}))
        self.most_of_one_node = max([self.most_of_one_node, *(nodes.count(node) for node in nodes)])


@contextmanager
def watched(lab: Lab) -> Iterator[Watch]:
    """Watch while the body runs."""
    watch, over, cloud = Watch(), threading.Event(), Cloud(lab)

    def work() -> None:
        while not over.wait(LOOK_S):
            try:
                watch.look(cloud.machines())
            except Exception as error:  # noqa: BLE001 - shown by the test, which wants none
                watch.problems.append(repr(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join(WAIT_S)
