"""`create` and `destroy` on the simulated world: made whole or not at all, emptied to the last volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import CloudFailed, GateFailed, Interrupted, PersonNeeded, PlanRefused, StalePlan, TerraformFailed
from immtf.model.events import Noted, StageFinished, StepWaited
from immtf.run import lifecycle
from immtf.run.ledger import Ledger
from tests.fakes.calls import Fault
from tests.fakes.simulation import INSTANCE, NEW, OLD, VOLUME
from tests.fakes.terraform import FakePlan, FakeTerraform
from tests.fakes.world import FLAWS, VERSIONS, Scene, make_empty, make_scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.terraform import Change
    from immtf.run.world import World


@dataclass
class OddTerraform(FakeTerraform):
    """Terraform whose plan of a destroy has more in it, and whose destroy leaves what it does not mention: `keeps` is a kind."""

    odd: tuple[Change, ...] = ()
    keeps: str = ""

    def plan(self, *, targets: Sequence[str] = (), destroy: bool = False, refresh: bool = True, records: bool = False) -> FakePlan:
        saved = super().plan(targets=targets, destroy=destroy, refresh=refresh, records=records)
        rows = tuple(row for row in saved.data.changes if row.type != self.keeps)
        saved = replace(saved, data=replace(saved.data, changes=(*rows, *self.odd)))
        self.made.append(saved)
        return saved


def doomed(scene: Scene | None = None) -> Scene:
    """Return a cluster that serves and may be destroyed."""
    scene = scene or make_scene(3)
    scene.sim.doomed = True
    return scene


def create(scene: Scene) -> tuple[World, Ledger]:
    world, ledger = scene.world(), Ledger(0.0)
    lifecycle.create(world, scene.patience(), ledger)
    return world, ledger


def destroy(scene: Scene) -> World:
    world = scene.world()
    lifecycle.destroy(world, scene.patience())
    return world


def notes(scene: Scene) -> list[str]:
    return [event.message for event in scene.events if isinstance(event, Noted)]


def test_create_makes_everything_and_waits_until_it_serves() -> None:
    scene = make_empty()
    world, ledger = create(scene)
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)
    assert ledger.kept == set(scene.sim.volumes)
    assert ledger.servers_s > 0
    assert all(volume.mark for volume in scene.sim.volumes.values())
    rows, unfinished = lifecycle.take_status(world, VERSIONS)
    assert {row.mounted for row in rows} == {"yes"}
    assert unfinished == ()


def test_create_of_what_is_there_changes_nothing() -> None:
    scene = make_empty()
    create(scene)
    before = dict(scene.sim.instances)
    scene.sim.calls.log.clear()
    create(scene)
    assert scene.sim.instances == before
    assert "everything is there already" in notes(scene)
    assert scene.sim.calls.count("terraform.apply") == 0


def test_create_does_not_change_a_node_that_is_there() -> None:
    scene = make_scene(3)
    with pytest.raises(PlanRefused, match="node-exists") as caught:
        create(scene)
    assert "immtf upgrade" in caught.value.next
    assert scene.sim.calls.count("terraform.apply") == 0


def test_create_adds_the_node_that_is_missing() -> None:
    scene = make_scene(3)
    scene.sim.wanted = OLD
    FLAWS["terminated"](scene, "b")
    create(scene)
    assert scene.faults() == []


def test_create_with_an_image_that_never_joins_fails_at_its_gate() -> None:
    scene = make_empty()
    scene.sim.images[NEW] = "never-joins"
    with pytest.raises(GateFailed) as caught:
        create(scene)
    assert caught.value.where == "cluster server"


def test_create_with_an_image_that_keeps_data_on_the_root_disk_fails() -> None:
    """The 2016 script never looked whether the volume was mounted."""
    scene = make_empty()
    scene.sim.images[NEW] = "root-disk"
    with pytest.raises(GateFailed, match="nothing is mounted"):
        create(scene)


def test_a_create_that_failed_half_way_is_finished_by_the_next() -> None:
    scene = make_empty()
    scene.sim.calls.faults = [Fault(TerraformFailed("planted"), "part.create:b")]
    with pytest.raises(TerraformFailed):
        create(scene)
    create(scene)
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)
    assert scene.rolled() == dict.fromkeys("abc", 0)


def test_a_plan_that_went_stale_is_made_and_judged_again() -> None:
    scene = make_empty()
    scene.sim.calls.faults = [Fault(StalePlan("planted"), "terraform.apply")]
    create(scene)
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)


def test_destroy_leaves_nothing() -> None:
    scene = doomed()
    world = destroy(scene)
    assert (scene.sim.state, scene.sim.volumes) == ({}, {})
    assert {item.state for item in scene.sim.instances.values()} == {"terminated"}
    assert [event.stage for event in scene.events if isinstance(event, StageFinished)] == ["stop", "destroy"]
    world.survey()
    assert world.layout.nodes == {}, "after an upgrade, its plan must not tell of nodes still to be made"


def test_destroy_stops_every_node_before_its_volume_is_taken() -> None:
    scene = doomed()
    destroy(scene)
    log = scene.sim.calls.log
    assert log.count("cloud.stop") == 3
    assert max(index for index, name in enumerate(log) if name == "cloud.stop") < log.index("terraform.apply")
    assert any(isinstance(event, StepWaited) and event.step == "StopAll" for event in scene.events)


@pytest.mark.parametrize("flaw", FLAWS)
def test_destroy_of_a_broken_cluster(flaw: str) -> None:
    scene = doomed()
    FLAWS[flaw](scene, "b")
    destroy(scene)
    assert (scene.sim.state, scene.sim.volumes) == ({}, {})


def test_destroy_of_nothing_is_nothing() -> None:
    scene = doomed(make_empty())
    destroy(scene)
    assert scene.sim.calls.count("terraform.apply") == 0
    assert not lifecycle.plan_destroy(scene.world()).changed


def test_an_instance_between_two_states_is_looked_at_again() -> None:
    scene = doomed()
    scene.sim.calls.faults = [Fault(CloudFailed("busy", code="IncorrectInstanceState"), "cloud.stop", when="after")]
    destroy(scene)
    assert scene.sim.volumes == {}


def test_a_stop_that_is_refused_ends_the_destroy() -> None:
    scene = doomed()
    scene.sim.calls.faults = [Fault(CloudFailed("no", code="UnauthorizedOperation"), "cloud.stop")]
    with pytest.raises(CloudFailed):
        destroy(scene)
    assert len(scene.sim.volumes) == 3


def test_an_instance_that_never_stops_is_for_a_person() -> None:
    scene = doomed()
    scene.sim.times.stop = 10_000
    with pytest.raises(PersonNeeded, match="is stopping") as caught:
        destroy(scene)
    assert "destroy again" in caught.value.next
    assert len(scene.sim.volumes) == 3


def test_a_destroy_is_cut_short_by_the_first_request() -> None:
    """Whoever sees the wrong thing being stopped has one key to press."""
    scene = doomed()
    scene.cancel.asked = True
    with pytest.raises(Interrupted):
        destroy(scene)
    assert len(scene.sim.volumes) == 3


def test_a_destroy_that_would_change_something_else_is_refused() -> None:
    scene = doomed()
    row = next(row for row in scene.terraform.planner.rows(()) if row.type == INSTANCE)
    scene.terraform = OddTerraform(scene.sim, odd=(replace(row, address="aws_instance.other", actions=("create",)),))
    for act in (destroy, lambda scene: lifecycle.plan_destroy(scene.world())):
        with pytest.raises(PlanRefused, match="not-a-delete"):
            act(scene)
    assert len(scene.sim.volumes) == 3


def test_what_is_left_after_a_destroy_is_named() -> None:
    scene = doomed()
    scene.terraform = OddTerraform(scene.sim, keeps=VOLUME)
    with pytest.raises(PersonNeeded, match=r'left after the destroy: module.server\["a"\].aws_ebs_volume.data'):
        destroy(scene)


def test_the_plan_of_a_destroy_touches_nothing() -> None:
    scene = doomed()
    saved = lifecycle.plan_destroy(scene.world())
    assert {row.actions for row in saved.data.changes} == {("delete",)}
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)
