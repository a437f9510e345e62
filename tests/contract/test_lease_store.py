"""The lease's store: the same cases on the strict fake and on S3 by boto3, and the whole lease on both."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.lease.store import s3_store
from immtf.errors import CloudFailed, LeaseHeld, LeaseLost
from immtf.model.events import StepWaited
from immtf.plan.lease import lease_text, parse_lease
from tests.contract.lease_stores import KEYS, FakeBench, MotoBench, aws, moto, place
from tests.fakes.clock import VirtualClock
from tests.fakes.leases import Machine, make_record

if TYPE_CHECKING:
    from collections.abc import Iterator

TAKERS = 12


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto() as served:
        yield served


@pytest.fixture(params=["fake", "s3"])
def bench(request: pytest.FixtureRequest) -> FakeBench | MotoBench:
    return FakeBench() if request.param == "fake" else MotoBench(request.getfixturevalue("url"))


def test_what_is_not_there(bench: FakeBench | MotoBench) -> None:
    store = bench.view()
    assert store.read() is None
    assert store.replace("x", '"0123456789abcdef0123456789abcdef"') is None


def test_only_the_first_creates(bench: FakeBench | MotoBench) -> None:
    first, second = bench.view(), bench.view()
    etag = first.create("one")
    assert etag
    assert second.create("two") is None
    seen = second.read()
    assert seen is not None
    assert (seen.body, seen.etag) == ("one", etag)


def test_only_who_knows_the_etag_replaces(bench: FakeBench | MotoBench) -> None:
    store = bench.view()
    one = store.create("one")
    assert one
    two = store.replace("two", one)
    assert two
    assert two != one
    assert store.replace("three", one) is None
    seen = store.read()
    assert seen is not None
    assert seen.body == "two"


def test_the_same_content_has_the_same_etag(bench: FakeBench | MotoBench) -> None:
    """Why a lease has a beat: without one, a renewal could not be seen."""
    store = bench.view()
    one = store.create("one")
    assert one
    assert store.replace("one", one) == one


def test_of_many_one_creates(bench: FakeBench | MotoBench) -> None:
    """F11."""
    assert len(race(bench, "")) == 1


def test_of_many_one_takes_over(bench: FakeBench | MotoBench) -> None:
    """F11: all of them have watched the same etag until its time was over."""
    etag = bench.view().create("dead")
    assert etag
    assert len(race(bench, etag)) == 1


def test_of_many_runs_one_holds_the_lease(bench: FakeBench | MotoBench) -> None:
    """F11: the others are told who does, or begin to watch it."""
    held, refused, errors = [], [], []

    def run(number: int) -> None:
        machine = Machine(bench.view(), f"r{number}")
        machine.check = lambda: watch(machine)
        try:
            held.append(machine.take())
        except LeaseHeld as error:
            refused.append(str(error))
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the test looks at these
            errors.append(error)

    Machine(bench.view(), "first").take().release()
    together(run)
    assert errors == []
    assert (len(held), len(refused)) == (1, TAKERS - 1)
    (lease,) = held
    lease.confirm()
    seen = bench.view().read()
    record = parse_lease(seen.body) if seen else None
    assert record is not None
    assert record.generation == 2
    assert all(f"run {record.holder.run} (upgrade)" in text for text in refused)


def watch(machine: Machine) -> None:
    """End the run where it would begin to watch the lease: its time here is virtual, and would be over at once."""
    event = machine.told[-1]
    assert isinstance(event, StepWaited)
    raise LeaseHeld(event.reason)


def test_a_lease_from_hand_to_hand(bench: FakeBench | MotoBench) -> None:
    """F12, F48: taken, renewed, left, watched for its whole time by another machine's clock, taken over; then the first one knows."""
    time = VirtualClock()
    first = Machine(bench.view(), "a", 1e6, time=time).take()
    time.sleep(20)
    first.confirm()
    start = time.now
    second = Machine(bench.view(), "b", -1e6, time=time).take()
    assert time.now - start == pytest.approx(60)
    assert second.generation == 2
    with pytest.raises(LeaseLost, match="run b"):
        first.confirm()
    first.release()
    second.confirm()
    second.release()
    assert Machine(bench.view(), "c", time=time).take().generation == 3


def race(bench: FakeBench | MotoBench, etag: str) -> list[str]:
    """Have many write at the same moment; return what the winners got."""
    won: list[str] = []
    views = [bench.view() for _ in range(TAKERS)]

    def write(number: int) -> None:
        body = lease_text(make_record(f"r{number}"))
        got = views[number].replace(body, etag) if etag else views[number].create(body)
        if got:
            won.append(got)

    together(write)
    return won


def together(act: object) -> None:
    barrier = threading.Barrier(TAKERS)

    def begin(number: int) -> None:
        barrier.wait(30)
        act(number)  # type: ignore[operator]  # a function of a number

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(TAKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_bucket_that_is_not_there_is_an_error_and_no_free_lease(url: str) -> None:
    store = s3_store(place(bucket="no-such"), "x", aws(url), KEYS, timeout_s=5)
    for call in (store.read, lambda: store.create("x"), lambda: store.replace("x", '"0"')):
        with pytest.raises(CloudFailed) as caught:
            call()
        assert (caught.value.code, caught.value.where) == ("NoSuchBucket", "s3://no-such/x")


def test_a_place_that_does_not_answer_is_an_error_within_its_time() -> None:
    store = s3_store(place(region="eu-west-1", endpoint="http://127.0.0.1:9"), "x", aws(""), KEYS, timeout_s=1)
    with pytest.raises(CloudFailed, match="could not be reached"):
        store.read()


def test_a_role_is_assumed_and_writes_are_encrypted(url: str) -> None:
    where = place(role={"RoleArn": "arn:aws:iam::123456789012:role/state", "RoleSessionName": "immtf"}, sts_endpoint=url)
    where = place(role=where.role, arguments={"ServerSideEncryption": "AES256"}, endpoint=url, access_key="AKIAONE", secret_key="one")
    session = aws(url)
    store = s3_store(where, where.lease, session, {}, timeout_s=10)
    assert store.create("one")
    assert session.calls["sts:AssumeRole"] + session.calls["s3:PutObject"] >= 1
    head = session.client("s3").head_object(Bucket=where.bucket, Key=where.lease)
    assert head["ServerSideEncryption"] == "AES256"


def test_a_role_without_credentials_says_so(url: str) -> None:
    where = place(role={"RoleArn": "arn:r"}, profile="no-such-profile")
    with pytest.raises(CloudFailed) as caught:
        s3_store(where, where.lease, aws(url), {}, timeout_s=1)
    assert caught.value.code == "NoCredentials"
