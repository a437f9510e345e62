"""A lease that is held: renewed, confirmed before each change, lost for good, given back; with every failure told."""

from __future__ import annotations

import threading
import time as real_time

import pytest

from immtf.adapters.lease.s3 import S3Lease, awake_and_asleep
from immtf.adapters.lease.taking import Taken
from immtf.errors import CloudFailed, ExitCode, LeaseLost
from immtf.model.events import Noted
from immtf.plan.lease import freed, lease_text
from tests.fakes.bucket import FakeBucket
from tests.fakes.calls import Fault
from tests.fakes.leases import Machine, make_record

DOWN = CloudFailed("the API could not be reached")


def told(machine: Machine) -> list[str]:
    return [event.message for event in machine.told if isinstance(event, Noted)]


def test_each_renewal_changes_the_object() -> None:
    machine = Machine(FakeBucket())
    lease = machine.take()
    etags = set()
    for _ in range(5):
        machine.sleep(20)
        lease.confirm()
        seen = machine.store.read()
        assert seen is not None
        etags.add(seen.etag)
    assert len(etags) == 5
    assert machine.told == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (lease_text(make_record("b", generation=2)), r"taken over \(fence 2\) by run b \(upgrade\) of eve@b-host"),
        (lease_text(freed(make_record("b", generation=2))), r"taken over \(fence 2\) by run b .*, and given back since"),
        (lease_text(freed(make_record("a"))), "it was removed by `immtf unlock --force`"),
        ("nonsense", "its object was overwritten with what can't be read"),
        (None, "its object was removed"),
    ],
)
def test_a_lease_that_is_anothers_is_lost_at_once_and_for_good(body: str | None, why: str) -> None:
    """F12: exit code 23, with who took it."""
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.body = body
    with pytest.raises(LeaseLost, match=f"the lease was lost: {why}") as caught:
        lease.confirm()
    assert caught.value.exit_code == ExitCode.LEASE_LOST == 23
    assert "`immtf status`" in caught.value.next
    assert len(told(machine)) == 1
    lease.release()
    assert bucket.body == body, "what is another's is not given back"
    with pytest.raises(LeaseLost):
        lease.confirm()


def test_a_store_that_does_not_answer_is_tried_until_shortly_before_the_time_is_over() -> None:
    """F12: for the time-to-live less a margin; the next run may come right after it."""
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.calls.faults = [Fault(DOWN, "store.*", times=10_000)]
    for _ in range(9):
        machine.sleep(5)
        lease.confirm()
    assert told(machine) == ["the lease could not be renewed, it is tried again: the API could not be reached"]
    machine.sleep(5)
    with pytest.raises(LeaseLost, match="no renewal went through for 50 s: the API could not be reached"):
        lease.confirm()
    bucket.calls.faults.clear()
    machine.sleep(1)
    with pytest.raises(LeaseLost):
        lease.confirm()


def test_a_store_that_answers_again_is_told_when_it_fails_the_next_time_too() -> None:
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    for _ in range(2):
        bucket.calls.faults = [Fault(DOWN, "store.*", times=2)]
        assert [lease.renew(), lease.renew(), lease.renew()] == [False, False, True]
    assert len(told(machine)) == 2


def test_a_renewal_whose_answer_got_lost_is_taken_for_what_it_is() -> None:
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.calls.faults = [Fault(DOWN, "store.replace", when="after")]
    assert not lease.renew()
    assert lease.renew(), "the object is ours, though not as we knew it"
    assert bucket.record.beat == 2


def test_409_is_looked_at_and_tried_again() -> None:
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.conflicts = 1
    lease.confirm()
    assert machine.told == []
    bucket.conflicts = 2
    assert not lease.renew()
    assert told(machine) == ["the lease could not be renewed, it is tried again: other writes came in between"]


def test_a_machine_that_slept_too_long_does_not_wake_up_believing() -> None:
    """F12, F48: nobody took it meanwhile, and it is renewed at once; but if it can't be, it is lost."""
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    machine.sleep(3600)
    lease.confirm()
    machine.sleep(3600)
    bucket.calls.faults = [Fault(DOWN, "store.*")]
    with pytest.raises(LeaseLost):
        lease.confirm()


def test_a_fault_in_the_renewal_is_not_swallowed() -> None:
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.calls.faults = [Fault(KeyError("ETag"), "store.replace")]
    with pytest.raises(LeaseLost, match="it could not be renewed: KeyError: 'ETag'"):
        lease.confirm()
    assert "no further change is made" in told(machine)[0]


def test_what_is_given_back_is_free_and_no_longer_ours() -> None:
    bucket = FakeBucket()
    lease = Machine(bucket, "a").take()
    lease.release()
    lease.release()
    assert bucket.record.free
    assert bucket.calls.count("store.replace") == 1
    with pytest.raises(LeaseLost, match="it was given back"):
        lease.confirm()


def test_one_that_can_not_be_given_back_is_told() -> None:
    bucket = FakeBucket()
    machine = Machine(bucket, "a")
    lease = machine.take()
    bucket.calls.faults = [Fault(DOWN, "store.*")]
    lease.release()
    assert told(machine) == ["the lease could not be given back (the API could not be reached): the next run finds it held and waits 60 s"]


def held_for_real(bucket: FakeBucket, ttl_s: float, told_here: list[object]) -> S3Lease:
    """Return a lease that its own thread renews, in real time."""
    record = make_record("a", ttl_s=ttl_s)
    sent = awake_and_asleep()
    etag = bucket.create(lease_text(record))
    assert etag is not None
    lease = S3Lease(bucket, Taken(record, etag, sent), tell=told_here.append)
    lease.start()
    return lease


def until(holds: object) -> None:
    deadline = real_time.monotonic() + 60
    while not holds():  # type: ignore[operator]  # a function
        assert real_time.monotonic() < deadline
        real_time.sleep(0.01)


def test_its_thread_renews_it_and_ends_with_it() -> None:
    bucket: FakeBucket = FakeBucket()
    lease = held_for_real(bucket, 1.5, [])
    until(lambda: '"beat": 3' in (bucket.body or ""))
    lease.release()
    assert not [thread for thread in threading.enumerate() if thread.name == "lease"]


def test_its_thread_tells_a_loss_by_itself() -> None:
    bucket, heard = FakeBucket(), list[object]()
    lease = held_for_real(bucket, 1.5, heard)
    bucket.calls.faults = [Fault(DOWN, "store.*", times=10_000)]
    until(lambda: any("was lost: no renewal went through" in str(event) for event in heard))
    with pytest.raises(LeaseLost):
        lease.confirm()
    lease.release()


def test_seconds_grow() -> None:
    assert awake_and_asleep() <= awake_and_asleep()
