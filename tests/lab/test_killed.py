"""A run that is killed together with its Terraform, just when that has made an instance that no state knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.points import makes_instance

if TYPE_CHECKING:
    from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes", "--var", 'client_cidrs=["192.0.2.0/24"]')


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
