"""The simulated world is at least as strict as the real one: what EC2 and Terraform refuse, it refuses."""

from __future__ import annotations

import pytest

from immtf.errors import CloudFailed, GuestFailed, StalePlan, TerraformFailed
from tests.fakes.calls import Calls, Crash, Fault
from tests.fakes.clock import VirtualClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.guest import FakeGuest
from tests.fakes.simulation import INSTANCE, VOLUME, Violation
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, make_scene


@pytest.fixture
def scene() -> Scene:
    return make_scene(3)


def ids(scene: Scene, key: str) -> tuple[str, str]:
    """Return a node's volume and instance."""
    return scene.first[key][0], scene.sim.live(key)[0].instance_id


def test_a_stop_takes_time_and_is_refused_in_between(scene: Scene) -> None:
    cloud, (_, instance) = FakeCloud(scene.sim), ids(scene, "b")
    cloud.stop(instance)
    assert cloud.instances([instance])[instance].state == "stopping"
    with pytest.raises(CloudFailed) as caught:
        cloud.start(instance)
    assert caught.value.code == "IncorrectInstanceState"
    scene.sim.clock.sleep(5)
    assert cloud.instances([instance])[instance].state == "stopped"
    cloud.start(instance)
    with pytest.raises(CloudFailed) as caught:
        cloud.stop(instance)
    assert caught.value.code == "IncorrectInstanceState"


def test_a_volume_in_use_in_a_running_instance_stays_busy(scene: Scene) -> None:
    cloud, (volume, instance) = FakeCloud(scene.sim), ids(scene, "b")
    cloud.detach(volume, instance)
    scene.sim.clock.sleep(3_600)
    assert cloud.volumes([volume])[volume].attachments[0].state == "busy"


@pytest.mark.parametrize(("key", "code"), [("c", "InvalidAttachment.NotFound"), ("b", "")])
def test_a_detach_names_the_right_instance(scene: Scene, key: str, code: str) -> None:
    cloud, (volume, _) = FakeCloud(scene.sim), ids(scene, "b")
    FLAWS["stopped"](scene, "b")
    if code:
        with pytest.raises(CloudFailed) as caught:
            cloud.detach(volume, ids(scene, key)[1])
        assert caught.value.code == code
    else:
        cloud.detach(volume, ids(scene, key)[1])
        with pytest.raises(CloudFailed, match="is detaching"):
            cloud.detach(volume, ids(scene, key)[1])


def test_what_does_not_exist_is_absent_from_an_answer_and_refused_by_a_call(scene: Scene) -> None:
    cloud = FakeCloud(scene.sim)
    assert cloud.instances(["i-none"]) == {}
    assert cloud.volumes(["vol-none"]) == {}
    for call in (cloud.stop, cloud.start):
        with pytest.raises(CloudFailed, match="does not exist"):
            call("i-none")
    with pytest.raises(CloudFailed, match="does not exist"):
        cloud.detach("vol-none", ids(scene, "a")[1])


def test_a_volume_is_never_attached_twice(scene: Scene) -> None:
    (item,) = scene.sim.live("c")
    with pytest.raises(Violation, match="would hang on"):
        scene.sim.attach(scene.sim.volumes[scene.first["b"][0]], item)


def test_a_second_instance_of_a_node_is_a_violation(scene: Scene) -> None:
    with pytest.raises(Violation, match="two live instances of b"):
        scene.sim.launch("b", "ami-new")


def test_no_volume_is_deleted(scene: Scene) -> None:
    with pytest.raises(Violation, match="the volume of a would be deleted"):
        scene.sim.delete(scene.first["a"][0])


def test_a_plan_is_good_for_one_state_and_once(scene: Scene) -> None:
    FLAWS["detached"](scene, "a")
    first, second = (scene.terraform.plan(targets=['module.server["a"]']) for _ in range(2))
    scene.terraform.apply(first)
    for stale in (first, second):
        with pytest.raises(StalePlan):
            scene.terraform.apply(stale)


def test_an_apply_under_a_running_guest_ends_busy(scene: Scene) -> None:
    with pytest.raises(TerraformFailed, match="unexpected state 'busy'"):
        scene.terraform.apply(scene.terraform.plan(targets=['module.server["b"]']))
    assert [item.state for item in scene.sim.live("b")] == ["running"]


def test_an_apply_refuses_a_volume_that_is_elsewhere(scene: Scene) -> None:
    FLAWS["detached"](scene, "a")
    volume = scene.sim.volumes[scene.first["a"][0]]
    saved = scene.terraform.plan(targets=['module.server["a"]'])
    scene.sim.attach(volume, scene.sim.live("c")[0])
    with pytest.raises(TerraformFailed, match="VolumeInUse"):
        scene.terraform.apply(saved)


def test_an_apply_refuses_a_volume_of_another_zone(scene: Scene) -> None:
    """What the cloud would say if the judge had not."""
    FLAWS["detached"](scene, "a")
    scene.sim.volumes[scene.first["a"][0]].zone = "eu-west-1z"
    with pytest.raises(TerraformFailed, match="ZoneMismatch"):
        scene.terraform.apply(scene.terraform.plan(targets=['module.server["a"]']))


def test_an_address_in_use_is_refused(scene: Scene) -> None:
    FLAWS["detached"](scene, "a")
    saved = scene.terraform.plan(targets=['module.server["a"]'])
    scene.sim.live("c")[0].address = scene.sim.address("a")
    with pytest.raises(TerraformFailed, match="InUse"):
        scene.terraform.apply(saved)


def test_keyed_resources_come_along_as_measured() -> None:
    """An attachment alone brings every node's instance; with all three targets it brings none."""
    scene = make_scene(3, wishes=Wishes("keyed"))
    planner = scene.terraform.planner
    alone = {row.address for row in planner.rows(['aws_volume_attachment.data["a"]'])}
    assert planner.address(INSTANCE, "c") in alone
    assert planner.address(VOLUME, "b") in alone
    three = ['aws_volume_attachment.data["a"]', 'aws_instance.server["a"]', 'aws_ebs_volume.data["a"]']
    assert {row.address for row in planner.rows(three)} == set(three)


def test_a_guest_runs_only_what_it_can_read(scene: Scene) -> None:
    guest, (_, instance) = FakeGuest(scene.sim), ids(scene, "b")
    with pytest.raises(AssertionError, match="can't read"):
        guest.run(instance, "rm -rf /", timeout_s=1)
    FLAWS["stopped"](scene, "b")
    with pytest.raises(GuestFailed):
        guest.run(instance, "echo facts-end\n", timeout_s=1)


def test_after_a_crash_every_call_crashes_until_the_next_process() -> None:
    calls = Calls(faults=[Fault(Crash(), "x", nth=2, when="after")])
    effects: list[int] = []
    calls.do("x", lambda: effects.append(1))
    with pytest.raises(Crash):
        calls.do("x", lambda: effects.append(2))
    with pytest.raises(Crash):
        calls.do("y", lambda: effects.append(3))
    assert effects == [1, 2]
    calls.revive()
    calls.do("y", lambda: effects.append(4))
    assert effects == [1, 2, 4]
    assert calls.count("x") == 2


def test_a_run_that_waits_for_ever_is_an_error() -> None:
    with pytest.raises(AssertionError, match="for ever"):
        VirtualClock().sleep(1e9)


def test_without_a_majority_there_is_no_leader(scene: Scene) -> None:
    for key in "ab":
        scene.sim.kill_server(key)
    scene.sim.clock.sleep(60)
    assert scene.sim.raft.leader == ""
    scene.sim.revive_server("a")
    scene.sim.clock.sleep(60)
    assert scene.sim.raft.leader
    assert scene.sim.healthy("c")
    assert not scene.sim.healthy("b")
