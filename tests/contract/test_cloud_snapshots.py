"""The `Cloud` port's snapshots and modifications: the same cases on the simulation's fake, and on boto3 against the lab's gateway."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.ec2 import Ec2
from immtf.errors import CloudFailed
from immtf.lab.gateway.orders import Fail, Order, Stuck
from tests.contract.cloud_benches import Bench, Ec2Bench, aws_of, opened, tags_of
from tests.contract.ec2_lab import serve, wait_until
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_VOLUME, NO_SNAPSHOT = "vol-0fffffffffffffff0", "snap-0fffffffffffffff0"


@pytest.fixture(params=["fake", "ec2"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with opened(request.param) as bench:
        yield bench


def own(key: str, run: str = "r1") -> dict[str, str]:
    """Return the tags of a snapshot of a node's volume."""
    return {**tags_of(key), "immtf:volume": "data", "immtf:run": run}


def test_a_snapshot_is_answered_at_once_and_found_by_its_tags(bench: Bench) -> None:
    with bench.slowly("snapshot"):
        made = bench.cloud.snapshot(bench.volume["a"], own("a"))
        assert (made.volume_id, made.state) == (bench.volume["a"], "pending")
        (seen,) = bench.cloud.snapshots(own("a"))
        assert (seen.snapshot_id, seen.volume_id, seen.state) == (made.snapshot_id, bench.volume["a"], "pending")
        assert own("a").items() <= seen.tags.items()
        assert abs(seen.started - made.started) < 1
    bench.cloud.snapshot(bench.volume["b"], own("b"))
    assert [item.volume_id for item in bench.cloud.snapshots({"immtf:run": "r1", "immtf:node": "b"})] == [bench.volume["b"]]
    assert list(bench.cloud.snapshots({**own("a"), "immtf:environment": "another"})) == []


def test_a_snapshot_becomes_complete(bench: Bench) -> None:
    made = bench.cloud.snapshot(bench.volume["a"], own("a"))
    bench.volume_until("a", "in-use")  # lets time pass where time is a fake's
    wait_until(lambda: [item.state for item in bench.cloud.snapshots(own("a"))] == ["completed"])
    assert made.snapshot_id.startswith("snap-")


def test_a_volume_tells_the_snapshot_that_it_was_made_from(bench: Bench) -> None:
    made = bench.cloud.snapshot(bench.volume["a"], own("a"))
    bench.volume_until("a", "in-use")  # lets time pass where time is a fake's
    wait_until(lambda: [item.state for item in bench.cloud.snapshots(own("a"))] == ["completed"])
    copy = bench.volume_from(made.snapshot_id)
    found = bench.cloud.volumes([copy, bench.volume["a"]])
    assert {name: volume.snapshot_id for name, volume in found.items()} == {copy: made.snapshot_id, bench.volume["a"]: ""}


def test_a_deleted_snapshot_is_gone_and_others_stay(bench: Bench) -> None:
    first = bench.cloud.snapshot(bench.volume["a"], own("a", "r1"))
    second = bench.cloud.snapshot(bench.volume["a"], own("a", "r2"))
    bench.cloud.delete_snapshot(first.snapshot_id)
    assert [item.snapshot_id for item in bench.cloud.snapshots(tags_of("a"))] == [second.snapshot_id]
    with pytest.raises(CloudFailed) as caught:
        bench.cloud.delete_snapshot(first.snapshot_id)
    assert caught.value.code == "InvalidSnapshot.NotFound"


def test_what_does_not_exist_has_no_snapshot(bench: Bench) -> None:
    with pytest.raises(CloudFailed) as caught:
        bench.cloud.snapshot(NO_VOLUME, own("a"))
    assert caught.value.code == "InvalidVolume.NotFound"
    with pytest.raises(CloudFailed) as caught:
        bench.cloud.delete_snapshot(NO_SNAPSHOT)
    assert caught.value.code == "InvalidSnapshot.NotFound"


def test_a_snapshot_after_a_stop_is_younger_than_the_last_start(bench: Bench) -> None:
    """By these two times of the API it is told whether a snapshot is of this stop: F48."""
    first = bench.cloud.snapshot(bench.volume["a"], own("a"))
    begun = bench.cloud.instances([bench.instance["a"]])[bench.instance["a"]].launched
    assert first.started >= begun
    bench.cloud.stop(bench.instance["a"])
    bench.until("a", "stopped")
    if isinstance(bench, Ec2Bench):
        time.sleep(1.1)  # the API's times of snapshots are whole seconds
    bench.cloud.start(bench.instance["a"])
    bench.until("a", "running")
    again = bench.cloud.instances([bench.instance["a"]])[bench.instance["a"]].launched
    assert again > begun
    (seen,) = bench.cloud.snapshots(own("a"))
    assert seen.started < again


def test_a_volume_at_rest_is_not_being_modified(bench: Bench) -> None:
    assert bench.cloud.modifications(bench.volume.values()) == {}
    assert bench.cloud.modifications([NO_VOLUME]) == {}
    assert bench.cloud.modifications([]) == {}


def test_a_volume_that_is_being_modified_says_so() -> None:
    """F28: told by the API while the change lasts, and no longer."""
    with serve(FakeRuntime()) as lab:
        cloud, volume, other = Ec2(aws_of(lab)), lab.volume(), lab.volume()
        lab.gateway.order(Order("ec2.ModifyVolume", Stuck()))
        lab.ec2.modify_volume(VolumeId=volume, Size=2)
        lab.ec2.modify_volume(VolumeId=other, Size=2)
        assert cloud.modifications([volume, other]) == {volume: "optimizing"}
        lab.ec2.modify_volume(VolumeId=volume, Size=3)
        assert cloud.modifications([volume, other]) == {}


def test_a_snapshot_that_goes_wrong_is_in_error() -> None:
    with serve(runtime := FakeRuntime()) as lab:
        runtime.broken.add("snapshot")
        cloud, volume = Ec2(aws_of(lab)), lab.volume()
        cloud.snapshot(volume, own("a"))
        wait_until(lambda: [item.state for item in cloud.snapshots(own("a"))] == ["error"])


def test_a_snapshot_that_is_deleted_while_it_is_taken_stays_gone() -> None:
    with serve(runtime := FakeRuntime()) as lab:
        cloud, volume = Ec2(aws_of(lab)), lab.volume()
        with runtime.hold("snapshot") as entered:
            made = cloud.snapshot(volume, own("a"))
            assert entered.wait(60)
            cloud.delete_snapshot(made.snapshot_id)
        assert lab.gateway.settle(10)
        assert list(cloud.snapshots(own("a"))) == []
        assert runtime.snapshots == {}


def test_throttling_is_not_an_empty_list() -> None:
    """F42."""
    with serve(FakeRuntime()) as lab:
        cloud = Ec2(aws_of(lab))
        for action in ("DescribeSnapshots", "DescribeVolumesModifications"):
            lab.gateway.order(Order(f"ec2.{action}", Fail("RequestLimitExceeded", status=503), times=None))
        with pytest.raises(CloudFailed, match="RequestLimitExceeded"):
            cloud.snapshots(own("a"))
        with pytest.raises(CloudFailed, match="RequestLimitExceeded"):
            cloud.modifications([NO_VOLUME])
