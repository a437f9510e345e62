"""What an interrupted apply left is taken up once, and marks are written only where something is mounted."""

from __future__ import annotations

import pytest

from immtf.errors import GuestFailed, PersonNeeded
from immtf.run.custody import mark_volumes
from immtf.run.takeup import adopt_instance, untaint_instance
from tests.fakes.builders import B
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import INSTANCE, NEW, SimInstance
from tests.fakes.world import FLAWS, Scene, make_scene


def forget(scene: Scene, key: str) -> None:
    """Have the state lose a node's instance, as a kill in mid-apply does."""
    del scene.sim.state[scene.terraform.planner.address(INSTANCE, key)]


def test_an_instance_is_adopted_once() -> None:
    """F7."""
    scene = make_scene(3)
    instance = scene.sim.live("b")[0].instance_id
    forget(scene, "b")
    world = scene.world()
    world.survey(scene.terraform.plan().data)
    assert adopt_instance(world, B, scene.patience()) == (f"{instance} is in the state", True)
    assert adopt_instance(world, B, scene.patience()) == (f"{instance} is in the state", False)
    assert scene.sim.calls.count("terraform.adopt") == 1


@pytest.mark.parametrize("strays", [0, 2])
def test_only_one_instance_can_be_adopted(strays: int) -> None:
    """F7: with none or several, a person has to look."""
    scene = make_scene(3)
    FLAWS["terminated"](scene, "b")
    forget(scene, "b")
    for index in range(strays):
        scene.sim.instances[f"i-{index}"] = SimInstance(f"i-{index}", "b", NEW, scene.sim.zone("b"), scene.sim.address("b"), "running")
    world = scene.world()
    world.survey(scene.terraform.plan().data)
    with pytest.raises(PersonNeeded, match="one instance outside the state was expected, found"):
        adopt_instance(world, B, scene.patience())


def test_an_instance_is_untainted_once() -> None:
    """F6."""
    scene = make_scene(3)
    scene.sim.state[scene.terraform.planner.address(INSTANCE, "b")].tainted = True
    world = scene.world()
    world.survey()
    assert untaint_instance(world, B, scene.patience())[1] is True
    assert untaint_instance(world, B, scene.patience())[1] is False


def test_without_tags_no_instance_is_taken_for_a_stray() -> None:
    """Tags are the only evidence: without them every instance of the account might be this node's."""
    scene = make_scene(3)
    forget(scene, "b")
    world = scene.world()
    world.tags = {}
    world.survey(scene.terraform.plan().data)
    assert world.node(B, strays=True).strays == ()


class FullDisk:
    """A guest on which nothing can be written."""

    def __init__(self, scene: Scene) -> None:
        self.guest = scene.world().guest

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        if script.startswith("set -e\n"):
            return 1, "", "No space left on device\n"
        return self.guest.run(instance_id, script, timeout_s=timeout_s)


def test_a_mark_that_can_not_be_written_is_told() -> None:
    """F47: and the node is not touched."""
    scene = make_scene(3, marked=False)
    world = scene.world()
    world.guest = FullDisk(scene)
    world.survey()
    with pytest.raises(GuestFailed, match="the mark could not be written: No space left on device"):
        mark_volumes(world, B, scene.patience(), wait=False)
    assert scene.sim.taken == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["terraform.forget", "terraform.adopt"])
def test_a_remote_state_that_still_names_the_old_instance_is_set_right(call: str, when: str) -> None:
    """F7: killed with S3 for a backend, Terraform leaves the state of before; an import is refused while the address is taken."""
    scene = make_scene(3)
    scene.terraform.survives = False
    FLAWS["terminated"](scene, "b")
    scene.sim.calls.faults = [Fault(Crash(), "part.create:b", when="after")]
    with pytest.raises(Crash):
        scene.upgrade()
    assert scene.terraform.planner.address(INSTANCE, "b") in scene.sim.state
    scene.sim.calls.revive()
    scene.sim.calls.faults = [Fault(Crash(), call, when="before" if when == "before" else "after")]
    assert all(isinstance(error, Crash) for error in scene.converge())
    assert scene.faults() == []
    assert scene.rolled() == {"a": 1, "b": 1, "c": 1}
