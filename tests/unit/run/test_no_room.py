"""No room for a node's new instance: tried again a bounded number of times, then told exactly; call by call on strict fakes."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, ExitCode, Interrupted, NoRoom, PersonNeeded, TerraformFailed
from immtf.model.events import StepStarted, StepWaited
from immtf.run.apply import apply_node
from tests.fakes.builders import B
from tests.fakes.calls import Fault
from tests.fakes.simulation import OLD, SimInstance, Violation
from tests.fakes.world import FLAWS, Scene, make_scene

CAPACITY, ADDRESS, VOLUME, THROTTLED = "InsufficientInstanceCapacity", "InvalidIPAddress.InUse", "VolumeInUse", "RequestLimitExceeded"


def refused(code: str, part: str, times: int) -> Fault:
    """Return the provider's refusal of a part of an apply, so many times."""
    return Fault(TerraformFailed(f"Error launching source instance: {code}", code=code), f"part.{part}", times=times)


def waits(scene: Scene) -> list[StepWaited]:
    return [event for event in scene.events if isinstance(event, StepWaited) and event.step == "ApplyNode"]


@pytest.mark.parametrize(
    ("code", "part"),
    [(CAPACITY, "create:b"), (ADDRESS, "create:b"), (THROTTLED, "create:b"), (VOLUME, "attach:b"), (THROTTLED, "attach:b")],
)
def test_what_passes_is_waited_for_within_the_run(code: str, part: str) -> None:
    """F14, F24, F25, F42: each try is planned and judged anew, and no node gets a second instance."""
    scene = make_scene(3)
    scene.sim.calls.faults = [refused(code, part, 2)]
    scene.upgrade()
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
    assert {event.limit_s for event in waits(scene)} == {20.0, 60.0}
    assert {event.node for event in waits(scene)} == {"server/b"}
    assert code in waits(scene)[0].reason
    assert len({id(plan) for plan in scene.terraform.applied}) == len(scene.terraform.applied), "no plan is applied twice"


def test_no_capacity_in_the_end_halts_with_the_old_image_named() -> None:
    """F24: the old instance is gone, the volume is safe, the others serve; the next run goes on with this node."""
    scene = make_scene(3)
    scene.sim.calls.faults = [refused(CAPACITY, "create:b", 99)]
    with pytest.raises(NoRoom, match=f"{CAPACITY}: the cloud has no capacity for t3.small in eu-west-1b, asked 3 times") as caught:
        scene.upgrade()
    assert caught.value.exit_code is ExitCode.PERSON_NEEDED
    assert f"`immtf upgrade --image={OLD} --only=server/b`" in caught.value.next
    assert scene.sim.live("b") == []
    assert [scene.sim.healthy(key) for key in "ac"] == [True, True]

    with pytest.raises(NoRoom) as again:
        scene.upgrade()
    assert f"--image={OLD} --only=server/b" in again.value.next, "also the run that finds the node away knows its old image"
    scene.sim.calls.faults.clear()
    assert scene.converge() == []
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}


def test_the_old_image_brings_the_node_back() -> None:
    """F24: the command that is offered is one that works."""
    scene = make_scene(3)
    scene.sim.calls.faults = [refused(CAPACITY, "create:b", 3)]
    with pytest.raises(NoRoom):
        scene.upgrade()
    scene.sim.wanted = OLD
    scene.upgrade_only(scene.executor(), B)
    assert [item.image for item in scene.sim.live("b")] == [OLD]
    assert scene.sim.healthy("b")


def test_an_address_in_use_in_the_end_names_its_holder() -> None:
    """F25: somebody's instance took the node's address while it was away."""
    scene = make_scene(3)
    squatter = SimInstance("i-somebody", "z", OLD, scene.sim.zone("b"), scene.sim.address("b"))

    def squat(event: object) -> None:
        if isinstance(event, StepStarted) and (event.node, event.step) == ("server/b", "ApplyNode"):
            scene.sim.instances[squatter.instance_id] = squatter

    scene.listener = squat
    with pytest.raises(NoRoom, match=r"is still in use, asked 3 times over [0-9]+ s: held by i-somebody"):
        scene.upgrade()


def test_who_holds_the_address_need_not_be_known() -> None:
    """F25: a right that is missing doesn't hide what went wrong."""
    scene = make_scene(3)
    denied = Fault(CloudFailed("not allowed", code="UnauthorizedOperation"), "cloud.holder")
    scene.sim.calls.faults = [refused(ADDRESS, "create:b", 99), denied]
    with pytest.raises(NoRoom, match="who holds it can't be seen"):
        scene.upgrade()
    assert denied.seen == 1


def test_the_old_image_is_not_guessed_where_the_others_differ() -> None:
    """F24: a node that was away before the run began tells no image, and the others are of two kinds."""
    scene = make_scene(3)
    FLAWS["terminated"](scene, "b")
    scene.sim.instances[scene.sim.live("a")[0].instance_id].image = "ami-other"
    scene.sim.images["ami-other"] = scene.sim.images[OLD]
    scene.sim.state.pop(scene.terraform.planner.address("aws_instance", "b"))
    scene.sim.calls.faults = [refused(CAPACITY, "create:b", 99)]
    with pytest.raises(NoRoom) as caught:
        scene.upgrade()
    assert "--only" not in caught.value.next


@pytest.mark.parametrize(
    "error",
    [
        TerraformFailed("Error launching source instance: InternalError: status code: 500", code="InternalError"),
        TerraformFailed("timeout while waiting for state to become 'running' (last state: 'pending', timeout: 10m0s)"),
    ],
    ids=["a broken API", "a guest that never boots"],
)
def test_what_may_have_made_an_instance_is_not_tried_again(error: TerraformFailed) -> None:
    """F7, F36: the run stops at its first node; the next run looks for what was made, and makes no second one."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(error, "part.create:b", when="after")]
    with pytest.raises(TerraformFailed, match=r"InternalError|pending"):
        scene.upgrade()
    assert waits(scene) == []
    assert len(scene.sim.live("b")) == 1
    assert scene.rolled() == {"a": 0, "b": 1, "c": 0}
    scene.sim.calls.faults.clear()
    assert scene.converge() == []
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}


def test_throttling_in_the_end_is_told_as_throttling() -> None:
    """F42."""
    scene = make_scene(3)
    scene.sim.calls.faults = [refused(THROTTLED, "create:b", 99)]
    with pytest.raises(TerraformFailed, match=THROTTLED) as caught:
        scene.upgrade()
    assert not isinstance(caught.value, NoRoom)
    scene.sim.calls.faults.clear()
    assert scene.converge() == []
    assert scene.faults() == []


def test_a_volume_still_on_its_way_off_is_waited_for() -> None:
    """F14: it was seen free twice, and now it is `detaching` from an instance that isn't the node's any more."""
    scene = make_scene(3)
    volume = scene.sim.volumes[scene.first["b"][0]]
    FLAWS["detached"](scene, "b")
    (old,) = scene.sim.live("b")
    scene.sim.terminate(old)
    scene.sim.clock.sleep(30)
    volume.owner, volume.tie = "i-gone", "detaching"

    def free() -> None:
        volume.owner = volume.tie = ""

    world = scene.world()
    world.survey()
    scene.sim.clock.after(25, free)
    evidence, acted = apply_node(world, B, scene.patience())
    assert acted, evidence
    assert waits(scene)[0].reason.startswith("volume in use (VolumeInUse)")


def test_two_wishes_to_end_cut_the_pause_short() -> None:
    """S2: a pause with a node away is no safe point for the first wish, and the second ends it."""
    scene = make_scene(3)
    scene.sim.calls.faults = [refused(CAPACITY, "create:b", 99)]
    scene.listener = lambda event: setattr(scene.cancel, "urgent", isinstance(event, StepWaited) and event.step == "ApplyNode")
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert len(waits(scene)) == 1


def test_an_old_instance_that_does_not_end_halts_before_the_next_node() -> None:
    """F15: Terraform gives up on it; the volume is free already, and no other node is touched."""
    scene = make_scene(3)
    timeout = TerraformFailed("timeout while waiting for state to become 'terminated' (last state: 'shutting-down', timeout: 20m0s)")
    scene.sim.calls.faults = [Fault(timeout, "part.terminate:b", when="before")]
    with pytest.raises(TerraformFailed, match="shutting-down"):
        scene.upgrade()
    assert scene.rolled() == {"a": 0, "b": 0, "c": 0}
    assert [scene.sim.healthy(key) for key in "ac"] == [True, True]
    assert scene.converge() == []
    assert scene.faults() == []


def test_an_old_instance_that_takes_an_hour_holds_the_next_run_as_well() -> None:
    """F15."""
    scene = make_scene(3)
    scene.sim.times.terminate = 3600
    FLAWS["shutting down"](scene, "b")
    with pytest.raises(PersonNeeded, match="shutting-down"):
        scene.upgrade()
    assert scene.rolled() == {"a": 0, "b": 0, "c": 0}


def test_the_fake_refuses_an_address_in_use_as_the_cloud_does() -> None:
    scene = make_scene(3)
    with pytest.raises((TerraformFailed, Violation)):
        scene.terraform._launch("b")
