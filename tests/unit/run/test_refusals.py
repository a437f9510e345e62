"""Worlds that a machine must not touch: the run ends before the first changing call, and says who has to look at what."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, GateFailed, ImmtfError, Interrupted, PersonNeeded, PlanRefused, StalePlan, TerraformFailed
from tests.fakes.calls import Fault
from tests.fakes.simulation import ATTACHMENT, INSTANCE, NEW
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, at_target, make_scene

CHANGING = ("cloud.stop", "cloud.start", "cloud.detach", "terraform.apply", "guest.mark")


def touched(scene: Scene) -> list[str]:
    """Return the changing calls that were made."""
    return [name for name in scene.sim.calls.log if name in CHANGING]


def test_two_away_of_three_are_for_a_person() -> None:
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    FLAWS["detached"](scene, "c")
    with pytest.raises(PersonNeeded, match=r"2 of 3 nodes are away \(server/b, server/c\); at most 1 may be"):
        scene.upgrade()
    assert touched(scene) == []


def test_two_away_of_five_are_for_a_person_too() -> None:
    """Quorum is left, but one is mended at a time, and the gate for the first would wait for the second for ever."""
    scene = make_scene(5)
    scene.block = type(scene.block)(**{**vars(scene.block), "clusters": {"server": _with(scene, max_unavailable=2)}})
    FLAWS["stopped"](scene, "b")
    FLAWS["stopped"](scene, "c")
    with pytest.raises(PersonNeeded, match="2 of 5 nodes are away"):
        scene.upgrade()
    assert touched(scene) == []


def _with(scene: Scene, **changes: object) -> object:
    cluster = scene.block.clusters["server"]
    return type(cluster)(**{**vars(cluster), **changes})


@pytest.mark.parametrize("count", [1, 2])
def test_a_cluster_that_can_spare_no_node_is_refused(count: int) -> None:
    scene = make_scene(count)
    with pytest.raises(PersonNeeded, match="can spare no node"):
        scene.upgrade()
    assert touched(scene) == []


@pytest.mark.parametrize(
    ("wishes", "check"),
    [
        (Wishes(replaced_volumes={"c"}), "volume-deleted"),
        (Wishes(creates_first=True), "create-before-destroy"),
        (Wishes(moved={"c": "eu-west-1z"}), "zone"),
        (Wishes(data_disk=True), "data-disk"),
    ],
)
@pytest.mark.parametrize("layout", ["modules", "keyed"])
def test_a_full_plan_that_nobody_may_carry_out_is_refused(wishes: Wishes, check: str, layout: str) -> None:
    """F2, F4, F23, F27: for any node, before the first one is touched."""
    wishes = Wishes(**{**vars(wishes), "layout": layout})
    scene = make_scene(3, wishes=wishes)
    with pytest.raises(PlanRefused, match=rf"\[{check}\].*c"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_node_whose_plan_contains_another_one_is_refused_while_it_serves() -> None:
    """F2: the plan of the step is judged before the stop, not only before the apply."""
    scene = make_scene(3, wishes=Wishes(tangled=True))
    with pytest.raises(PlanRefused, match=r'\[other-node\] .*module.server\["c"\].aws_instance.this'):
        scene.upgrade()
    assert touched(scene) == []
    assert scene.sim.healthy("a")


def test_an_attachment_targeted_alone_brings_every_node_along_and_is_refused() -> None:
    """E3b of the measurements: keyed resources, one of a node's targets forgotten."""
    scene = make_scene(3, wishes=Wishes("keyed"))
    world = scene.world()
    world.survey(scene.terraform.plan().data)
    attachment = scene.terraform.planner.address(ATTACHMENT, "a")
    rows = [row.address for row in scene.terraform.plan(targets=[attachment]).data.changes if not row.is_noop]
    assert scene.terraform.planner.address(INSTANCE, "c") in rows


def test_a_failed_plan_touches_nothing() -> None:
    """F1."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("exit 1"), "terraform.plan")]
    with pytest.raises(TerraformFailed):
        scene.upgrade()
    assert touched(scene) == []


def test_a_nodes_own_plan_that_fails_leaves_the_node_serving() -> None:
    """F1: the second plan of the run is the first node's."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("exit 1"), "terraform.plan", nth=2)]
    with pytest.raises(TerraformFailed):
        scene.upgrade()
    assert touched(scene) == []


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
    assert sum(scene.rolled().values()) == 1


def test_a_service_that_came_up_on_the_root_disk_fails_the_node() -> None:
    """F20: the service itself says that it is healthy."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "root-disk"
    with pytest.raises(GateFailed, match="nothing is mounted at"):
        scene.upgrade()
    assert sum(scene.rolled().values()) == 1


def test_a_volume_of_another_node_is_told_by_its_mark() -> None:
    """F18."""
    scene = make_scene(3)
    first, second = (scene.sim.volumes[scene.first[key][0]] for key in "ab")
    first.mark, second.mark = second.mark, first.mark
    with pytest.raises(PersonNeeded, match="the mark at"):
        scene.upgrade()
    assert touched(scene) == []


def test_a_peer_that_is_no_node_is_told() -> None:
    """F29."""
    scene = make_scene(3)
    scene.sim.raft.up("10.9.9.9", "ghost")
    with pytest.raises(GateFailed, match=r"peers that are no node of the block: 10\.9\.9\.9"):
        scene.upgrade()
    assert touched(scene) == []


def test_no_leader_is_unhealthy() -> None:
    """F34."""
    scene = make_scene(3)
    scene.sim.kill_server("a")
    scene.sim.kill_server("b")
    with pytest.raises(GateFailed, match="no server names a leader"):
        scene.upgrade()
    assert touched(scene) == []


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
