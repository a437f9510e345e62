"""The loop of `reap` on a cloud that refuses what EC2 refuses: all that is past its time goes, in order; nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import CloudFailed, CredentialsRefused, Interrupted, PersonNeeded
from immtf.model.events import Noted
from immtf.model.reaping import DISKS, KINDS
from immtf.plan.reaping import View, fate_of, stamp
from immtf.run.fence import unguarded
from immtf.run.gates import Patience
from immtf.run.reaping import Reaping
from immtf.run.sweep import Sweep
from tests.fakes.calls import Fault
from tests.fakes.clock import FakeCancel
from tests.fakes.network import NetworkWorld, whole_network

if TYPE_CHECKING:
    from immtf.model.events import Event

NAME = "t-0123abcd"


class Bench:
    """A cloud, and what is told of the work on it."""

    def __init__(self) -> None:
        self.cloud = NetworkWorld()
        self.events: list[Event] = []
        self.cancel = FakeCancel()
        self.patience = Patience(self.cloud.clock, self.cancel, self.events.append)

    def tags(self, name: str, life_s: float = -1.0) -> dict[str, str]:
        return {"immtf:class": "test", "immtf:environment": name, "immtf:expires": stamp(self.cloud.start + life_s)}

    def reaping(self, *at_work: str) -> Reaping:
        return Reaping(self.cloud, self.patience, self.view(*at_work))

    def view(self, *at_work: str) -> View:
        """Return what is known where every record was seen."""
        goes = {item.tags.get("immtf:environment", "") for item in self.cloud.things.values()}
        return View(self.cloud.now(), at_work, goes)

    def told(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noted)]


def test_all_that_a_test_made_goes_in_an_order_that_the_cloud_takes() -> None:
    """F43."""
    bench = Bench()
    whole_network(bench.cloud, "x", bench.tags(NAME))
    whole_network(bench.cloud, "later", bench.tags("t-11111111", 3600))
    whole_network(bench.cloud, "mine", {"immtf:class": "production", "immtf:environment": NAME, "immtf:expires": stamp(0)})
    assert bench.reaping().everything() == ()
    assert not [key for key in bench.cloud.things if key.endswith("-x")]
    assert len(bench.cloud.things) == 2 * len(KINDS)
    assert len(bench.told()) == len(KINDS)
    assert "reaped: security group sg-x is past its time" in bench.told()


def test_groups_that_hold_each_other_up_are_asked_again() -> None:
    """F43."""
    bench = Bench()
    tags = bench.tags(NAME)
    bench.cloud.add("sg-a", "security-group", tags)
    bench.cloud.add("sg-b", "security-group", tags, "sg-a")
    assert bench.reaping().everything() == ()
    assert bench.cloud.things == {}


def test_what_something_of_another_hangs_on_is_told_and_holds_up_nothing_else() -> None:
    """F43."""
    bench = Bench()
    whole_network(bench.cloud, "x", bench.tags(NAME))
    bench.cloud.add("eni-mine", "network-interface", {}, "subnet-x")
    left = bench.reaping().everything()
    assert sorted(bench.cloud.things) == ["eni-mine", "rtb-x", "subnet-x", "vpc-x"]
    assert [text.partition(":")[0] for text in left] == ["subnet", "route table", "vpc"]
    assert "subnet-x is held: subnet-x has a dependent object eni-mine" in left[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_not_be_removed_is_told_and_the_rest_goes_on(kind: str) -> None:
    """F43."""
    bench = Bench()
    for other in KINDS:
        bench.cloud.add(f"{other}-x", other, bench.tags(NAME))
    bench.cloud.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), f"sweeper.remove.{kind}", times=99)]
    assert bench.reaping().everything() == (f"{kind.replace('-', ' ')}: no",)
    assert list(bench.cloud.things) == [f"{kind}-x"]


def test_credentials_that_are_refused_end_it() -> None:
    bench = Bench()
    bench.cloud.add("i-x", "instance", bench.tags(NAME))
    bench.cloud.calls.faults = [Fault(CredentialsRefused("expired", code="ExpiredToken"), "sweeper.remove.instance")]
    with pytest.raises(CredentialsRefused):
        bench.reaping().everything()


def test_a_request_to_end_ends_it() -> None:
    bench = Bench()
    bench.cloud.add("i-x", "instance", bench.tags(NAME))
    bench.cancel.asked = True
    with pytest.raises(Interrupted):
        bench.reaping().everything()


def test_one_environment_s_instances_go_alone() -> None:
    bench = Bench()
    bench.cloud.add("i-x", "instance", bench.tags(NAME))
    bench.cloud.add("i-y", "instance", bench.tags("t-22222222"))
    assert bench.reaping().instances(NAME) == ""
    assert list(bench.cloud.things) == ["i-y"]


def test_what_a_trial_of_an_image_left_goes_and_is_looked_for_among_disks_only() -> None:
    """F43."""
    bench = Bench()
    tags = {"immtf:block": "image-consul", "immtf:environment": NAME, "immtf:expires": stamp(0), "immtf:image": "ami-1"}
    bench.cloud.add("i-x", "instance", tags, "vol-x")
    bench.cloud.add("vol-x", "volume", tags)
    bench.cloud.add("sg-x", "security-group", tags)
    assert {item.kind for item in bench.reaping().found()} <= set(DISKS)
    assert bench.reaping().everything() == ()
    assert list(bench.cloud.things) == ["sg-x"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(["test", "production", "Test", ""]),
            st.sampled_from([-100.0, -1.0, 0.0, 1e6, None]),
            st.sampled_from([NAME, "t-11111111", "production"]),
        ),
        max_size=12,
    )
)
def test_nothing_is_ever_taken_that_may_not_be(rows: list[tuple[str, str, float | None, str]]) -> None:
    """F43, F48: whatever is there, and whichever tests are at work."""
    bench = Bench()
    kept = set()
    for number, (kind, word, life_s, name) in enumerate(rows):
        expires = "never" if life_s is None else stamp(bench.cloud.start + life_s)
        tags = {"immtf:class": word, "immtf:environment": name, "immtf:expires": expires}
        bench.cloud.add(f"{kind}-{number}", kind, tags)  # type: ignore[arg-type]  # from KINDS
        if not fate_of(tags, bench.view("t-11111111")).goes:
            kept.add(f"{kind}-{number}")
    assert bench.reaping("t-11111111").everything() == ()
    assert set(bench.cloud.things) == kept


def test_the_sweep_of_a_test_takes_its_network_too() -> None:
    """F43: after its destroy, what no state knows of, whatever it is."""
    bench = Bench()
    tags = {"immtf:block": "consul", "immtf:environment": NAME, "immtf:run": "r1"}
    whole_network(bench.cloud, "x", tags)
    whole_network(bench.cloud, "other", {**tags, "immtf:block": "etcd"})
    Sweep(bench.cloud, {"immtf:block": "consul", "immtf:environment": NAME}, bench.patience, unguarded).everything()
    assert len(bench.cloud.things) == len(KINDS)
    assert all(key.endswith("-other") for key in bench.cloud.things)
    assert "swept: internet gateway igw-x bears this environment's tags and is in no state" in bench.told()


def test_a_sweep_that_something_of_another_holds_up_is_for_a_person() -> None:
    bench = Bench()
    tags = {"immtf:class": "test", "immtf:environment": NAME}
    bench.cloud.add("vpc-x", "vpc", tags)
    bench.cloud.add("subnet-mine", "subnet", {}, "vpc-x")
    with pytest.raises(PersonNeeded, match="vpc-x is held"):
        Sweep(bench.cloud, tags, bench.patience, unguarded).everything()
