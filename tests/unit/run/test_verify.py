"""The proof of an image: a good one passes; a bad one fails at what it does wrong, and the cloud's own trouble is not held against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import CloudFailed, GateFailed, GuestFailed, Interrupted, Unproven
from immtf.model.imaging import TrialOrder, TrialRules
from immtf.model.verdict import Verdict
from immtf.run.fence import unguarded
from immtf.run.gates import Patience
from immtf.run.sweep import Sweep
from immtf.run.trial import Bench
from immtf.run.verify import verify
from tests.fakes.calls import Fault
from tests.fakes.clock import FakeCancel
from tests.fakes.trial import MOUNT, ZONE, FakeVolume, TrialWorld

if TYPE_CHECKING:
    from immtf.model.cloud import Instance
    from immtf.model.events import Event

TAGS = {"immtf:block": "image-consul", "immtf:environment": "t-0a1b2c3d"}


def make_bench(world: TrialWorld, told: list[Event] | None = None, cancel: FakeCancel | None = None, mount: str = MOUNT) -> Bench:
    order = TrialOrder(image_id="ami-1", subnet_id="subnet-1", zone=ZONE, tags=TAGS)
    patience = Patience(world.clock, cancel or FakeCancel(), (told if told is not None else []).append)
    ports: Any = world
    return Bench(order, TrialRules(mount=mount), ports, ports, ports, patience)


def passing(instance: Instance) -> Verdict:
    return Verdict(held=instance.state == "running", reason="1 passed")


def test_a_good_image_passes_all_of_it() -> None:
    world, told = TrialWorld(), list[Any]()
    tried = verify(make_bench(world, told), passing, "r1")
    assert tried == ("boot", "no volume", "late blank volume", "foreign bytes", "first-boot mark", "tests", "volume with data")
    steps = {event.step for event in told if type(event).__name__ == "StepFinished"}
    assert steps == set(tried)
    assert [machine.state for machine in world.machines.values()] == ["stopped", "running"]
    ports: Any = world
    Sweep(ports, TAGS, Patience(world.clock, FakeCancel(), told.append), unguarded, trial=True).everything()
    assert world.disks == {}
    assert {machine.state for machine in world.machines.values()} == {"terminated"}
    assert "the trial's instance i-1 is taken away" in [getattr(event, "message", "") for event in told]


def test_an_image_without_a_volume_has_its_boot_and_its_tests() -> None:
    assert verify(make_bench(TrialWorld(), mount=""), None, "r1") == ("boot",)
    assert verify(make_bench(TrialWorld(), mount=""), passing, "r1") == ("boot", "tests")


@pytest.mark.parametrize(
    ("habit", "why"),
    [
        ("root disk", "no volume: without its volume something wrote to /var/lib/consul on the root disk: data"),
        ("formats", "late blank volume: a blank volume without a first-boot mark was mounted"),
        ("scribbles", "late blank volume: a blank volume without a first-boot mark was written to"),
        ("silent", "late blank volume: the image says nothing of a blank volume, not `blank`"),
        ("overwrites", "foreign bytes: the image wrote over a volume with foreign bytes"),
        ("mounts anything", "foreign bytes: a volume with foreign bytes was mounted"),
        ("calls it blank", "foreign bytes: the image says `blank` of a volume that holds foreign bytes"),
        ("formats data", "volume with data: the image formatted a volume that held data: its filesystem was uuid-1 and is uuid-new"),
        ("empties", "volume with data: the image emptied a volume that held data"),
        ("ends", "boot: i-1 is terminated"),
        ("hangs", "boot: could not be asked: no agent"),
    ],
)
def test_a_bad_image_fails_at_what_it_does_wrong(habit: str, why: str) -> None:
    world = TrialWorld(frozenset({habit}))
    with pytest.raises(GateFailed) as caught:
        verify(make_bench(world), passing, "r1")
    assert caught.value.what.startswith(why)


def test_what_hangs_at_boot_is_told_with_the_end_of_its_console() -> None:
    with pytest.raises(GateFailed) as caught:
        verify(make_bench(TrialWorld(frozenset({"hangs"}))), None, "r1")
    assert caught.value.where == "i-1"
    assert caught.value.what.endswith("; its console ends with:\n    kernel\n    systemd: stuck")
    assert "after 60" in caught.value.what, "the limit is ten minutes"
    with pytest.raises(GateFailed, match="its console is empty"):
        verify(make_bench(TrialWorld(frozenset({"hangs"}), log="")), None, "r1")
    world = TrialWorld(frozenset({"hangs"}))
    world.calls.faults.append(Fault(CloudFailed("no"), "trial.console"))
    with pytest.raises(GateFailed, match="its console can't be read: no"):
        verify(make_bench(world), None, "r1")


@pytest.mark.parametrize(("habit", "fault"), [("hangs", ""), ("ends", ""), ("", "guest.run")])
def test_what_may_be_the_place_s_doing_is_not_held_against_the_image(habit: str, fault: str) -> None:
    world = TrialWorld(frozenset({habit}))
    if fault:  # it answers as long as it boots
        world.clock.after(20, lambda: world.calls.faults.append(Fault(GuestFailed("no agent"), fault, times=10_000)))
    with pytest.raises(Unproven):
        verify(make_bench(world), lambda _instance: Verdict(held=False, reason="NotReached"), "r1")


def test_tests_that_tell_nothing_of_the_image_are_not_held_against_it() -> None:
    with pytest.raises(Unproven, match="all of 3 were skipped"):
        verify(make_bench(TrialWorld()), lambda _instance: Verdict(held=False, reason="all of 3 were skipped", unknown=True), "r1")
    with pytest.raises(GateFailed) as caught:
        verify(make_bench(TrialWorld(frozenset({"formats"}))), None, "r1")
    assert type(caught.value) is GateFailed, "what the image did is the image's"


def test_tests_get_their_time_and_no_more() -> None:
    world = TrialWorld()

    def late(_instance: Instance) -> Verdict:
        return Verdict(held=world.clock.now > 60, reason="test_server.py::test_up failed")

    assert "tests" in verify(make_bench(world), late, "r1")
    with pytest.raises(GateFailed, match=r"tests: test_up failed \(after 30"):
        verify(make_bench(TrialWorld()), lambda _instance: Verdict(held=False, reason="test_up failed"), "r1")


def test_the_clouds_trouble_is_not_the_images() -> None:
    world = TrialWorld()
    world.calls.faults.append(Fault(CloudFailed("throttled", code="Throttling"), "cloud.instances", times=3))
    assert verify(make_bench(world, mount=""), None, "r1") == ("boot",)
    world.calls.faults.append(Fault(CloudFailed("throttled", code="Throttling"), "cloud.instances", times=10_000))
    with pytest.raises(CloudFailed, match="throttled"):
        verify(make_bench(world, mount=""), None, "r1")
    world = TrialWorld()
    world.calls.faults.append(Fault(CloudFailed("expired", code="ExpiredToken"), "cloud.instances"))
    with pytest.raises(CloudFailed, match="expired"):
        verify(make_bench(world, mount=""), None, "r1")
    world = TrialWorld()
    world.calls.faults.append(Fault(CloudFailed("no room", code="InsufficientInstanceCapacity"), "trial.launch"))
    with pytest.raises(CloudFailed, match="no room"):
        verify(make_bench(world, mount=""), None, "r1")


def test_an_instance_that_the_cloud_does_not_know_yet_is_waited_for() -> None:
    world = TrialWorld()
    bench = make_bench(world)
    with pytest.raises(CloudFailed, match="not there"):
        bench.instance("i-9")


def test_what_can_not_be_written_is_said() -> None:
    with pytest.raises(GuestFailed, match="the canary could not be written: read-only"):
        verify(make_bench(TrialWorld(frozenset({"read-only"}))), None, "r1")
    world = TrialWorld()
    bench = make_bench(world, mount="")
    bench.boot("boot")
    world.calls.faults.append(Fault(GuestFailed("gone"), "guest.run"))
    with pytest.raises(GuestFailed, match="gone"):
        bench.carry_out("i-1", "x", "y")


class Unread(TrialWorld):
    """The foreign bytes can be written and not read."""

    def _look(self, disk: FakeVolume | None, name: str) -> str:
        return super()._look(disk, name).replace("bytes\tforeign", "bytes\t")


def test_foreign_bytes_that_nobody_read_are_not_compared() -> None:
    with pytest.raises(GuestFailed, match="could not be read back"):
        verify(make_bench(Unread()), None, "r1")


def test_one_that_is_asked_to_end_ends_at_once() -> None:
    with pytest.raises(Interrupted, match="the image is as it was"):
        verify(make_bench(TrialWorld(), cancel=FakeCancel(asked=True)), None, "r1")
