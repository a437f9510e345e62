"""Faults planted on purpose, each of which the rules or the properties must catch: a test that can't fail shows nothing.

Each fault is a way in which a planner, an executor or a port might be wrong. It is planted by handing in something altered
(`tests.fakes.planted`), never by patching; what catches it is named in the test.

Here are faults of the order of steps and of what the ports say:

 1. no gate before a stop               10. an image that formats, and no proof of volumes
 2. no `SpareNode`                      11. another plan applied than the one that was judged
 3. no gate after                       12. a copy of the plan applied
 4. no stop before the apply            13. no judge: a volume would be deleted
 5. a detach before the stop            14. everything applied at once
 6. the leader not last                 15. a detach that was only asked for, taken for done
 7. the broken node not first           16. a volume lost out of the state
 8. the dead left out of the count      17. a node at its target rolled again
 9. a resume that counts the node that it mends

`test_planted_rules` has those of the rules that came with leases, marks, snapshots and overrides, and of resuming:

18. no lease asked for before a change  24. resuming from what is written down, not from what is
19. a first-boot mark given by upgrade  25. a success counted without evidence
20. no snapshot taken                   26. strays not looked for: a second instance
21. an override of a hard rule          27. a wait without a limit
22. two nodes at once                   28. a person's wish to end not heard
23. one look at a volume for a detach   29. an instance taken for stopped that is still stopping
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, ImmtfError, PersonNeeded, PlanRefused
from immtf.model.steps import ApplyNode, DetachVolumes, MarkVolumes, ProveVolumes, SettleNode, SpareNode, StopNode
from immtf.run.executor import Executor
from immtf.run.ledger import Ledger
from tests.fakes.planted import (
    BlindService,
    CountingService,
    ForgetfulTerraform,
    HastyCloud,
    LosingTerraform,
    UnjudgedTerraform,
    carry_out,
    without,
)
from tests.fakes.simulation import NEW, Violation
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, at_target, make_scene

if TYPE_CHECKING:
    from immtf.model.block import Cluster
    from tests.fakes.terraform import FakePlan


def test_an_executor_that_asks_no_gate_before_the_stop_is_caught() -> None:
    """By the rule on stops: the gate before and the second look are both fooled here."""
    scene = make_scene(3)
    world = scene.world()
    world.service = BlindService(scene.sim)
    works = scene.plan().works
    scene.sim.kill_server("c")
    with pytest.raises(Violation, match="a stop of b while c is not healthy"):
        carry_out(scene, works, Executor(world, scene.patience(), Ledger(0.0)))


def test_an_executor_without_the_gate_before_is_saved_by_the_second_look() -> None:
    """And without `SpareNode` alone nothing happens: the move itself looks at the quorum once more."""
    scene = make_scene(3)
    works = without(scene.plan(), SpareNode)
    scene.sim.kill_server("c")
    with pytest.raises(GateFailed, match="c does not answer"):
        carry_out(scene, works)
    assert scene.sim.taken == []


def test_an_executor_that_does_not_settle_a_node_is_caught() -> None:
    """By the rule on stops: with the gates before fooled as well, the second node is stopped while the first catches up."""
    scene = make_scene(3)
    scene.sim.times = dataclasses.replace(scene.sim.times, boot=60.0)  # longer than Terraform waits anyway
    world = scene.world()
    world.service = BlindService(scene.sim)
    works = without(scene.plan(), SettleNode, ProveVolumes)
    with pytest.raises(Violation, match=r"a stop of . while . is not healthy"):
        carry_out(scene, works, Executor(world, scene.patience(), Ledger(0.0)))


def test_an_executor_that_does_not_stop_first_is_caught() -> None:
    """By the judge of its plan; and behind that by Terraform itself, which can't take a volume from a running guest."""
    scene = make_scene(3)
    works = without(scene.plan(), StopNode, DetachVolumes)
    with pytest.raises(PlanRefused, match=r"\[running-instance\]"):
        carry_out(scene, works)
    assert scene.sim.taken == []


def test_an_executor_that_detaches_before_it_stops_is_caught() -> None:
    """By the decision on the volume: it is in use."""
    scene = make_scene(3)
    works = without(scene.plan(), StopNode)
    with pytest.raises(PersonNeeded, match="is in use in"):
        carry_out(scene, works)
    assert scene.sim.calls.count("cloud.detach") == 0


def test_a_planner_that_puts_the_leader_first_is_caught() -> None:
    """By the property on the order: the leader is the last that is taken."""
    scene = make_scene(3, leader=0)
    works = sorted(scene.plan().works, key=lambda work: work.node)
    carry_out(scene, works)
    assert scene.sim.taken[-1] != "a"


def test_a_planner_that_does_not_mend_the_broken_node_first_is_caught() -> None:
    """By the gate before: a healthy node is not spared while another one is away."""
    scene = make_scene(3)
    FLAWS["stopped"](scene, "c")
    works = sorted(scene.plan().works, key=lambda work: work.node)
    with pytest.raises(GateFailed, match="c does not answer"):
        carry_out(scene, works)
    assert scene.sim.taken == []


def test_a_service_port_that_leaves_the_dead_out_is_caught() -> None:
    """By the rule on stops: who is left out of the answer was not asked."""
    scene = make_scene(5)
    world = scene.world()
    world.service = CountingService(scene.sim)
    works = scene.plan().works
    scene.sim.kill_server("e")
    with pytest.raises(Violation, match="while e is not healthy"):
        carry_out(scene, works, Executor(world, scene.patience(), Ledger(0.0)))


def test_a_resume_that_counts_the_node_it_mends_is_caught() -> None:
    """By the property that a broken world converges: such a gate waits for the very node that is away."""
    scene = make_scene(3)
    FLAWS["stopped"](scene, "b")
    (work,) = [work for work in scene.plan().works if work.node.key == "b"]
    stubborn = dataclasses.replace(work, steps=(SettleNode(work.node), *work.steps))
    with pytest.raises(GateFailed, match="the instance is stopped"):
        carry_out(scene, [stubborn])


def test_an_image_that_formats_without_the_proof_of_volumes_is_caught() -> None:
    """By the property on the data; the gates alone see a cluster that healed itself around empty disks."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "formats"
    scene.block = dataclasses.replace(scene.block, clusters={"server": _only_consul(scene)})
    carry_out(scene, without(scene.plan(), ProveVolumes, MarkVolumes))
    assert {f"{key} has other data" for key in "abc"} <= set(scene.faults())


def _only_consul(scene: Scene) -> Cluster:
    cluster = scene.block.clusters["server"]
    return dataclasses.replace(cluster, gates=cluster.gates[1:])


def test_an_apply_of_another_plan_than_the_judged_one_is_caught() -> None:
    """By the rule on being taken away: the unjudged plan has every node in it."""
    scene = make_scene(3)
    scene.terraform = UnjudgedTerraform(scene.sim, scene.terraform.wishes, outputs=scene.terraform.outputs)
    with pytest.raises((Violation, ImmtfError)) as caught:
        scene.upgrade()
    assert "busy" in str(caught.value) or isinstance(caught.value, Violation)


def test_an_apply_of_a_copy_is_caught() -> None:
    """By the port: only the very plan that was made is applied."""
    scene = make_scene(3)
    scene.terraform = ForgetfulTerraform(scene.sim, scene.terraform.wishes, outputs=scene.terraform.outputs)
    with pytest.raises(Violation, match="not a plan that was made here"):
        scene.upgrade()


def test_an_apply_without_the_judge_deletes_no_volume_unseen() -> None:
    """By the rule on volumes."""
    scene = make_scene(3, wishes=Wishes(replaced_volumes={"a"}))
    FLAWS["detached"](scene, "a")
    saved = scene.terraform.plan(targets=['module.server["a"]'])
    with pytest.raises(Violation, match="the volume of a would be deleted"):
        scene.terraform.apply(saved)


def test_an_apply_of_the_whole_plan_at_once_is_caught() -> None:
    """By the rule on being taken away: this is what Terraform alone would do."""
    scene = make_scene(3)
    for key in "ab":
        FLAWS["detached"](scene, key)
    with pytest.raises(Violation, match="an apply of c while a, b is not healthy"):
        scene.terraform.apply(_without_attachments(scene))


def _without_attachments(scene: Scene) -> FakePlan:
    (item,) = scene.sim.live("c")
    item.mounted = False
    return scene.terraform.plan()


def test_a_cloud_port_that_takes_an_answer_for_the_fact_is_caught() -> None:
    """By EC2's own refusal: the volume is still in use when it is attached again."""
    scene = make_scene(3)
    scene.sim.times.move = 400
    world = scene.world()
    world.cloud = HastyCloud(scene.sim)
    with pytest.raises(ImmtfError, match=r"VolumeInUse|unexpected state|volumes: "):
        carry_out(scene, scene.plan().works, Executor(world, scene.patience(), Ledger(0.0)))


def test_a_state_that_lost_a_volume_is_caught() -> None:
    """By the property on the data, or before: no blank volume takes the place of the one that was lost."""
    scene = make_scene(3)
    scene.terraform = LosingTerraform(scene.sim, scene.terraform.wishes, outputs=scene.terraform.outputs)
    lost = scene.terraform.lose("b")
    with pytest.raises(ImmtfError):
        scene.upgrade()
    assert scene.sim.volumes[lost.identity].mark
    assert scene.sim.healthy("b")


def test_a_node_at_its_target_that_is_rolled_again_is_caught() -> None:
    """By the property that no node is made twice."""
    scene = make_scene(3)
    at_target(scene, "b")
    (work,) = [work for work in scene.plan().works if work.node.key == "b"]
    (other,) = [work for work in scene.plan().works if work.node.key == "a"]
    steps = tuple(dataclasses.replace(step, node=work.node) for step in other.steps)
    scene.terraform.sim.state['module.server["b"].aws_instance.this'].tainted = True
    carry_out(scene, [dataclasses.replace(work, steps=steps, row=other.row)])
    assert scene.rolled()["b"] == 1
    assert any(isinstance(step, ApplyNode) for step in steps)
