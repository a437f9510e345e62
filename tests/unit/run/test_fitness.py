"""Images that can't be run: seen for every node before the first is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import CloudFailed, PlanRefused
from immtf.model.events import CheckOverridden, Noted
from immtf.model.layout import Layout
from immtf.plan.checks import Overrides
from immtf.plan.image import Image
from immtf.plan.rollback import FORMAT_TAG
from immtf.run.lifecycle import create
from immtf.run.upgrade import tell_layout
from tests.fakes.calls import Fault
from tests.fakes.simulation import NEW, OLD
from tests.fakes.tfplan import Wishes
from tests.fakes.world import make_empty, make_scene

CHANGING = {"cloud.stop", "cloud.detach", "terraform.apply", "guest.mark"}
UNFIT = {
    "image-missing": None,
    "image-architecture": Image(NEW, "consul", "1.1.0", "", architecture="arm64"),
    "image-root": Image(NEW, "consul", "1.1.0", "", root="instance-store"),
}


@pytest.mark.parametrize("check", UNFIT)
def test_an_image_that_can_not_be_run_is_refused_before_any_node_is_touched(check: str) -> None:
    """F26."""
    scene = make_scene(3)
    scene.sim.shown[NEW] = UNFIT[check]
    with pytest.raises(PlanRefused, match=rf'\[{check}\] .*server\["a"\].*server\["b"\].*server\["c"\]'):
        scene.upgrade()
    assert not CHANGING & set(scene.sim.calls.log)


def test_an_image_that_is_not_ready_is_refused() -> None:
    """F26."""
    scene = make_scene(3)
    scene.sim.shown[NEW] = Image(NEW, "consul", "1.1.0", "", state="pending")
    with pytest.raises(PlanRefused, match="which is pending"):
        scene.plan()


def test_an_image_that_can_not_be_asked_for_is_not_taken_for_good() -> None:
    """F26, F42: what could not be read is neither there nor missing."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("Rate exceeded", code="RequestLimitExceeded"), "cloud.image")]
    with pytest.raises(CloudFailed):
        scene.upgrade()
    assert not CHANGING & set(scene.sim.calls.log)


def test_another_architecture_may_be_meant() -> None:
    """F26: the instance type may change with the image."""
    scene = make_scene(3)
    scene.sim.shown[NEW] = UNFIT["image-architecture"]
    scene.overrides = Overrides({"image-architecture": "the instances become arm64 ones"})
    scene.upgrade()
    assert scene.faults() == []
    assert [event.check for event in scene.events if isinstance(event, CheckOverridden)] == ["image-architecture"]


def test_an_upgrade_to_an_older_image_gets_no_data_that_it_can_not_read() -> None:
    """F36: what a rollback refuses is not done by another name; a person who knows better says so."""
    scene = make_scene(3)
    scene.sim.shown[OLD] = Image(OLD, "consul", "1.2.0", "", tags={FORMAT_TAG: "2"})
    scene.sim.shown[NEW] = Image(NEW, "consul", "1.1.0", "", tags={FORMAT_TAG: "1"})
    with pytest.raises(PlanRefused, match=r"\[data-format\] server/a .*\[data-format\] server/c"):
        scene.upgrade()
    assert not CHANGING & set(scene.sim.calls.log)
    scene.overrides = Overrides({"data-format": "the tag is wrong"})
    scene.upgrade()
    assert scene.faults() == []


def test_each_image_is_asked_for_once() -> None:
    scene = make_scene(3)
    scene.upgrade()
    assert scene.sim.calls.count("cloud.image") == 1


def test_create_looks_at_its_image_first() -> None:
    """F26."""
    scene = make_empty(3)
    scene.sim.shown[NEW] = None
    executor = scene.executor()
    with pytest.raises(PlanRefused, match="image-missing"):
        create(executor.world, executor.patience, executor.ledger)
    assert "terraform.apply" not in scene.sim.calls.log


def test_counted_nodes_are_warned_of_when_a_plan_is_made() -> None:
    """F38: the lint, whatever else the plan says."""
    scene = make_scene(3, wishes=Wishes("keyed"))
    world = scene.world()
    world.survey()
    counted = {node: replace(place, targets=("aws_instance.server[0]",)) for node, place in world.layout.nodes.items()}
    tell_layout(Layout(counted), scene.patience())
    tell_layout(world.layout, scene.patience())
    (event,) = scene.events
    assert isinstance(event, Noted)
    assert (event.level, "are counted" in event.message) == ("warning", True)
