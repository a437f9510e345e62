"""The crash walk in the lab: one roll of three nodes, with a SIGKILL at one point after the other, each time in the next run.

The points come in the order of a roll, so each run gets a step further than the one before it. (That a kill at any event and at any
call is survived is shown without a lab, in `tests/walks/test_crash_walk.py`.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.points import applies, at, ends, settles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes", "--var", 'client_cidrs=["192.0.2.0/24"]')
EARLY: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "everything is observed": at("stage_finished", stage="observe"),
    "what is shared is applied": ends("ApplyShared"),
    "the first node can be spared": ends("SpareNode"),
    "a stop begins": at("step_started", step="StopNode"),
    "a detach begins": at("step_started", step="DetachVolumes"),
    "Terraform destroys the old instance": applies("delete", "aws_instance"),
    "a node's change is applied": at("step_finished", step="ApplyNode"),
    "a node is finished": at("node_finished"),
}
LATE: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "the plan is made": at("plan_made"),
    "a node's volumes are known": ends("MarkVolumes"),
    "leadership is handed over, or needn't be": ends("HandOver"),
    "an instance is stopped": at("step_finished", step="StopNode"),
    "a plan is judged": at("plan_judged", step="ApplyNode"),
    "Terraform makes the new instance": applies("create", "aws_instance"),
    "Terraform attaches the volume": applies("create", "aws_volume_attachment"),
    "a volume is proven": ends("ProveVolumes"),
    "the gates hold, but not often enough": settles,
    "the rest begins": at("stage_started", stage="rest"),
}
WITH_TERRAFORM = frozenset({"the first node can be spared", "a detach begins", "a plan is judged", "Terraform makes the new instance"})
"""Where all that the run started is killed in the same moment; elsewhere its Terraform goes on by itself."""


@pytest.mark.lab(minutes=7)
def test_killed_up_to_the_apply(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """F5, F39: at eight points, most of them before the first node's new instance; what is shared is a stage of its own, done first."""
    walk(rehearsal, EARLY, show)


@pytest.mark.lab(minutes=8)
def test_killed_up_to_the_end(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """F5, F7: at ten others, once with the Terraform that was making an instance."""
    walk(rehearsal, LATE, show)


def walk(rehearsal: Rehearsal, points: Mapping[str, Callable[[dict[str, Any]], bool]], show: Callable[[str], None]) -> None:
    """Upgrade, killed at each of these points in turn, then to the end; see that nothing was lost or made twice."""
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()

    with rehearsal.watched() as watch:
        for number, (name, point) in enumerate(points.items()):
            killed = rehearsal.kill_at(point, *UPGRADE, tree=name in WITH_TERRAFORM)
            assert killed.exit_code == -9, name
            kept = {node: volume for node, (volume, _) in rehearsal.cloud.volumes().items()}
            assert kept == {node: volume for node, (volume, _) in volumes.items()}, name
            keys |= rehearsal.store.write(5, value=f"kill-{number}")
        last = rehearsal.run(*UPGRADE).expect(0).last

    show(f"{len(points)} kills, each at another point; the last run ended with {last['outcome']}")
    assert last["outcome"] in {"done", "nothing_to_do"}
    assert watch.problems == []
    assert (watch.fewest_running, watch.most_of_one_node) == (2, 1)
    new = rehearsal.cloud.instances()
    assert sorted(new) == sorted(old)
    assert not set(new.values()) & set(old.values())
    assert rehearsal.cloud.volumes() == {node: (volume, new[node]) for node, (volume, _) in volumes.items()}
    assert rehearsal.store.read() == keys
    again = rehearsal.run(*UPGRADE).expect(0)
    assert again.last["outcome"] == "nothing_to_do"
    assert len(again.of("node_skipped")) == 3, "each with the evidence that it is there and well"
    rehearsal.run("plan", *UPGRADE[2:]).expect(0)
