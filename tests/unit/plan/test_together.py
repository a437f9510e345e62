"""Who goes together: never more than quorum leaves, never a leader with others, and each kind of step for all before the next."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from immtf.model.block import Block, Cluster, ConsulGate, Spread, TcpGate
from immtf.model.names import NodeId
from immtf.model.rows import PlanRow
from immtf.model.snapshot import ChangeKind
from immtf.model.steps import NodeWork
from immtf.plan.quorum import majority
from immtf.plan.together import PHASES, TOGETHER, at_once, next_works, phases
from immtf.plan.upgrade import STEPS, steps_of

ZONES = "xyz"


def work(key: str, action: str = "replace", *, broken: bool = False, cluster: str = "server") -> NodeWork:
    """Return a node's work; zones go round with the letters."""
    node = NodeId(cluster, key)
    row = PlanRow(str(node), "1.0.0", "1.1.0", action, "", (), (), "")
    zone = ZONES[ord(key) % 3]
    return NodeWork(node, ChangeKind.REPLACE, "", steps_of(node, action), row, broken=broken, zone=zone)


def block(wished: int, spread: Spread = "any", *, quorum: bool = True) -> Block:
    """Return a block of two clusters."""
    gate = ConsulGate() if quorum else TcpGate(port=1)
    clusters = {name: Cluster(name, f"module.{name}", (gate,), max_unavailable=wished, spread=spread) for name in ("server", "other")}
    here = Path("/block")
    return Block("consul", "1.0.0", here, here / "immtf.yaml", here, clusters=clusters)


def keys(works: list[NodeWork]) -> str:
    return "".join(item.node.key for item in works)


WORKS = st.lists(
    st.builds(
        work,
        st.sampled_from("abcdefg"),
        st.sampled_from(sorted(STEPS)),
        broken=st.booleans(),
        cluster=st.sampled_from(["server", "server", "server", "other"]),
    ),
    min_size=1,
    unique_by=lambda item: item.node,
)


@given(WORKS, st.integers(1, 9), st.sampled_from(["any", "zone"]), st.sampled_from("abcdefg"), st.booleans())
def test_whoever_goes_together_quorum_stays(works: list[NodeWork], wished: int, spread: Spread, leader: str, quorum: bool) -> None:
    """F16: whatever the works are, however many are wished for, whoever leads."""
    made, leaders, members = block(wished, spread, quorum=quorum), {NodeId("server", leader)}, {"server": 7, "other": 7}
    chosen = next_works(works, leaders, made, members)
    assert 1 <= len(chosen) <= wished
    assert len(chosen) == 1 or 7 - len(chosen) >= (majority(7) if quorum else 1)
    assert len({item.node.cluster for item in chosen}) == 1
    assert all(item in works for item in chosen)
    if len(chosen) > 1:
        assert not any(item.node in leaders for item in chosen)
        assert {item.row.action for item in chosen} <= TOGETHER
        assert len({item.broken for item in chosen}) == 1
        assert spread == "any" or chosen[0].broken or len({item.zone for item in chosen}) == 1


@given(WORKS, st.integers(1, 9), st.sampled_from("abcdefg"))
def test_every_work_comes_once(works: list[NodeWork], wished: int, leader: str) -> None:
    left, done, made = list(works), [], block(wished)
    while left:
        chosen = next_works(left, {NodeId("server", leader)}, made, {"server": 7, "other": 7})
        done += chosen
        left = [item for item in left if item not in chosen]
    assert sorted(item.node for item in done) == sorted(item.node for item in works)


def test_one_at_a_time_where_nothing_else_is_wished_for() -> None:
    works = [work(key) for key in "abc"]
    assert keys(next_works(works, set(), block(1), {"server": 3})) == "a"
    assert keys(next_works(works, set(), block(2), {"server": 3})) == "a", "three can spare one"


def test_broken_nodes_go_together_whatever_their_zones_and_without_any_that_serves() -> None:
    works = [work("a", "start", broken=True), work("b", "rebuild", broken=True), work("c")]
    assert keys(next_works(works, set(), block(3, "zone"), {"server": 7})) == "ab"


def test_a_cluster_whose_nodes_are_swapped_or_go_back_by_themselves_goes_one_by_one() -> None:
    made = block(3)
    swapped = dataclasses.replace(made.clusters["server"], strategy="swap")
    assert at_once(made, swapped, 7) == 1
    assert at_once(dataclasses.replace(made, on_failure="rollback-node"), made.clusters["server"], 7) == 1
    assert at_once(made, made.clusters["server"], 7) == 3


def test_each_kind_of_step_is_done_for_all_before_the_next_and_in_each_ones_own_order() -> None:
    for first in sorted(TOGETHER):
        for second in sorted(TOGETHER):
            works = [work("a", first), work("b", second)]
            done = [(item.node.key, type(step)) for phase in phases(works) for item, step in phase]
            for item in works:
                assert [kind for key, kind in done if key == item.node.key] == [type(step) for step in item.steps]
            assert [PHASES.index(kind) for _, kind in done] == sorted(PHASES.index(kind) for _, kind in done)


def test_one_work_alone_has_its_own_order() -> None:
    for action in STEPS:
        alone = work("a", action)
        assert [step for phase in phases([alone]) for _, step in phase] == list(alone.steps)
