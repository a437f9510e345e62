"""The `Sweeper` port: the same cases on the simulation's fake, and on boto3 against the lab's gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.sweeper import Ec2Sweeper
from immtf.errors import CloudFailed
from tests.contract.cloud_benches import Bench, Ec2Bench, FakeBench, aws_of
from tests.contract.ec2_lab import serve
from tests.fakes.cloud import TAGS
from tests.fakes.runtime import FakeRuntime
from tests.fakes.sweeper import FakeSweeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.run.ports import Sweeper

NO_INSTANCE, NO_VOLUME, NO_SNAPSHOT = "i-0fffffffffffffff0", "vol-0fffffffffffffff0", "snap-0fffffffffffffff0"


class Swept:
    """A bench whose instances a, b, c and their volumes bear the tags, with the sweeper on it."""

    def __init__(self, bench: Bench, sweeper: Sweeper) -> None:
        self.bench, self.sweeper = bench, sweeper

    def states(self) -> dict[str, str]:
        return {item.identity: item.state for item in (*self.sweeper.instances(TAGS), *self.sweeper.volumes(TAGS))}


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
    for item in (*sweeper.instances(TAGS), *sweeper.volumes(TAGS)):
        assert TAGS.items() <= item.tags.items()
    assert list(sweeper.instances({**TAGS, "immtf:environment": "another"})) == []
    assert list(sweeper.volumes({**TAGS, "immtf:environment": "another"})) == []


def test_an_instance_goes_and_its_volume_after_it(swept: Swept) -> None:
    """F43."""
    bench, sweeper = swept.bench, swept.sweeper
    with pytest.raises(CloudFailed) as caught:
        sweeper.delete(bench.volume["a"])
    assert caught.value.code == "VolumeInUse"
    sweeper.terminate(bench.instance["a"])
    bench.volume_until("a", "available")
    sweeper.terminate(bench.instance["a"])  # may be repeated
    bench.until("a", "terminated")
    sweeper.delete(bench.volume["a"])
    assert set(swept.states()) == {found[key] for found in (bench.instance, bench.volume) for key in "bc"}


def test_a_snapshot_is_found_by_its_tags_and_goes(swept: Swept) -> None:
    """F43."""
    bench, sweeper = swept.bench, swept.sweeper
    taken = bench.cloud.snapshot(bench.volume["a"], {**TAGS, "immtf:run": "r1"})
    bench.cloud.snapshot(bench.volume["b"], {"immtf:block": "another"})
    (found,) = sweeper.snapshots(TAGS)
    assert (found.identity, found.tags) == (taken.snapshot_id, {**TAGS, "immtf:run": "r1"})
    sweeper.delete_snapshot(taken.snapshot_id)
    assert list(sweeper.snapshots(TAGS)) == []
    assert len(bench.cloud.snapshots({"immtf:block": "another"})) == 1


@pytest.mark.parametrize(
    ("call", "identity", "code"),
    [
        ("terminate", NO_INSTANCE, "InvalidInstanceID.NotFound"),
        ("delete", NO_VOLUME, "InvalidVolume.NotFound"),
        ("delete_snapshot", NO_SNAPSHOT, "InvalidSnapshot.NotFound"),
    ],
)
def test_what_does_not_exist_is_an_error_with_its_code(swept: Swept, call: str, identity: str, code: str) -> None:
    with pytest.raises(CloudFailed) as caught:
        getattr(swept.sweeper, call)(identity)
    assert caught.value.code == code


def test_without_tags_nothing_is_asked(swept: Swept) -> None:
    for question in (swept.sweeper.instances, swept.sweeper.volumes, swept.sweeper.snapshots):
        with pytest.raises((ValueError, AssertionError)):
            question({})
