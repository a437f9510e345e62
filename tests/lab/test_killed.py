"""Runs that are killed with SIGKILL, at one point after the other, and finished by running the same command again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes", "--var", 'client_cidrs=["192.0.2.0/24"]')
MAKES_INSTANCE = {"event": "terraform_told", "kind": "apply_start", "action": "create"}


def at(name: str, **fields: Any) -> Callable[[dict[str, Any]], bool]:
    """Return the point of the first event with this name and these fields."""
    return lambda event: {"event": name, **fields}.items() <= event.items()


def instance_is_made(event: dict[str, Any]) -> bool:
    return MAKES_INSTANCE.items() <= event.items() and event["address"].endswith("aws_instance.this")


@pytest.mark.lab(minutes=8)
def test_killed_again_and_again(rehearsal: Rehearsal) -> None:
    """F5: killed after the stop, before the apply; F37: nothing counts but what is seen on the new instance; F39: shared changes first."""
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()

    with rehearsal.watched() as watch:
        first = rehearsal.kill_at(at("step_started", step="StopNode"), *UPGRADE)
        rehearsal.kill_at(at("step_finished", step="DetachVolumes"), *UPGRADE, tree=True)
        rehearsal.kill_at(instance_is_made, *UPGRADE)  # its Terraform goes on by itself, and the next run waits for that
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
    assert rehearsal.run(*UPGRADE).expect(0).last["outcome"] == "nothing_to_do"
    rehearsal.run("plan", *UPGRADE[2:]).expect(0)


@pytest.mark.lab(minutes=4)
def test_killed_with_its_terraform(rehearsal: Rehearsal) -> None:
    """F7: the new instance is in AWS and not in the state. No run makes a second one; a person is told which it is."""
    rehearsal.create("1.0.0")
    keys, volumes = rehearsal.store.write(50), rehearsal.cloud.volumes()
    child = rehearsal.begin(*UPGRADE)
    begun = child.until(instance_is_made, 600)
    node = begun["node"].removeprefix("server/")
    stray = rehearsal.cloud.wait_for_instance(node)
    child.kill(tree=True)

    for _ in range(2):
        halted = rehearsal.run(*UPGRADE).expect(24)
        assert stray in halted.one("run_halted")["what"]
        assert halted.one("run_halted")["where"] == f"server/{node}"
        assert f"away: server/{node}" in halted.one("run_halted")["safe"]
        assert len(rehearsal.cloud.machines()) == 3
        assert rehearsal.cloud.instances()[node] == stray, "no second one is made"

    rehearsal.cloud.terminate(stray)
    rehearsal.run(*UPGRADE, "--only", f"server/{node}").expect(0)
    new = rehearsal.cloud.instances()
    assert rehearsal.cloud.volumes()[node] == (volumes[node][0], new[node])
    assert new[node] != stray
    assert rehearsal.store.read() == keys
