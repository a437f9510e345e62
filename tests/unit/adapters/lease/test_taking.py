"""Taking a lease: free, held by the living, left by the dead, wanted by many; on a store that is as strict as S3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import CloudFailed, ExitCode, Interrupted, LeaseHeld
from immtf.model.events import Noted, StepWaited
from immtf.plan.lease import freed, lease_text
from tests.fakes.bucket import FakeBucket
from tests.fakes.calls import Fault
from tests.fakes.clock import VirtualClock
from tests.fakes.leases import TTL_S, Machine, make_record


def test_a_free_one_is_taken_at_once() -> None:
    machine = Machine(FakeBucket())
    assert machine.take().generation == 1
    assert (machine.time.now, machine.told) == (0, [])


def test_one_that_was_given_back_is_taken_at_once_a_generation_further() -> None:
    bucket = FakeBucket()
    Machine(bucket, "a").take().release()
    assert Machine(bucket, "b").take().generation == 2
    assert bucket.record.holder.run == "b"


@pytest.mark.parametrize("skew", [-1e8, -3600.0, 0.0, 3600.0, 1e8])
def test_a_living_holder_is_named_and_left_alone(skew: float) -> None:
    """F11: who, from where, since when; F48: the two clocks differ by hours, or years."""
    bucket, time = FakeBucket(), VirtualClock()
    first, second = Machine(bucket, "a", time=time), Machine(bucket, "b", skew, time=time)
    lease = first.take()
    first.renewing(lease)
    with pytest.raises(LeaseHeld, match=r"run a \(upgrade\) of eve@a-host, pid 4711, since 2026-01-02") as caught:
        second.take()
    assert (caught.value.exit_code, caught.value.where) == (ExitCode.LEASE_HELD, str(bucket))
    assert time.now < TTL_S / 2, "the first sign of life is enough"
    assert isinstance(second.told[0], StepWaited)
    assert "run a" in second.told[0].reason
    lease.confirm()


@pytest.mark.parametrize("skew", [-1e8, 0.0, 1e8])
def test_a_dead_ones_is_taken_over_after_its_whole_time_and_told(skew: float) -> None:
    """F48: only the waiter's own clock counts; F8: what a killed run left is told whose it was."""
    bucket, time = FakeBucket(), VirtualClock()
    dead = Machine(bucket, "a", time=time, ttl_s=90.0).take()
    second = Machine(bucket, "b", skew, time=time, ttl_s=6.0)
    assert second.take().generation == 2
    assert time.now == pytest.approx(90.0), "the time that the dead one promised, not the waiter's"
    (noted,) = (event for event in second.told if isinstance(event, Noted))
    assert noted.message.startswith("the lease was taken over (fence 2): no sign of life for 90 s from run a (upgrade) of eve@a-host")
    with pytest.raises(Exception, match="the lease was lost: taken over"):
        dead.confirm()


def test_a_holder_that_renews_late_keeps_it() -> None:
    bucket, time = FakeBucket(), VirtualClock()
    first = Machine(bucket, "a", time=time)
    first.take()
    time.after(TTL_S - 0.5, lambda: bucket.replace(lease_text(make_record("a", beat=1)), _etag_of(bucket)))
    with pytest.raises(LeaseHeld, match="run a"):
        Machine(bucket, "b", time=time).take()


def test_one_that_is_given_back_while_it_is_watched_is_taken() -> None:
    bucket, time = FakeBucket(), VirtualClock()
    lease = Machine(bucket, "a", time=time).take()
    time.after(7, lease.release)
    assert Machine(bucket, "b", time=time).take().generation == 2
    assert time.now < 15


def test_one_whose_object_is_removed_while_it_is_watched_is_taken() -> None:
    bucket, time = FakeBucket(), VirtualClock()
    Machine(bucket, "a", time=time).take()
    time.after(7, lambda: setattr(bucket, "body", None))
    assert Machine(bucket, "b", time=time).take().generation == 1


def test_who_was_quicker_is_named() -> None:
    with pytest.raises(LeaseHeld, match="run quick"):
        Machine(_Overtaken(), "b").take()


def test_an_answer_that_got_lost_does_not_lock_out_its_own_writer() -> None:
    """The write went through and its answer didn't come: the API was retried and says 412."""
    bucket = FakeBucket(lease_text(make_record("a")))
    assert Machine(bucket, "a").take().generation == 1
    assert bucket.record.beat == 1


def test_409_is_treated_like_412() -> None:
    bucket = FakeBucket(conflicts=2)
    assert Machine(bucket, "a").take().generation == 1


def test_a_store_that_always_conflicts_is_given_up() -> None:
    with pytest.raises(LeaseHeld, match="changes hands all the time"):
        Machine(FakeBucket(conflicts=10_000), "a").take()


def test_a_store_that_ignores_conditions_is_found_out() -> None:
    with pytest.raises(CloudFailed, match="without looking at the condition") as caught:
        Machine(FakeBucket(careless=True), "a").take()
    assert caught.value.code == "NoConditionalWrites"


def test_what_can_not_be_read_is_never_taken_over() -> None:
    bucket = FakeBucket("something of somebody")
    with pytest.raises(LeaseHeld, match="can't read") as caught:
        Machine(bucket, "a").take()
    assert "immtf unlock --force" in caught.value.next
    assert bucket.body == "something of somebody"


def test_a_store_that_does_not_answer_is_an_error() -> None:
    bucket = FakeBucket()
    bucket.calls.faults = [Fault(CloudFailed("no answer"), "store.*")]
    with pytest.raises(CloudFailed, match="no answer"):
        Machine(bucket, "a").take()


def test_a_person_ends_the_watching() -> None:
    bucket = FakeBucket()
    Machine(bucket, "a").take()

    def end() -> None:
        raise Interrupted("stopped as asked")

    with pytest.raises(Interrupted):
        Machine(bucket, "b", check=end).take()
    assert bucket.record.holder.run == "a"


def test_of_many_that_wait_for_a_dead_ones_lease_one_wins() -> None:
    """F11: each of them saw the same etag for the whole time; the second write on it is refused."""
    bucket = FakeBucket()
    Machine(bucket, "dead").take()
    seen = bucket.read()
    assert seen is not None
    wins = [bucket.replace(lease_text(make_record(f"r{number}", generation=2)), seen.etag) for number in range(12)]
    assert sum(etag is not None for etag in wins) == 1


class _Overtaken(FakeBucket):
    """A bucket in which another run writes just before each first write."""

    def create(self, body: str) -> str | None:
        self.body = self.body or lease_text(make_record("quick"))
        return super().create(body)


def _etag_of(bucket: FakeBucket) -> str:
    seen = bucket.read()
    assert seen is not None
    return seen.etag


def test_a_freed_record_keeps_its_holder_for_people() -> None:
    record = make_record("a", generation=4)
    assert freed(record) == replace(record, beat=1, free=True)
