"""Repairs that find the world another than it was when the finding was made: nothing is done that was not judged anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import GateFailed, PersonNeeded, PlanRefused
from immtf.model.block import MountedGate
from immtf.model.cloud import ImageChoice
from immtf.model.events import Noted, PlanJudged
from immtf.model.names import NodeId
from immtf.model.snapshot import Move
from immtf.plan.diagnose import Finding, Kind, diagnose
from immtf.run.repair import look, mend
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import OLD
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, VERSIONS, Scene, make_scene

B = NodeId("server", "b")
VPC, BEFORE = 'module.network["own"].aws_vpc.this', "module.network.aws_vpc.this"
MOVE = Move(VPC, BEFORE)
STOPPED = Finding(Kind.STOPPED, "server/b", "i-b is stopped", "start i-b", repairable=True, node=B)
PEER = Finding(Kind.STALE_PEER, "server/10.9.9.9", "10.9.9.9 is no node's", "remove it", repairable=True)


def mended(scene: Scene, finding: Finding, *moves: Move) -> None:
    """Be a process that looks and mends; the moves are those that it has shown."""
    scene.sim.wanted = OLD
    executor = scene.executor()
    executor.world.survey()
    mend(executor, finding, ImageChoice(OLD, "1.0.0"), VERSIONS, moves)


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


def moving() -> Scene:
    """Return a scene whose node b has lost its volume, and whose network is to move in the state."""
    scene = make_scene(3, wishes=Wishes(renamed={VPC: BEFORE}))
    FLAWS["detached"](scene, "b")
    return scene


def left(scene: Scene) -> list[Finding]:
    """Return what a process finds that looks now."""
    world = scene.world()
    world.survey()
    return list(diagnose(look(world)))


def mended_until_whole(scene: Scene) -> None:
    """Be a process that looks and mends as long as there is something, with the moves that Terraform wants."""
    while found := left(scene):
        mended(scene, found[0], *(Move(*pair) for pair in scene.terraform.wishes.renamed.items()))


def test_a_move_is_recorded_before_a_plan_with_targets() -> None:
    scene = moving()
    mended_until_whole(scene)
    (first, *_) = [event for event in scene.events if isinstance(event, PlanJudged)]
    assert (first.node, first.allowed) == ("moves", (str(MOVE),))
    assert scene.terraform.wishes.renamed == {}
    assert scene.faults() == []


def test_a_move_that_was_not_shown_is_not_recorded() -> None:
    """What came into the configuration after the question is nobody's yes."""
    scene = moving()
    with pytest.raises(PlanRefused, match="moves-only"):
        mended(scene, left(scene)[0], Move(VPC, "module.other.aws_vpc.this"), Move("aws_vpc.that", BEFORE))
    assert scene.terraform.applied == []


def test_a_repair_that_records_moves_is_killed_at_every_call_of_terraform_and_finished_by_the_next() -> None:
    """F5: between the record and the repair too; nothing is made anew, and nothing is recorded twice."""
    whole = moving()
    mended_until_whole(whole)
    calls = whole.sim.calls.count("terraform.*")
    for nth in range(1, calls + 1):
        for when in ("before", "after"):
            scene = moving()
            scene.sim.calls.faults = [Fault(Crash(), "terraform.*", nth, when)]  # type: ignore[arg-type]  # a literal, one of two
            with pytest.raises(Crash):
                mended_until_whole(scene)
            scene.sim.calls.revive()
            mended_until_whole(scene)
            scene.sim.clock.sleep(60)  # one whose volume was attached by the killed run is found to be well, and catches up
            records = [saved for saved in scene.terraform.applied if saved.data.drift]
            assert (len(records), scene.terraform.wishes.renamed, scene.faults()) == (1, {}, []), f"killed {when} call {nth}"
            assert set(scene.rolled().values()) == {0}
