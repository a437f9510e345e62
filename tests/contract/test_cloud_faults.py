"""A move's steps through boto3 itself, against the lab's gateway with faults on order: real retries, real codes, real answers.

The same cases are on the strict fake in `tests/unit/run/test_cloud_faults.py`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.ec2 import Ec2
from immtf.errors import CloudFailed, CredentialsRefused, PersonNeeded
from immtf.lab.gateway.orders import Dropped, Fail, Late, Order, Stale, Stuck
from immtf.model.block import Block, Cluster
from immtf.model.events import StepWaited
from immtf.model.layout import Layout
from immtf.plan.faults import UNREACHABLE
from immtf.run.gates import Patience
from immtf.run.ledger import Ledger
from immtf.run.moves import Limits, Moves
from immtf.run.world import World
from tests.contract.cloud_benches import aws_of
from tests.contract.ec2_lab import Lab, serve
from tests.fakes.builders import A, make_place
from tests.fakes.clock import FakeCancel
from tests.fakes.runtime import FakeRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.events import Event

QUICK = Limits(move_s=4.0, first_poll_s=0.02, longest_poll_s=0.1, halt_s=0.5)
HERE = Path("/blocks/one")


class RealClock:
    """Real time: boto3 sleeps by it as well."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Bench:
    """Node a of a cluster without gates, moved by boto3; `events` is what the move told."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.cloud = Ec2(aws_of(lab))
        self.events: list[Event] = []
        self.attempts = 1
        self.instance, self.volume = lab.running(), lab.volume()
        lab.attached(self.volume, self.instance)
        self.before = lab.gateway.calls()

    @property
    def moves(self) -> Moves:
        place = make_place("a", instance_id=self.instance, volume_id=self.volume)
        block = Block("one", "1.0.0", HERE, HERE / "immtf.yaml", HERE, clusters={"server": Cluster("server", "module.server", ())})
        cloud = Ec2(aws_of(self.lab, attempts=self.attempts))
        world = World(block, None, cloud, None, None, None, layout=Layout({A: place}))  # type: ignore[arg-type]  # a move asks the cloud alone
        return Moves(world, Patience(RealClock(), FakeCancel(), self.events.append), Ledger(0.0), QUICK)

    def order(self, action: str, then: Fail | Late | Stuck | Stale | Dropped, *, times: int | None = 1, every: int = 1) -> None:
        self.lab.gateway.order(Order(action, then, times=times, every=every))

    def calls(self, action: str) -> int:
        return self.lab.gateway.calls().get(f"ec2.{action}", 0) - self.before.get(f"ec2.{action}", 0)

    def waited(self) -> str:
        return "\n".join(event.reason for event in self.events if isinstance(event, StepWaited))


@pytest.fixture(scope="module")
def served() -> Iterator[Lab]:
    with serve(FakeRuntime()) as lab:
        yield lab


@pytest.fixture
def bench(served: Lab) -> Iterator[Bench]:
    served.gateway.clear_orders()
    yield Bench(served)
    served.gateway.clear_orders()


def test_a_throttled_stop_and_detach_are_asked_for_again(bench: Bench) -> None:
    """F42."""
    for action in ("DescribeInstances", "DescribeVolumes", "StopInstances", "DetachVolume"):
        bench.order(action, Fail("RequestLimitExceeded"), times=2)
    assert bench.moves.stop(A)[1] is True
    assert bench.moves.detach(A)[1] is True
    assert "StopInstances: RequestLimitExceeded" in bench.waited()
    assert "the cloud does not tell" in bench.waited()


def test_throttling_sprinkled_over_everything_is_botocore_s_own_matter(bench: Bench) -> None:
    """F42: with its usual attempts nothing of it is seen."""
    bench.attempts = 5
    bench.order("*", Fail("Throttling"), times=None, every=3)
    assert bench.moves.stop(A)[1] is True
    assert bench.moves.detach(A)[1] is True
    assert "Throttling" not in bench.waited()


def test_an_api_that_is_throttled_without_end_changes_nothing(bench: Bench) -> None:
    """F42."""
    bench.order("Describe*", Fail("RequestLimitExceeded"), times=None)
    with pytest.raises(PersonNeeded, match="throttles this account's calls"):
        bench.moves.stop(A)
    assert bench.calls("StopInstances") == 0


def test_an_api_with_a_fault_of_its_own_is_waited_out(bench: Bench) -> None:
    """F42: HTTP 500 and a connection that ends, before and after the call was carried out."""
    bench.order("StopInstances", Fail("InternalError"))
    bench.order("StopInstances", Dropped())
    bench.order("StopInstances", Dropped(done=True))
    assert bench.moves.stop(A)[1] is True
    assert bench.calls("StopInstances") == 3, "the third was carried out, though nobody said so"


def test_a_lost_answer_has_a_code_of_our_own(bench: Bench) -> None:
    bench.order("StartInstances", Dropped())
    with pytest.raises(CloudFailed, match="could not be reached") as caught:
        bench.cloud.start(bench.instance)
    assert caught.value.code == UNREACHABLE


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestExpired", "AuthFailure", "InvalidClientTokenId", "ExpiredTokenException"])
def test_credentials_that_expire_end_a_move_at_once(bench: Bench, code: str) -> None:
    """F41: between two calls, with what to do next."""
    bench.order("StopInstances", Fail(code))
    with pytest.raises(CredentialsRefused, match=code) as caught:
        bench.moves.stop(A)
    assert "renew the credentials" in caught.value.next
    assert "run the same command again" in caught.value.next
    assert bench.lab.state(bench.instance) == "running"


def test_a_stale_api_is_looked_at_until_it_tells_the_truth(bench: Bench) -> None:
    """The stop was carried out, and for a while the API says that it wasn't."""
    assert bench.moves.world.node(A).running
    bench.order("DescribeInstances", Stale(), times=4)
    bench.order("DescribeVolumes", Stale(), times=8)
    assert bench.moves.stop(A)[1] is True
    bench.order("DescribeInstances", Stale(), times=2)
    assert bench.moves.detach(A)[1] is True
    assert bench.lab.volume_state(bench.volume) == "available"


def test_detaching_for_ever_is_for_a_person(bench: Bench) -> None:
    """F13: with the evidence, and never by force; asked for again when it is let go."""
    bench.moves.stop(A)
    bench.order("DetachVolume", Stuck())
    with pytest.raises(PersonNeeded, match=rf"{bench.volume} is detaching to {bench.instance}, which is stopped, for [0-9]+ s now"):
        bench.moves.detach(A)
    assert bench.calls("DetachVolume") == 1
    assert bench.lab.attachment(bench.volume) == "detaching"


def test_a_stop_that_takes_long_is_waited_for(bench: Bench) -> None:
    """F17: and one that never ends is for a person."""
    bench.order("StopInstances", Late(0.5))
    assert bench.moves.stop(A)[1] is True
    bench.cloud.start(bench.instance)
    bench.lab.until(bench.instance, "running")
    bench.order("StopInstances", Stuck())
    with pytest.raises(PersonNeeded, match=r"is stopping, for [0-9]+ s now"):
        bench.moves.stop(A)


def test_a_stop_while_the_guest_still_boots_waits_for_a_stable_state(bench: Bench) -> None:
    """F17: AWS's own refusal."""
    bench.order("StopInstances", Fail("IncorrectInstanceState"), times=2)
    assert bench.moves.stop(A)[1] is True
    assert "IncorrectInstanceState" in bench.waited()


def test_an_instance_that_was_terminated_by_hand_counts_as_stopped(bench: Bench) -> None:
    """F16."""
    bench.moves.stop(A)
    bench.lab.ec2.terminate_instances(InstanceIds=[bench.instance])
    bench.lab.until(bench.instance, "terminated")
    assert bench.moves.stop(A)[1] is False
    assert bench.moves.detach(A)[1] is False
    assert bench.lab.volume_state(bench.volume) == "available"


def test_who_holds_an_address_is_told(bench: Bench) -> None:
    """F25."""
    row = bench.lab.instance(bench.instance)
    told = bench.cloud.holder(row["PrivateIpAddress"], row["SubnetId"])
    assert f"of {bench.instance} (in-use)" in told
    assert bench.cloud.holder("", row["SubnetId"]) == ""
    assert bench.cloud.holder("127.9.10.9", "") == ""
