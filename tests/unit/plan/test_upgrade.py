"""The plan of an upgrade as a value: order, actions, steps, rows; and when there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.errors import PersonNeeded
from immtf.model.block import Block, Cluster, ConsulGate, TcpGate
from immtf.model.cloud import ImageChoice, Instance, Volume
from immtf.model.service import Answer, ServiceView
from immtf.model.snapshot import ChangeKind, NodeChange, NodeNow, Snapshot
from immtf.plan.together import next_work
from immtf.plan.upgrade import STEPS, action_of, is_away, is_sick, make_plan, steps_of
from tests.fakes.builders import A, make_peer, make_place, make_view, make_volume

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId
    from immtf.model.steps import UpgradePlan

REPLACE = NodeChange(ChangeKind.REPLACE, ("ami",), "ami-new")
NONE = NodeChange(ChangeKind.NONE)


def node(key: str, *, state: str = "running", zone: str = "", attached: bool = True) -> NodeNow:
    """Return a node in zone a, b or c by its key."""
    instance = Instance(f"i-{key}", state, "ami-old", zone or f"eu-west-1{'abc'['abcdefg'.index(key) % 3]}", "10.0.0.1") if state else None
    volume: Volume = make_volume((f"i-{key}", "attached"), volume_id=f"vol-{key}") if attached else make_volume(volume_id=f"vol-{key}")
    return NodeNow(make_place(key), instance, {"data": volume})


def block(*, max_unavailable: int = 1, quorum: bool = True) -> Block:
    here = Path("/b")
    gates = (ConsulGate(), TcpGate(port=1)) if quorum else (TcpGate(port=1),)
    return Block(
        "consul", "1", here, here, here, clusters={"server": Cluster("server", "module.server", gates, max_unavailable=max_unavailable)}
    )


def plan_of(
    *nodes: NodeNow,
    changes: Mapping[str, NodeChange] | None = None,
    view: ServiceView | None = None,
    where: Block | None = None,
    only: tuple[NodeId, ...] = (),
) -> UpgradePlan:
    """Plan for these nodes, all to be replaced where nothing else is said."""
    found = {now.node: now for now in nodes}
    wanted = {now.node: (changes or {}).get(now.node.key, REPLACE) for now in nodes}
    services = {"server": view} if view else {}
    versions = {"ami-old": "1.0.0"}
    return make_plan(where or block(), Snapshot(found, wanted, services), ImageChoice("ami-new", "1.1.0"), versions, only=only)


def order(plan: UpgradePlan) -> str:
    return "".join(work.node.key for work in plan.works)


def test_zone_by_zone_and_the_leader_last() -> None:
    """F33."""
    nodes = [node(key) for key in "abcde"]
    assert order(plan_of(*nodes, view=make_view(5, leader="10.0.0.1"))) == "dbeca"
    assert order(plan_of(*nodes, view=make_view(5, leader="10.0.0.5"))) == "adbce"
    assert order(plan_of(*nodes)) == "adbec"


@pytest.mark.parametrize(
    "broken",
    [node("c", state="stopped"), node("c", state=""), node("c", attached=False), node("c", state="pending"), node("c", state="terminated")],
)
def test_a_node_that_is_away_goes_first(broken: NodeNow) -> None:
    """F5, F16."""
    plan = plan_of(node("a"), node("b"), broken)
    assert order(plan) == "cab"
    assert plan.works[0].why.startswith("first: away, ")


def test_a_sick_node_goes_before_healthy_ones() -> None:
    view = make_view(peers=[make_peer("10.0.0.1"), make_peer("10.0.0.2"), make_peer("10.0.0.3", healthy=False)])
    plan = plan_of(node("a"), node("b"), node("c"), view=view)
    assert order(plan) == "cba"
    assert plan.works[0].why == "first: not healthy (ami)"


def test_nodes_at_their_target_are_checked_before_others_and_new_ones_come_last() -> None:
    unmade = NodeNow(make_place("d", volume_id="", instance_id=""))
    plan = plan_of(node("a"), node("b"), node("c"), unmade, changes={"b": NONE, "d": NodeChange(ChangeKind.CREATE)})
    assert order(plan) == "bacd"
    assert [work.row.action for work in plan.works] == ["skip", "replace", "replace", "create"]
    assert [work.why for work in plan.works] == [
        "at its target: checked only",
        "zone eu-west-1a (ami)",
        "zone eu-west-1c (ami)",
        "new node, after the others",
    ]


def test_the_leaders_row_says_why_it_is_last() -> None:
    plan = plan_of(*(node(key) for key in "abc"), view=make_view())
    assert plan.works[-1].why == "last: leads the cluster (ami)"


def test_a_row_tells_versions_volumes_gates_and_quorum() -> None:
    row = plan_of(*(node(key) for key in "abc")).works[0].row
    assert (row.now, row.target) == ("1.0.0", "ami-new")
    assert row.volumes == ("data vol-a",)
    assert row.gates == ("consul", "tcp:1")
    assert row.quorum_left == "2 of 3 (quorum 2)"
    assert plan_of(*(node(key) for key in "abc"), changes=dict.fromkeys("abc", NONE)).works[0].row.quorum_left == "3 of 3"


@pytest.mark.parametrize(
    ("away", "count", "wished", "most"),
    [("bc", 3, 1, 1), ("bc", 3, 2, 1), ("bc", 5, 1, 1), ("bcd", 5, 2, 2), ("bcd", 5, 3, 2), ("b", 2, 2, 0)],
)
def test_more_away_than_quorum_and_the_wish_allow_are_for_a_person(away: str, count: int, wished: int, most: int) -> None:
    """F32: as many are mended together as may be away, and all others have to be whole."""
    with pytest.raises(PersonNeeded, match=f"{len(away)} of {count} nodes are away .*; at most {most} may be"):
        plan_of(*_with_away(away, count), where=block(max_unavailable=wished))


@pytest.mark.parametrize(("away", "count", "wished"), [("", 3, 1), ("b", 3, 1), ("b", 3, 2), ("bc", 5, 2), ("bcd", 7, 3)])
def test_those_that_may_be_away_are_mended_first(away: str, count: int, wished: int) -> None:
    works = plan_of(*_with_away(away, count), where=block(max_unavailable=wished)).works
    assert len(works) == count
    assert {work.node.key for work in works[: len(away)]} == set(away)
    assert [work.broken for work in works] == [True] * len(away) + [False] * (count - len(away))


def _with_away(away: str, count: int) -> list[NodeNow]:
    return [node(key, state="stopped" if key in away else "running") for key in "abcdefg"[:count]]


@pytest.mark.parametrize(
    ("count", "quorum", "refused"), [(1, True, True), (2, True, True), (3, True, False), (2, False, False), (1, False, True)]
)
def test_a_cluster_that_can_spare_nobody(count: int, quorum: bool, refused: bool) -> None:
    nodes = [node(key) for key in "abc"[:count]]
    if refused:
        with pytest.raises(PersonNeeded, match=f"a cluster of {count} can spare no node"):
            plan_of(*nodes, where=block(quorum=quorum))
    else:
        assert plan_of(*nodes, where=block(quorum=quorum)).pending


def test_a_cluster_that_can_spare_nobody_may_stay_as_it_is_or_be_made() -> None:
    assert not plan_of(node("a"), changes={"a": NONE}).pending
    unmade = NodeNow(make_place("a", volume_id="", instance_id=""))
    assert plan_of(unmade, changes={"a": NodeChange(ChangeKind.CREATE)}).pending


def test_nothing_to_do_is_not_pending() -> None:
    plan = plan_of(*(node(key) for key in "abc"), changes=dict.fromkeys("abc", NONE))
    assert not plan.pending
    assert dataclasses.replace(plan, shared=("aws_x.y",)).pending
    assert dataclasses.replace(plan, outputs=("ids",)).pending


def test_only_the_chosen_nodes_have_steps() -> None:
    plan = plan_of(*(node(key) for key in "abc"), only=(A,))
    assert [bool(work.steps) for work in plan.works] == [True, False, False]
    assert plan.works[1].row.why == "not chosen (--only)"


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("replace", "SpareNode MarkVolumes HandOver StopNode DetachVolumes ApplyNode ProveVolumes SettleNode"),
        ("rebuild", "SpareNode MarkVolumes HandOver StopNode DetachVolumes ApplyNode ProveVolumes SettleNode"),
        ("attach", "SpareNode MarkVolumes HandOver ApplyNode StartNode ProveVolumes SettleNode"),
        ("update", "SpareNode MarkVolumes HandOver ApplyNode StartNode ProveVolumes SettleNode"),
        ("adopt", "SpareNode AdoptInstance ApplyNode StartNode ProveVolumes SettleNode"),
        ("untaint", "SpareNode UntaintInstance ApplyNode StartNode ProveVolumes SettleNode"),
        ("create", "ApplyNode MarkVolumes ProveVolumes SettleNode"),
        ("start", "SpareNode StartNode ProveVolumes SettleNode"),
        ("skip", "ProveVolumes SettleNode"),
    ],
)
def test_the_steps_of_an_action(action: str, names: str) -> None:
    steps = steps_of(A, action)
    assert [type(step).__name__ for step in steps] == names.split()
    assert {step.node for step in steps} == {A}


@pytest.mark.parametrize("action", STEPS)
def test_a_snapshot_is_taken_after_the_stop_and_before_the_volume_is_moved(action: str) -> None:
    names = [type(step).__name__ for step in steps_of(A, action, snapshots=True)]
    assert ("SnapshotVolumes" in names) == bool({"StopNode", "StopOld"} & set(names))
    if "SnapshotVolumes" in names:
        place = names.index("SnapshotVolumes")
        assert tuple(names[place - 1 : place + 2]) in {
            ("StopNode", "SnapshotVolumes", "DetachVolumes"),
            ("StopOld", "SnapshotVolumes", "MoveToSlot"),
        }


@pytest.mark.parametrize(
    ("now", "change", "action"),
    [
        (node("a"), NONE, "skip"),
        (node("a", state="stopped"), NONE, "start"),
        (node("a", state="terminated"), NONE, "skip"),
        (node("a"), REPLACE, "replace"),
        (node("a"), NodeChange(ChangeKind.REMOVE), "remove"),
    ],
)
def test_the_action_of_a_change(now: NodeNow, change: NodeChange, action: str) -> None:
    assert action_of(now, change) == action


def test_a_node_still_to_be_made_is_not_away() -> None:
    assert not is_away(NodeNow(make_place()), NodeChange(ChangeKind.CREATE))
    assert is_away(NodeNow(make_place()), NodeChange(ChangeKind.REBUILD))


@pytest.mark.parametrize(
    ("view", "sick"),
    [
        (None, False),
        (make_view(), False),
        (ServiceView(problem="not reached"), True),
        (make_view(answers={"a": Answer(problem="refused")}), True),
        (make_view(peers=[make_peer("10.0.0.1", healthy=None)]), False),
        (make_view(peers=[make_peer("10.0.0.1", healthy=False)]), True),
        (make_view(peers=[]), True),
        (dataclasses.replace(make_view(peers=[]), problem="no leader"), False),
    ],
)
def test_who_is_sick(view: ServiceView | None, sick: bool) -> None:
    """For the order only: what is not known holds the gates, not the order."""
    assert is_sick(A, Snapshot({}, services={"server": view} if view else {})) is sick


def test_a_leader_that_moved_waits_for_the_others() -> None:
    """F33."""
    works = plan_of(*(node(key) for key in "abc")).works
    assert [work.node.key for work in works] == ["a", "b", "c"]
    assert next_work(works, {works[0].node}).node.key == "b"
    assert next_work(works[2:], {works[2].node}).node.key == "c"
    assert next_work(works, ()).node.key == "a"
    assert next_work((*works[:1],), {work.node for work in works}).node.key == "a"
    assert next_work(works, {work.node for work in works}).node.key == "a"
