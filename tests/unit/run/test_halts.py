"""Runs that stop on the way: what was asked for does not come about, or comes about wrong; and a person's wish to end."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, GateFailed, ImmtfError, Interrupted, PersonNeeded, StalePlan
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import NEW, OLD
from tests.fakes.world import at_target, make_scene


def test_a_stale_plan_is_made_and_judged_again() -> None:
    """F3."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(StalePlan("stale"), "terraform.apply", times=2)]
    assert scene.converge() == []
    assert scene.faults() == []


def test_a_plan_that_is_stale_again_and_again_ends_the_run() -> None:
    """F3: a bounded number of times."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(StalePlan("stale"), "terraform.apply", times=99)]
    with pytest.raises(StalePlan):
        scene.upgrade()
    assert scene.sim.calls.count("terraform.apply") == 3


def test_a_stop_that_is_refused_for_being_in_between_is_asked_again() -> None:
    """F17."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("pending", code="IncorrectInstanceState"), "cloud.stop", times=2)]
    assert scene.converge() == []


def test_a_stop_that_never_comes_about_is_for_a_person() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("pending", code="IncorrectInstanceState"), "cloud.stop", times=999)]
    with pytest.raises(PersonNeeded, match="asked 20 times to stop"):
        scene.upgrade()


def test_a_stop_that_is_refused_for_another_reason_ends_the_run() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop")]
    with pytest.raises(CloudFailed):
        scene.upgrade()
    assert scene.sim.healthy("b")


def test_a_volume_that_stays_detaching_is_for_a_person_and_never_forced() -> None:
    """F13."""
    scene = make_scene(3)
    scene.sim.times.move = 5_000
    with pytest.raises(PersonNeeded, match=r"is detaching to .* for 9\d\d s now"):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.detach") == 1


def test_a_bad_image_stops_at_the_first_node() -> None:
    """F36: the first node is the canary."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "never-joins"
    for _ in range(2):
        with pytest.raises((GateFailed, PersonNeeded)):
            scene.upgrade()
    assert sorted(scene.rolled().values()) == [0, 0, 1]


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("count", [3, 5])
def test_an_image_that_formats_costs_one_node_and_no_second_run_blesses_it(marked: bool, count: int) -> None:
    """F21: also where the volumes carried no marks before the run."""
    scene = make_scene(count, marked=marked)
    scene.sim.images[NEW] = "formats"
    with pytest.raises(GateFailed, match="no mark at"):
        scene.upgrade()
    for _ in range(3):
        with pytest.raises(PersonNeeded, match="lost its mark"):
            scene.upgrade()
    scene.sim.wanted = OLD
    with pytest.raises(PersonNeeded, match="lost its mark"):
        scene.upgrade()
    assert sum(scene.rolled().values()) == 1, "nor does the old image make the empty volume good"


def test_a_service_that_came_up_on_the_root_disk_fails_the_node() -> None:
    """F20: the service itself says that it is healthy."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "root-disk"
    with pytest.raises(GateFailed, match="nothing is mounted at"):
        scene.upgrade()
    assert sum(scene.rolled().values()) == 1


def test_a_wish_to_end_is_granted_between_two_nodes() -> None:
    """S1: the node in progress is finished first."""
    scene = make_scene(3)
    scene.sim.clock.after(12, lambda: setattr(scene.cancel, "asked", True))
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert [scene.sim.healthy(key) for key in scene.sim.keys] == [True] * 3
    assert sorted(scene.rolled().values()) == [0, 0, 1]


def test_an_urgent_wish_to_end_is_granted_at_once_and_the_next_run_goes_on() -> None:
    """S2."""
    scene = make_scene(3)
    scene.sim.clock.after(8, lambda: setattr(scene.cancel, "urgent", True))
    with pytest.raises(Interrupted):
        scene.upgrade()
    scene.cancel.urgent = False
    assert scene.converge() == []
    assert scene.faults() == []


def test_only_one_node_is_chosen() -> None:
    scene = make_scene(3)
    at_target(scene, "a")
    executor = scene.executor()
    (chosen,) = [node for node in scene.plan().works if node.node.key == "b"]
    scene.upgrade_only(executor, chosen.node)
    assert scene.rolled() == {"a": 0, "b": 1, "c": 0}


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_is_an_error_is_never_a_fact(when: str) -> None:
    """F42: what could not be read has not been seen; the gate asks again."""
    scene = make_scene(3)
    fault = Fault(
        CloudFailed("throttled", code="RequestLimitExceeded"), "service.view", nth=4, when="before" if when == "before" else "after"
    )
    scene.sim.calls.faults = [fault]
    ended = scene.converge()
    assert all(isinstance(error, ImmtfError) for error in ended)
    assert scene.faults() == []


def test_a_run_killed_before_the_emptied_volume_was_looked_at_does_not_bless_it_either() -> None:
    """F21: the next run finds the node at its target, still booting; it is proven, never marked."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "formats"
    scene.sim.calls.faults = [Fault(Crash(), "terraform.apply", when="after")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    for _ in range(2):
        with pytest.raises((GateFailed, PersonNeeded), match="mark"):
            scene.upgrade()
    assert sum(scene.rolled().values()) == 1
