"""Repairs that find the world another than it was when the finding was made: nothing is done that was not judged anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import GateFailed, PersonNeeded
from immtf.model.block import MountedGate
from immtf.model.cloud import ImageChoice
from immtf.model.events import Noted
from immtf.model.names import NodeId
from immtf.plan.diagnose import Finding, Kind
from immtf.run.repair import look, mend
from tests.fakes.simulation import OLD
from tests.fakes.world import VERSIONS, Scene, make_scene

B = NodeId("server", "b")
STOPPED = Finding(Kind.STOPPED, "server/b", "i-b is stopped", "start i-b", repairable=True, node=B)
PEER = Finding(Kind.STALE_PEER, "server/10.9.9.9", "10.9.9.9 is no node's", "remove it", repairable=True)


def mended(scene: Scene, finding: Finding) -> None:
    """Be a process that looks and mends."""
    scene.sim.wanted = OLD
    executor = scene.executor()
    executor.world.survey()
    mend(executor, finding, ImageChoice(OLD, "1.0.0"), VERSIONS)


def test_what_somebody_mended_meanwhile_is_left() -> None:
    scene = make_scene(3)
    mended(scene, STOPPED)
    assert any(event.message == "stopped-node:server/b is mended already" for event in scene.events if isinstance(event, Noted))
    assert scene.sim.calls.count("cloud.start") == 0


@pytest.mark.parametrize("finding", [replace(STOPPED, repairable=False), replace(STOPPED, node=None)])
def test_what_is_no_machine_s_is_refused(finding: Finding) -> None:
    with pytest.raises(PersonNeeded, match="stopped-node:server/b"):
        mended(make_scene(3), finding)


def test_a_peer_that_is_gone_meanwhile_is_left() -> None:
    """F29."""
    scene = make_scene(3)
    with pytest.raises(GateFailed, match=r"10\.9\.9\.9 is no peer any more"):
        mended(scene, PEER)
    assert scene.sim.calls.count("service.remove_peer") == 0


def test_a_peer_that_came_alive_meanwhile_is_left() -> None:
    """F29: a server that Terraform doesn't know and that votes is somebody's."""
    scene = make_scene(3)
    scene.sim.raft.up("10.9.9.9", "ghost")
    scene.sim.clock.sleep(60)
    with pytest.raises(GateFailed, match="a server that Terraform does not know"):
        mended(scene, PEER)
    assert scene.sim.calls.count("service.remove_peer") == 0


def test_without_a_service_no_peer_is_removed() -> None:
    scene = make_scene(3)
    cluster = replace(scene.block.clusters["server"], gates=(MountedGate(),))
    scene.block = replace(scene.block, clusters={"server": cluster})
    with pytest.raises(PersonNeeded, match="no service that could be asked"):
        mended(scene, PEER)


def test_without_tags_that_tell_the_environment_nothing_is_looked_for() -> None:
    """Another environment's instances and snapshots are none of ours."""
    scene = make_scene(3)
    world = scene.world()
    world.tags = {}
    world.survey()
    seen = look(world)
    assert (seen.loose, seen.snapshots) == ((), ())
    assert scene.sim.calls.count("cloud.tagged") == scene.sim.calls.count("cloud.snapshots") == 0
