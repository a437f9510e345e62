"""A whole lab with runtime `docker`, as commands start and end it, and what is left of one that was killed: nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import LabFailed
from immtf.lab import client
from immtf.lab.docker.engine import reach
from immtf.lab.docker.scope import RUN, of_lab
from immtf.lab.guest.processes import running
from tests.contract.runtime_benches import eventually, make_tree
from tests.unit.lab.controller.benches import SLEEPER, make_ec2, run_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker


class Left:
    """What Docker and the kernel have of a lab."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self._engine = engine
        self._filters = {"label": of_lab(folder)}

    def things(self) -> list[str]:
        asked = self._engine.containers.list(all=True, filters=self._filters, ignore_removed=True)
        containers = [container.name for container in asked]
        volumes = [volume.name for volume in self._engine.volumes.list(filters=self._filters)]
        networks = [network.name for network in self._engine.networks.list(filters=self._filters)]
        return [*containers, *volumes, *networks, *(row["Id"] for row in self._engine.api.images(filters=self._filters))]

    def run(self) -> str:
        """Return the word of the lab's only controller."""
        (word,) = {network.attrs["Labels"][RUN] for network in self._engine.networks.list(filters=self._filters)}
        return str(word)


def guards(run: str) -> list[int]:
    lines = {process.pid: Path(f"/proc/{process.pid}/cmdline") for process in running()}
    return [pid for pid, line in lines.items() if line.exists() and f"{RUN}={run}".encode() in line.read_bytes().split(b"\0")]


def loops(run: str) -> list[str]:
    files = [place.read_text() for place in Path("/sys/block").glob("loop*/loop/backing_file") if place.exists()]
    return [file for file in files if run in file]


@pytest.fixture
def folder(tmp_path: Path, docker_lab: object) -> Iterator[Path]:
    del docker_lab  # skips where there is no engine, and has the base image made
    place = tmp_path / "lab"
    yield place
    client.down(place)


@pytest.fixture
def left(folder: Path) -> Iterator[Left]:
    engine = reach(os.environ)
    yield Left(engine, folder)
    engine.close()


def up_with_instance(folder: Path, tree: Path) -> client.Lab:
    """Start a lab with an instance that has a volume."""
    lab = client.up(folder, path=[], runtime="docker")
    instance_id = run_instance(lab, make_tree(tree, mounts=[], services=SLEEPER))
    ec2 = make_ec2(lab)
    (found,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]
    volume_id = ec2.create_volume(AvailabilityZone=found["Placement"]["AvailabilityZone"], Size=1)["VolumeId"]
    eventually(lambda: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["State"] == "available")
    ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/xvdf")
    eventually(lambda: ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["Attachments"][0]["State"] == "attached")
    ec2.close()
    return lab


def test_a_lab_goes_in_order_and_is_not_taken_for_another_kind(folder: Path, left: Left, tmp_path: Path) -> None:
    lab = up_with_instance(folder, tmp_path / "tree")
    run = left.run()
    assert (lab.runtime, lab.cidr.endswith(".0.0/16"), lab.cidr.startswith("127.")) == ("docker", True, False)
    assert client.find(folder) == client.up(folder, path=[], runtime="docker")
    assert len(loops(run)) == 1
    with pytest.raises(LabFailed, match="runs with runtime docker, not with process"):
        client.up(folder, path=[])
    assert client.down(folder)
    assert left.things() == []
    eventually(lambda: (loops(run), guards(run)) == ([], []))  # the kernel lets a device go when its last user has
    assert not client.down(folder)


def test_a_killed_controller_leaves_nothing_and_with_its_guard_killed_the_next_lab_clears(folder: Path, left: Left, tmp_path: Path) -> None:
    first = up_with_instance(folder, tmp_path / "one")
    run = left.run()
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: (left.things(), loops(run), guards(run)) == ([], [], []))

    second = up_with_instance(folder, tmp_path / "two")
    run = left.run()
    for pid in (*guards(run), second.pid):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: client.find(folder) is None)
    assert left.things()
    assert "1 instances of Docker" in client.up(folder, path=[], runtime="docker").cleared
    eventually(lambda: loops(run) == [])
    assert left.run() != run
