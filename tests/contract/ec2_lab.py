"""A lab for contract tests: the gateway on a port of its own, asked by boto3's own client, moto behind it, a strict fake for what runs."""

from __future__ import annotations

import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from immtf.lab.gateway import Delays, Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from wsgiref.types import WSGIApplication

    from mypy_boto3_ec2 import EC2Client

    from tests.fakes.runtime import FakeRuntime

REGION = "eu-central-1"
ZONE = f"{REGION}a"
LIMIT_S = 60.0
POLL_S = 0.02
SESSION = boto3.session.Session()


def wait_until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(POLL_S)


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response.get("Error", {}).get("Code") == code


class Lab:
    """A gateway on a port of its own, a subnet in two zones, an image, and the words that the tests use."""

    def __init__(self, url: str, gateway: Gateway, runtime: FakeRuntime, cidr: str) -> None:
        self.url, self.gateway, self.runtime, self.cidr = url, gateway, runtime, cidr
        self.ec2: EC2Client = self.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock=f"{cidr}.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"{cidr}.10.0/24", AvailabilityZone=ZONE)["Subnet"]["SubnetId"]
        self.image = self.ec2.register_image(Name="one", ImageLocation="/images/one")["ImageId"]

    def client(self, service: Any) -> Any:
        config = Config(retries={"max_attempts": 0}, connect_timeout=30, read_timeout=60)
        make: Any = SESSION.client
        return make(service, region_name=REGION, endpoint_url=self.url, config=config, aws_access_key_id="lab", aws_secret_access_key="lab")

    def run(self, **more: Any) -> str:
        wanted: dict[str, Any] = {"ImageId": self.image, "MinCount": 1, "MaxCount": 1, "SubnetId": self.subnet} | more
        return self.ec2.run_instances(**wanted)["Instances"][0]["InstanceId"]

    def running(self, **more: Any) -> str:
        instance_id = self.run(**more)
        self.until(instance_id, "running")
        return instance_id

    def instance(self, instance_id: str) -> Any:
        return self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return str(self.instance(instance_id)["State"]["Name"])

    def until(self, instance_id: str, state: str) -> None:
        wait_until(lambda: self.state(instance_id) == state)

    def volume(self, zone: str = ZONE, **more: Any) -> str:
        volume_id = self.ec2.create_volume(AvailabilityZone=zone, Size=1, **more)["VolumeId"]
        wait_until(lambda: self.volume_state(volume_id) == "available")
        return volume_id

    def volume_state(self, volume_id: str) -> str:
        return str(self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"])

    def attachment(self, volume_id: str) -> str | None:
        attachments = self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0].get("Attachments", [])
        return attachments[0]["State"] if attachments else None

    def attach(self, volume_id: str, instance_id: str, device: str = "/dev/xvdf") -> None:
        self.ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device)

    def attached(self, volume_id: str, instance_id: str, device: str = "/dev/xvdf") -> None:
        self.attach(volume_id, instance_id, device)
        wait_until(lambda: self.attachment(volume_id) == "attached")


@contextmanager
def serve(
    runtime: FakeRuntime, cidr: str = "127.9", *, delays: Delays | None = None, own: dict[str, WSGIApplication] | None = None
) -> Iterator[Lab]:
    gateway = Gateway(runtime, delays=delays or Delays(), own_services=own, poll_s=0.05)
    server = make_server("127.0.0.1", 0, gateway, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]  # werkzeug's threaded server has it, its base class does not
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST"), timeout=LIMIT_S).close()  # noqa: S310 - loopback
    try:
        yield Lab(url, gateway, runtime, cidr)
    finally:
        server.shutdown()
        thread.join(LIMIT_S)
        server.server_close()
        gateway.close()
    assert runtime.faults == []
