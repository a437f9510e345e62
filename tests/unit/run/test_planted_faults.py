"""Faults planted on purpose, each of which the rules or the properties must catch: a test that can't fail shows nothing.

Each fault is a way in which a planner, an executor or a port might be wrong. It is planted by handing in something altered, never by
patching; what catches it is named in the test.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, ImmtfError, PersonNeeded, PlanRefused
from immtf.model.service import Answer, ServiceView
from immtf.model.steps import ApplyNode, DetachVolumes, MarkVolumes, ProveVolumes, SettleNode, SpareNode, StopNode
from immtf.run.executor import Executor
from immtf.run.ledger import Ledger
from tests.fakes.cloud import FakeCloud
from tests.fakes.service import FakeService
from tests.fakes.simulation import NEW, VOLUME, Row, Violation
from tests.fakes.terraform import FakeTerraform
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, at_target, make_scene

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.model.block import Cluster, ConsulGate
    from immtf.model.cloud import Volume
    from immtf.model.names import NodeId
    from immtf.model.steps import NodeWork, Step, UpgradePlan
    from tests.fakes.terraform import FakePlan


def carry_out(scene: Scene, works: Sequence[NodeWork], executor: Executor | None = None) -> None:
    """Carry works out, one after the other, with an executor that may be altered."""
    executor = executor or Executor(scene.world(), scene.patience(), Ledger(0.0))
    executor.world.survey(scene.terraform.plan().data)
    for index, work in enumerate(works, start=1):
        executor.perform(work, index=index, total=len(works))


def without(plan: UpgradePlan, *kinds: type[Step]) -> list[NodeWork]:
    """Return a plan's works with some kinds of steps left out."""
    return [dataclasses.replace(work, steps=tuple(step for step in work.steps if not isinstance(step, kinds))) for work in plan.works]


class BlindService(FakeService):
    """Says that all is well, whatever is."""

    def view(self, gate: ConsulGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        seen = super().view(gate, addresses)
        leader = self.sim.raft.leader or next(iter(addresses.values()))
        peers = tuple(dataclasses.replace(peer, healthy=True, voter=True, lag=0) for peer in seen.peers)
        return ServiceView(addresses, dict.fromkeys(addresses, Answer(leader)), peers)


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


class CountingService(FakeService):
    """Leaves a server that is away out of what it says, and so counts only those that are there."""

    def view(self, gate: ConsulGate, addresses: Mapping[NodeId, str]) -> ServiceView:
        seen = super().view(gate, addresses)
        there = {node: answer for node, answer in seen.answers.items() if not answer.problem}
        peers = tuple(peer for peer in seen.peers if peer.address in {addresses[node] for node in there})
        return ServiceView({node: addresses[node] for node in there}, there, peers, seen.problem)


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


class UnjudgedTerraform(FakeTerraform):
    """Shows one plan and applies another, as a wrapper does that plans a second time."""

    def apply(self, saved: FakePlan) -> None:
        assert saved.data.changes, "the plan that was shown and judged"
        super().apply(self._plan(()))


def test_an_apply_of_another_plan_than_the_judged_one_is_caught() -> None:
    """By the rule on being taken away: the unjudged plan has every node in it."""
    scene = make_scene(3)
    scene.terraform = UnjudgedTerraform(scene.sim, scene.terraform.wishes, outputs=scene.terraform.outputs)
    with pytest.raises((Violation, ImmtfError)) as caught:
        scene.upgrade()
    assert "busy" in str(caught.value) or isinstance(caught.value, Violation)


class ForgetfulTerraform(FakeTerraform):
    """Hands a copy of the plan over to be applied, which nobody has judged."""

    def apply(self, saved: FakePlan) -> None:
        super().apply(dataclasses.replace(saved))


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


class HastyCloud(FakeCloud):
    """Believes a detach as soon as it is asked for, and shows the volume as free."""

    def volumes(self, ids: Collection[str]) -> Mapping[str, Volume]:
        return {
            key: dataclasses.replace(volume, state="available", attachments=()) if _detaching(volume) else volume
            for key, volume in super().volumes(ids).items()
        }


def _detaching(volume: Volume) -> bool:
    return any(tie.state == "detaching" for tie in volume.attachments)


def test_a_cloud_port_that_takes_an_answer_for_the_fact_is_caught() -> None:
    """By EC2's own refusal: the volume is still in use when it is attached again."""
    scene = make_scene(3)
    scene.sim.times.move = 400
    world = scene.world()
    world.cloud = HastyCloud(scene.sim)
    with pytest.raises(ImmtfError, match=r"VolumeInUse|unexpected state|volumes: "):
        carry_out(scene, scene.plan().works, Executor(world, scene.patience(), Ledger(0.0)))


@dataclass
class LosingTerraform(FakeTerraform):
    """Loses the volumes out of the state, so that blank ones would be made in their place."""

    def lose(self, key: str) -> Row:
        return self.sim.state.pop(self.planner.address(VOLUME, key))


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
