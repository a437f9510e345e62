"""Several nodes at the same time: as many as quorum and the block's file allow, in one apply, and mended together after a kill."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, Interrupted, OthersFailed, PersonNeeded, TerraformFailed, TerraformStuck
from immtf.model.events import GateAsked, NodeFinished, NodeStarted, Noted, PlanJudged, StageStarted, StepFinished
from immtf.model.names import NodeId
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import NEW, OLD
from tests.fakes.watch import Watch
from tests.fakes.world import FLAWS, Scene, make_scene, may_be_away

if TYPE_CHECKING:
    from immtf.model.block import Spread
    from immtf.model.events import Event


def applies(scene: Scene) -> list[str]:
    """Return the nodes of each apply."""
    return [event.node for event in scene.events if isinstance(event, PlanJudged) and event.step == "ApplyNode"]


def rolled(count: int, wished: int, spread: Spread = "any", leader: int = 0) -> Scene:
    """Return a scene after a whole roll under watch."""
    scene = may_be_away(make_scene(count, leader=leader), wished, spread)
    Watch(scene)
    assert scene.converge() == []
    assert scene.faults() == []
    assert set(scene.rolled().values()) == {1}
    return scene


def test_five_servers_go_two_by_two_and_the_leader_alone_and_last() -> None:
    scene = rolled(5, 2, leader=2)
    assert applies(scene) == ["server/a, server/d", "server/b, server/e", "server/c"]
    assert [event.what for event in scene.events if isinstance(event, StageStarted) and event.stage == "nodes"] == [
        "5 nodes, at most 2 at a time"
    ]


@pytest.mark.parametrize(("count", "wished", "most"), [(3, 2, 1), (5, 9, 2), (7, 2, 2), (7, 3, 3), (7, 99, 3)])
def test_quorum_bounds_the_wish(count: int, wished: int, most: int) -> None:
    scene = rolled(count, wished)
    assert max(len(nodes.split(", ")) for nodes in applies(scene)) == most


def test_with_spread_zone_only_nodes_of_one_zone_go_together() -> None:
    scene = rolled(7, 3, "zone", leader=6)
    zones = [{scene.sim.zone(node.removeprefix("server/")) for node in nodes.split(", ")} for nodes in applies(scene)]
    assert all(len(found) == 1 for found in zones)
    assert any(len(nodes.split(", ")) > 1 for nodes in applies(scene))


def test_stops_lie_side_by_side_and_there_are_fewer_applies() -> None:
    alone, together = rolled(5, 1), rolled(5, 2)
    assert together.sim.calls.count("terraform.apply") == alone.sim.calls.count("terraform.apply") - 2
    assert together.sim.clock.now < alone.sim.clock.now


def test_each_node_is_told_of_by_itself() -> None:
    scene = rolled(5, 2)
    assert [event.index for event in scene.events if isinstance(event, NodeStarted)] == [1, 2, 3, 4, 5]
    assert all(event.away_s > 0 for event in scene.events if isinstance(event, NodeFinished))
    done = {(event.node, event.step) for event in scene.events if isinstance(event, StepFinished)}
    assert {(f"server/{key}", step) for key in "abcde" for step in ("StopNode", "ApplyNode", "SettleNode")} <= done


@pytest.mark.parametrize("flaw", ["stopped", "detached", "terminated"])
def test_two_that_are_away_are_mended_together(flaw: str) -> None:
    """F16: one by one neither could be, as the other is not whole."""
    scene = may_be_away(make_scene(5), 2)
    for key in ("b", "d"):
        FLAWS[flaw](scene, key)
    assert scene.converge() == []
    assert scene.faults() == []
    begun = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert set(begun[:2]) == {"server/b", "server/d"}


def test_more_away_than_may_be_is_for_a_person() -> None:
    scene = may_be_away(make_scene(5), 2)
    for key in ("b", "c", "d"):
        FLAWS["stopped"](scene, key)
    with pytest.raises(PersonNeeded, match="3 of 5 nodes are away"):
        scene.plan()


def test_a_sick_node_is_mended_first_and_without_any_that_serves() -> None:
    scene = may_be_away(make_scene(5), 2)
    FLAWS["sick"](scene, "e")
    assert scene.converge() == []
    assert applies(scene)[0] == "server/e"


def test_two_that_an_image_left_sick_go_back_together() -> None:
    """One by one neither could: the other isn't whole."""
    scene = may_be_away(make_scene(5), 2)
    scene.sim.images[NEW] = "never-joins"
    with pytest.raises(GateFailed, match=r"takes server/\w, server/\w together"):
        scene.upgrade()
    scene.sim.wanted = OLD
    assert scene.converge() == []
    assert scene.faults() == []
    assert len(applies(scene)[1].split(", ")) == 2


def test_with_a_node_that_goes_back_by_itself_each_goes_alone() -> None:
    scene = may_be_away(make_scene(5), 2)
    scene.block = replace(scene.block, on_failure="rollback-node")
    scene.converge()
    assert all(", " not in nodes for nodes in applies(scene))


def test_where_one_plan_is_refused_they_come_one_by_one() -> None:
    scene = may_be_away(make_scene(5), 2)
    Watch(scene)
    scene.sim.calls.faults = [Fault(TerraformFailed("no capacity", code="InsufficientInstanceCapacity"), "part.create:d")]
    assert scene.converge() == []
    assert scene.faults() == []
    assert any(isinstance(event, Noted) and "come one by one" in event.message for event in scene.events)


def test_a_first_wish_to_end_lets_both_be_finished() -> None:
    scene = may_be_away(make_scene(5), 2)
    watch = Watch(scene)
    scene.listener = lambda event: _ask(scene) if isinstance(event, StepFinished) and event.step == "StopNode" else None
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert watch.away == set()
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)


def _ask(scene: Scene) -> None:
    scene.cancel.asked = True


def test_a_server_that_never_comes_back_stops_the_roll_there() -> None:
    scene = may_be_away(make_scene(5), 2)
    scene.sim.images[NEW] = "never-joins"
    with pytest.raises(GateFailed):
        scene.upgrade()
    assert len(scene.sim.taken) == 2, "no third one is touched"


@pytest.mark.parametrize("survives", [True, False])
def test_killed_in_the_one_apply_the_next_run_finishes_both(survives: bool) -> None:
    """F7."""
    scene = may_be_away(make_scene(5), 2)
    Watch(scene)
    scene.terraform.survives = survives
    scene.sim.calls.faults = [Fault(Crash(), "part.create:d", when="after")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    assert scene.converge() == []
    assert scene.faults() == []
    assert set(scene.rolled().values()) == {1}


def test_a_state_that_could_not_be_saved_ends_the_run_there() -> None:
    """F9: nothing further is applied, and what to do about it is said."""
    scene = may_be_away(make_scene(5), 2)
    Watch(scene)
    scene.sim.calls.faults = [Fault(TerraformStuck("the state is in errored.tfstate", next="push it"), "terraform.apply", 1, "after")]
    with pytest.raises(TerraformStuck, match=r"errored\.tfstate"):
        scene.upgrade()
    assert scene.sim.calls.count("terraform.apply") == 1


def test_before_anything_was_made_there_is_nothing_to_go_back_from() -> None:
    scene = may_be_away(make_scene(5), 2)
    Watch(scene)

    def kill(event: Event) -> None:
        if isinstance(event, NodeStarted) and scene.sim.raft.seats[scene.sim.address("c")].since is not None:
            scene.sim.kill_server("c")

    scene.listener = kill
    with pytest.raises(GateFailed) as failed:
        scene.upgrade()
    assert scene.sim.taken == []
    assert "to go back" not in failed.value.next


def test_another_node_that_died_meanwhile_is_to_be_mended_and_nobody_goes_back() -> None:
    """F32."""
    scene = may_be_away(make_scene(5), 2)
    scene.sim.images[NEW] = "never-joins"

    def kill(event: Event) -> None:
        if (
            isinstance(event, StepFinished)
            and event.step == "ProveVolumes"
            and scene.sim.raft.seats[scene.sim.address("c")].since is not None
        ):
            scene.sim.kill_server("c")

    scene.listener = kill
    with pytest.raises(OthersFailed, match="server/c is down") as failed:
        scene.upgrade()
    assert "to go back" not in failed.value.next


def test_while_terraform_waits_the_gates_see_all_nodes_as_they_will_be() -> None:
    """A mate whose new instance runs is asked there, and no gate is asked before all new ones have their volumes."""
    scene = may_be_away(make_scene(5), 2)
    Watch(scene)
    scene.upgrade()
    applying, said = False, []
    for event in scene.events:
        applying = isinstance(event, PlanJudged) or (applying and not isinstance(event, StepFinished))
        if applying and isinstance(event, GateAsked) and not event.held:
            said.append(event.reason)
    assert not [reason for reason in said if "no node of the block" in reason or "it has no address" in reason], said


def test_of_several_that_are_away_one_alone_is_not_chosen() -> None:
    scene = may_be_away(make_scene(5), 2)
    FLAWS["stopped"](scene, "b")
    FLAWS["stopped"](scene, "d")
    with pytest.raises(PersonNeeded, match="they are mended together, and not all of them are chosen"):
        scene.upgrade_only(scene.executor(), NodeId("server", "b"))
    assert scene.sim.calls.count("cloud.start") == 0
    scene.upgrade_only(scene.executor(), NodeId("server", "b"), NodeId("server", "d"))
    assert all(scene.sim.healthy(key) for key in "abcde")
