"""`status` on the simulated world: a node is told as it is, and what could not be found out is told as unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.errors import CloudFailed, GuestFailed
from immtf.model.layout import Layout
from immtf.run import lifecycle
from tests.fakes.calls import Fault
from tests.fakes.simulation import INSTANCE
from tests.fakes.terraform import FakeTerraform
from tests.fakes.world import FLAWS, VERSIONS, Scene, make_scene

if TYPE_CHECKING:
    from immtf.model.terraform import StateData


def status(scene: Scene) -> tuple[dict[str, Any], tuple[str, ...]]:
    world = scene.world()
    world.survey()
    rows, unfinished = lifecycle.take_status(world, VERSIONS)
    return {row.node: row for row in rows}, unfinished


def test_the_status_of_a_whole_cluster() -> None:
    rows, unfinished = status(make_scene(3))
    assert [(row.state, row.image, row.mounted, row.health) for row in rows.values()] == [
        ("running", "1.0.0", "yes", "healthy"),
    ] * 3
    assert [row.role for row in rows.values()] == ["leader", "voter", "voter"]
    assert rows["server/a"].volumes[0].endswith("in-use")
    assert unfinished == ()


def test_a_node_without_volumes_has_nothing_mounted() -> None:
    """A stateless part of a block: neither good nor bad is told of what isn't there."""
    world = make_scene(3).world()
    world.survey()
    world.layout = Layout({node: replace(place, volumes=()) for node, place in world.layout.nodes.items()})
    rows, _ = lifecycle.take_status(world, VERSIONS)
    assert {(row.mounted, row.volumes) for row in rows} == {("-", ())}


@pytest.mark.parametrize(
    ("flaw", "state", "mounted", "health"),
    [
        ("stopped", "stopped", "no: the instance is stopped", "unhealthy: connection refused"),
        ("detached", "stopped", "no: the instance is stopped", "unhealthy: connection refused"),
        ("sick", "running", "yes", "unhealthy: connection refused"),
        ("running without its volume", "running", "no: ", "unhealthy: connection refused"),
    ],
)
def test_the_status_of_a_broken_node(flaw: str, state: str, mounted: str, health: str) -> None:
    scene = make_scene(3)
    FLAWS[flaw](scene, "b")
    scene.sim.clock.sleep(30)
    rows, unfinished = status(scene)
    row = rows["server/b"]
    assert (row.state, row.health) == (state, health)
    assert row.mounted.startswith(mounted)
    assert bool(unfinished) == (flaw != "sick")
    assert all("server/b is away" in left and "immtf upgrade" in left for left in unfinished)


def test_the_status_of_a_node_whose_instance_and_volume_are_gone() -> None:
    scene = make_scene(3)
    (item,) = scene.sim.live("b")
    FLAWS["terminated"](scene, "b")
    del scene.sim.instances[item.instance_id]
    volume = next(key for key, item in scene.sim.volumes.items() if item.node == "b")
    del scene.sim.volumes[volume]
    rows, unfinished = status(scene)
    row = rows["server/b"]
    assert (row.instance, row.state, row.image, row.zone) == ("none", "none", "?", "?")
    assert row.volumes == (f"data {volume} not found",)
    assert row.mounted == "no: the node has no instance"
    assert unfinished == ("server/b is away (without an instance): `immtf upgrade` goes on with it first",)


def test_the_status_tells_what_an_interrupted_terraform_left() -> None:
    scene = make_scene(3)
    address = scene.terraform.planner.address(INSTANCE, "b")
    scene.sim.state[address] = replace(scene.sim.state[address], tainted=True)
    _, unfinished = status(scene)
    assert unfinished == (f"{address} is tainted: its creation was interrupted",)


class Leftover(FakeTerraform):
    """Terraform that was interrupted in a replacement: the old instance of b is still in the state, deposed."""

    def state(self) -> StateData:
        found = super().state()
        address = self.planner.address(INSTANCE, "b")
        left = next(replace(item, deposed="00000001") for item in found.resources if item.address == address)
        return replace(found, resources=(*found.resources, left))


def test_the_status_tells_what_an_interrupted_replacement_left() -> None:
    scene = make_scene(3)
    scene.terraform = Leftover(scene.sim)
    _, unfinished = status(scene)
    assert unfinished == ("server/b has a deposed object in the state",)


def test_a_service_that_can_not_be_asked_is_unknown_and_not_healthy() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(CloudFailed("planted"), "service.view", times=9)]
    rows, _ = status(scene)
    assert {(row.role, row.health) for row in rows.values()} == {("?", "?")}


def test_a_cluster_without_a_leader_is_unknown() -> None:
    scene = make_scene(3)
    for key in "ab":
        scene.sim.kill_server(key)
    scene.sim.clock.sleep(30)
    rows, _ = status(scene)
    assert {row.role for row in rows.values()} == {"?"}
    assert rows["server/c"].health == "unknown: no server names a leader"


def test_a_server_that_is_no_peer_and_one_that_does_not_vote_are_told() -> None:
    scene = make_scene(3)
    del scene.sim.raft.seats[scene.sim.address("b")]
    scene.sim.raft.seats[scene.sim.address("c")].voter = False
    rows, _ = status(scene)
    assert [row.role for row in rows.values()] == ["leader", "not a peer", "non-voter"]
    assert rows["server/b"].health == "unhealthy: connection refused"


def test_an_instance_that_does_not_answer_is_not_mounted() -> None:
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(GuestFailed("no agent"), "guest.facts", nth=2)]
    rows, _ = status(scene)
    assert [row.mounted[:3] for row in rows.values()] == ["yes", "no:", "yes"]
