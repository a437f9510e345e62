"""What the cloud's contract needs of an implementation besides the port: machines to look at, and transitions that take their time."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from immtf.adapters.aws import Aws
from immtf.adapters.ec2 import Ec2
from tests.contract.ec2_lab import REGION, ZONE, serve, wait_until
from tests.fakes.cloud import TAGS, FakeCloud
from tests.fakes.runtime import FakeRuntime
from tests.fakes.simulation import OLD, SimVolume
from tests.fakes.world import make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from immtf.run.ports import Cloud
    from tests.contract.ec2_lab import Lab

KEYS = ("a", "b", "c")
LONGEST_S = 60.0


def tags_of(key: str) -> dict[str, str]:
    """Return the tags of a node's instance."""
    return {**TAGS, "immtf:cluster": "server", "immtf:node": key}


class Bench(Protocol):
    """Three running instances a, b, c, each with a data volume, from one image."""

    cloud: Cloud
    image: str
    instance: dict[str, str]
    volume: dict[str, str]

    def slowly(self, what: str) -> AbstractContextManager[object]:
        """Let a `stop` or `boot` that is asked for inside the block stay under way until its end."""

    def launch(self) -> str:
        """Ask for one more instance, and return its id at once."""

    def terminate(self, key: str) -> None:
        """Terminate an instance, and wait until it is."""

    def volume_from(self, snapshot_id: str) -> str:
        """Make a volume from a snapshot that is complete, and return its id."""

    def until(self, key: str, state: str) -> None:
        """Wait until the instance is in this state."""

    def volume_until(self, key: str, state: str) -> None:
        """Wait until the volume is in this state."""


class FakeBench:
    """The simulation: nothing goes on while nobody sleeps."""

    def __init__(self) -> None:
        self.sim = make_scene(3).sim
        self.cloud: Cloud = FakeCloud(self.sim)
        self.image = OLD
        self.instance = {key: self.sim.live(key)[0].instance_id for key in KEYS}
        self.volume = {volume.node: volume.volume_id for volume in self.sim.volumes.values()}

    def slowly(self, what: str) -> AbstractContextManager[object]:
        del what
        return nullcontext()

    def launch(self) -> str:
        self.terminate("c")
        return self.sim.launch("c", OLD).instance_id

    def terminate(self, key: str) -> None:
        self.sim.terminate(self.sim.instances[self.instance[key]])
        self.sim.clock.sleep(LONGEST_S)

    def volume_from(self, snapshot_id: str) -> str:
        made = self.sim.snapshots[snapshot_id]
        volume = SimVolume(self.sim.new_id("vol"), "a", self.sim.zone("a"), filesystem=made.filesystem, snapshot=snapshot_id)
        self.sim.volumes[volume.volume_id] = volume
        return volume.volume_id

    def until(self, key: str, state: str) -> None:
        self.sim.clock.sleep(LONGEST_S)
        assert self.cloud.instances([self.instance[key]])[self.instance[key]].state == state

    def volume_until(self, key: str, state: str) -> None:
        self.sim.clock.sleep(LONGEST_S)
        assert self.cloud.volumes([self.volume[key]])[self.volume[key]].state == state


class Ec2Bench:
    """boto3 against the lab's gateway."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cloud: Cloud = Ec2(aws_of(lab))
        self.image = lab.image
        self.instance = {key: self._run(key) for key in KEYS}
        self.volume = {key: lab.volume() for key in KEYS}
        for key in KEYS:
            lab.until(self.instance[key], "running")
            lab.attached(self.volume[key], self.instance[key])

    @contextmanager
    def slowly(self, what: str) -> Iterator[None]:
        with self.lab.runtime.hold(what):
            yield

    def launch(self) -> str:
        return self.lab.run()

    def terminate(self, key: str) -> None:
        self.lab.ec2.terminate_instances(InstanceIds=[self.instance[key]])
        self.until(key, "terminated")

    def volume_from(self, snapshot_id: str) -> str:
        return str(self.lab.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot_id)["VolumeId"])

    def until(self, key: str, state: str) -> None:
        self.lab.until(self.instance[key], state)

    def volume_until(self, key: str, state: str) -> None:
        wait_until(lambda: self.lab.volume_state(self.volume[key]) == state)

    def _run(self, key: str) -> str:
        tags = [{"Key": name, "Value": value} for name, value in tags_of(key).items()]
        return self.lab.run(TagSpecifications=[{"ResourceType": "instance", "Tags": tags}], Placement={"AvailabilityZone": ZONE})


@contextmanager
def opened(kind: str) -> Iterator[Bench]:
    """Give the bench that a parameter names, `fake` or `ec2`."""
    if kind == "fake":
        yield FakeBench()
    else:
        with serve(FakeRuntime()) as lab:
            yield Ec2Bench(lab)


def aws_of(lab: Lab, *, attempts: int = 1) -> Aws:
    """Return a session with the lab's account."""
    return Aws(region=REGION, endpoint=lab.url, access_key="lab", secret_key="lab", attempts=attempts)
