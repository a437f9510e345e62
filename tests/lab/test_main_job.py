"""The main job: the block at its previous version, upgraded to the current one while a client writes and reads, then destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.child import Ended
    from tests.lab.rehearsal import Rehearsal

pytestmark = pytest.mark.lab(minutes=7)

NODES = ["server/a", "server/b", "server/c"]
FIGURES = {
    "outcome": "done",
    "nodes_replaced": 3,
    "volumes_kept": 3,
    "writes_lost": 0,
    "exit_code": 0,
}


def test_main_job(infrastructure: Rehearsal, show: Callable[[str], None]) -> None:
    """The base that the block needs is made first; each node has a new instance, proven with its old volume; the leader is last."""
    ended = infrastructure.run("test-upgrade", "--yes").expect(0)

    last = ended.last
    show(f"{last['own_s']} s of {last['duration_s']} s are immtf's own ({last['own_s'] / last['duration_s']:.1%})")
    assert ended.stdout.count("\n") == len(ended.events)
    assert last["event"] == "run_finished"
    assert FIGURES.items() <= last.items()
    assert last["writes_acknowledged"] > 100
    assert 0 < last["longest_write_gap_s"] < 30
    assert sorted(last["away_s"]) == NODES
    assert all(0 < seconds < last["duration_s"] for seconds in last["away_s"].values())
    assert last["aws_api_calls"] > 0
    assert last["terraform_runs"] > 0
    assert last["own_s"] < last["duration_s"] / 4
    assert [(event["block"], event["ending"]) for event in ended.of("block_ended")] == [("base", "done")] * 2, "made first, destroyed last"
    base_s = sum(event["seconds"] for event in ended.of("block_ended"))
    elsewhere_s = last["duration_s"] - last["own_s"] - last["terraform_s"] - last["servers_s"]
    assert base_s - 1 < elsewhere_s < base_s + last["duration_s"] / 10, "the rest is base's, and what is read of it"
    for node in NODES:
        assert_replaced(ended, node)
    *others, final = leading(ended).items()
    assert all(leader in NODES and leader != node for node, leader in others), "no node is stopped while it leads and another is left"
    assert final[0] == plan_rows(ended)[-1]["node"] or others[0][1] != others[-1][1], "the leader is last, unless leadership moved"
    assert infrastructure.left() == []


def assert_replaced(ended: Ended, node: str) -> None:
    """Another instance, another image, the same volume: as the plan, the cloud's answers and the proof tell it."""
    row = next(row for row in plan_rows(ended) if row["node"] == node)
    assert (row["now"].split()[0], row["target"].split()[0]) == ("1.0.0", "1.1.0")
    volume = row["volumes"][0].removeprefix("data ")
    stopped = ended.one("step_finished", node=node, step="StopNode")["evidence"].split()[0]
    made = ended.one("node_finished", node=node)["instance"]
    assert made.startswith("i-")
    assert made != stopped
    proven = ended.one("step_finished", node=node, step="ProveVolumes")["evidence"]
    assert proven.startswith(f"{volume} at /var/lib/consul on {made}: {volume} (")
    assert f"{volume} is available" in ended.one("step_finished", node=node, step="DetachVolumes")["evidence"]


def plan_rows(ended: Ended) -> list[dict[str, Any]]:
    return list(ended.one("plan_made")["rows"])


def leading(ended: Ended) -> dict[str, str]:
    """Return, for each node in its order, who led the cluster just before that node was stopped."""
    asked = [event for event in ended.events if event.get("step") == "HandOver" and event["event"] != "step_started"]
    return {event["node"]: event.get("reason", "").partition(" leads")[0] for event in asked}
