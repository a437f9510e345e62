"""What a person does in between: Ctrl-C, the same command twice, a second one beside the first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.points import at, makes_instance

if TYPE_CHECKING:
    from tests.lab.rehearsal import Rehearsal


@pytest.mark.lab(minutes=3)
def test_one_ctrl_c_while_a_node_is_away(rehearsal: Rehearsal) -> None:
    """S1: the node is finished, no other is begun, and the test environment is destroyed all the same."""
    child = rehearsal.begin("test-upgrade", "--yes")
    node = child.until(at("step_finished", step="DetachVolumes"), 900)["node"]
    child.interrupt()
    ended = child.ended(900).expect(130)

    assert [event["node"] for event in ended.of("node_started")] == [node]
    assert ended.one("step_finished", step="SettleNode")["node"] == node
    assert ended.one("node_finished")["node"] == node
    assert ended.last["outcome"] == "interrupted"
    assert ended.last["nodes_replaced"] == 1
    assert ended.one("stage_finished", stage="destroy")
    assert rehearsal.left() == []


@pytest.mark.lab(minutes=4)
def test_two_ctrl_c_while_terraform_makes_an_instance(rehearsal: Rehearsal) -> None:
    """S2: Terraform gets one interrupt, finishes what it makes and saves its state; the next run goes on with that very instance."""
    rehearsal.create("1.0.0")
    keys = rehearsal.store.write(20)
    child = rehearsal.begin("upgrade", "--yes")
    node = child.until(makes_instance, 900)["node"]
    for _ in range(2):
        child.interrupt()
        time.sleep(1)
    ended = child.ended(300).expect(130)
    made = rehearsal.cloud.wait_for_instance(node.removeprefix("server/"))

    assert ended.last["outcome"] == "interrupted"
    safe = ended.one("run_halted")["safe"]  # the new instance may have got its volume before the second one
    assert f"away: {node}, with their volumes kept" in safe or "all 3 nodes are up" in safe, safe
    again = rehearsal.run("upgrade", "--yes", "--only", node).expect(0)
    assert again.one("node_finished")["instance"] == made
    assert len(rehearsal.cloud.machines()) == 3
    assert rehearsal.store.read() == keys


@pytest.mark.lab(minutes=3)
def test_the_same_command_twice_and_two_at_once(rehearsal: Rehearsal) -> None:
    """F11: the second run is told who holds the lease, with which command, since when. What is there is not made again."""
    first = rehearsal.begin("create", "--yes")
    first.until(at("stage_started"), 120)
    second = rehearsal.run("create", "--yes", limit_s=120).expect(22)
    for told in (f"run {first.events[0]['run']}", "command create", "since "):
        assert told in second.stderr
    first.ended(600).expect(0)
    made = rehearsal.cloud.instances()

    again = rehearsal.run("create", "--yes").expect(0)
    assert again.of("noted", message="everything is there already")
    assert rehearsal.cloud.instances() == made
    assert rehearsal.run("upgrade", "--yes").expect(0).last["outcome"] == "nothing_to_do"

    rehearsal.run("destroy", "--yes").expect(0)
    assert rehearsal.cloud.machines() == []
    assert rehearsal.cloud.volumes() == {}
    assert "no node" in rehearsal.run("status").expect(24).one("run_halted")["what"]
    assert rehearsal.run("destroy", "--yes").expect(0).last["outcome"] == "nothing_to_do"
