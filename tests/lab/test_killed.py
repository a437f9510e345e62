"""Runs that are killed with SIGKILL, at one point after the other, and finished by running the same command again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.points import at, makes_instance

if TYPE_CHECKING:
    from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes", "--var", 'client_cidrs=["192.0.2.0/24"]')


@pytest.mark.lab(minutes=8)
def test_killed_again_and_again(rehearsal: Rehearsal) -> None:
    """F5: killed after the stop, before the apply; F37: nothing counts but what is seen on the new instance; F39: shared changes first."""
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()

    with rehearsal.watched() as watch:
        first = rehearsal.kill_at(at("step_started", step="StopNode"), *UPGRADE)
        rehearsal.kill_at(at("step_finished", step="DetachVolumes"), *UPGRADE, tree=True)
        rehearsal.kill_at(makes_instance, *UPGRADE)  # its Terraform goes on by itself, and the next run waits for that
        fourth = rehearsal.kill_at(at("step_finished", step="ApplyNode"), *UPGRADE)
        applied = fourth.of("step_finished", step="ApplyNode")[0]["node"]
        rehearsal.kill_at(at("gate_asked", node=applied, gate="mounted"), *UPGRADE)
        last = rehearsal.run(*UPGRADE).expect(0).last

    assert first.exit_code == -9
    stages = [event["stage"] for event in first.of("stage_finished")]
    assert stages == ["observe", "shared"], "what is shared is a stage of its own, done before any node"
    assert first.one("plan_made")["shared"] == ["aws_security_group.server"]
    assert last["outcome"] == "done"
    assert watch.problems == []
    assert (watch.fewest_running, watch.most_of_one_node) == (2, 1)
    new = rehearsal.cloud.instances()
    assert sorted(new) == ["a", "b", "c"]
    assert not set(new.values()) & set(old.values())
    assert rehearsal.cloud.volumes() == {node: (volume, new[node]) for node, (volume, _) in volumes.items()}
    assert rehearsal.store.read() == keys
    again = rehearsal.run(*UPGRADE).expect(0)
    assert again.last["outcome"] == "nothing_to_do"
    assert len(again.of("node_skipped")) == 3, "each with the evidence that it is there and well"
    rehearsal.run("plan", *UPGRADE[2:]).expect(0)


@pytest.mark.lab(minutes=5)
def test_killed_with_its_terraform(rehearsal: Rehearsal) -> None:
    """F7: the new instance is in AWS and not in the state. It is taken up where it is what is wanted; no run makes a second one."""
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()
    child = rehearsal.begin(*UPGRADE)
    node = child.until(makes_instance, 900)["node"]
    stray = rehearsal.cloud.wait_for_instance(node.removeprefix("server/"))
    child.kill(tree=True)

    with rehearsal.watched() as watch:
        halted = rehearsal.run(*UPGRADE, "--image", "1.0.0").expect(24).one("run_halted")
        adopted = rehearsal.run(*UPGRADE, "--only", node).expect(0)

    assert stray in halted["what"], "another image is wanted: a person is told which instance is in the way"
    assert halted["where"] == node
    assert f"away: {node}, with their volumes kept" in halted["safe"]
    assert stray in adopted.one("step_finished", step="AdoptInstance")["evidence"]
    assert (watch.problems, watch.most_of_one_node) == ([], 1)
    now = {**old, node.removeprefix("server/"): stray}
    assert rehearsal.cloud.instances() == now
    assert rehearsal.cloud.volumes() == {key: (volume, now[key]) for key, (volume, _) in volumes.items()}
    assert rehearsal.store.read() == keys
