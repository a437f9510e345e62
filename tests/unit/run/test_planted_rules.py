"""More faults planted on purpose: of leases, marks, snapshots, overrides, and of resuming. The list is in `test_planted_faults`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.errors import GateFailed, ImmtfError, Interrupted, LeaseLost, PersonNeeded, PlanRefused
from immtf.model.block import VolumeSpec
from immtf.model.events import NodeStarted
from immtf.model.steps import MarkVolumes, ProveVolumes, SettleNode, SnapshotVolumes, SpareNode, StopNode
from immtf.plan.judge import acting, judge_node
from immtf.run.executor import Executor
from immtf.run.ledger import Ledger
from immtf.run.moves import Limits
from immtf.run.upgrade import Upgrade
from tests.fakes.calls import Crash, Fault
from tests.fakes.planted import BlindService, DeafCancel, EagerCloud, HastyExecutor, Permissive, WaveringCloud, carry_out, without
from tests.fakes.simulation import INSTANCE, MOUNT, Violation
from tests.fakes.tfplan import Wishes
from tests.fakes.watch import Watch
from tests.fakes.world import FLAWS, Scene, make_scene

if TYPE_CHECKING:
    from immtf.model.steps import NodeWork


def work_of(scene: Scene, key: str) -> NodeWork:
    """Return what is planned for a node."""
    (work,) = [work for work in scene.plan().works if work.node.key == key]
    return work


@pytest.mark.parametrize("fenced", [True, False])
def test_a_run_that_asks_for_no_lease_is_caught(fenced: bool) -> None:
    """18, by the rule on changes after the lease was lost. F12: with the fence the same run makes none."""
    scene = make_scene(3)
    watch = Watch(scene)
    if fenced:
        scene.guard = watch.guard
    scene.sim.clock.after(30, watch.lose_lease)
    with pytest.raises(LeaseLost if fenced else Violation, match="lease"):
        scene.upgrade()


def test_a_first_boot_mark_given_to_a_node_with_data_is_caught() -> None:
    """19, by the rule that no volume is formatted. F21: without the fault the blank volume is left as it is."""
    scene = make_scene(3)
    FLAWS["detached"](scene, "b")
    scene.sim.volumes[scene.first["b"][0]].filesystem = ""
    Watch(scene)
    work = work_of(scene, "b")
    with pytest.raises(GateFailed):
        carry_out(scene, [work])
    mistaken = dataclasses.replace(work, row=dataclasses.replace(work.row, action="create"), steps=(MarkVolumes(work.node),))
    with pytest.raises(Violation, match="was formatted"):
        carry_out(scene, [mistaken])


@pytest.mark.parametrize("skipped", [False, True])
def test_a_roll_without_its_snapshots_is_caught(skipped: bool) -> None:
    """20, by the property that every volume that was moved has a snapshot from after its stop."""
    scene = make_scene(3)
    cluster = dataclasses.replace(scene.block.clusters["server"], volumes={"data": VolumeSpec("data", MOUNT, snapshots=2)})
    scene.block = dataclasses.replace(scene.block, clusters={"server": cluster})
    plan = scene.plan()
    carry_out(scene, without(plan, SnapshotVolumes) if skipped else plan.works)
    taken = {item.volume_id for item in scene.sim.snapshots.values()}
    assert (taken == {volume for volume, _ in scene.first.values()}) is not skipped


def test_an_override_of_a_hard_rule_is_caught() -> None:
    """21, by the rule on volumes, with a registry in which everything may be overridden; the real one passes none of these."""
    scene = make_scene(3, wishes=Wishes(replaced_volumes={"a"}))
    FLAWS["detached"](scene, "a")
    world = scene.world()
    saved = scene.terraform.plan(targets=['module.server["a"]'])
    world.survey(saved.data)
    (place,) = [place for node, place in world.layout.nodes.items() if node.key == "a"]
    refusals = judge_node(saved.data, place, world.layout, {})
    with pytest.raises(PlanRefused, match=r"\[volume-deleted\]"):
        scene.patience().refuse(refusals, "a")
    dataclasses.replace(scene.patience(), overrides=Permissive()).refuse(refusals, "a")
    with pytest.raises(Violation, match="the volume of a would be deleted"):
        scene.terraform.apply(saved)


@pytest.mark.parametrize("fooled", [False, True])
def test_two_nodes_at_once_are_caught(fooled: bool) -> None:
    """22, by the second look at the quorum; and where that is fooled, by the rule on stops."""
    scene = make_scene(3)
    world = scene.world()
    if fooled:
        world.service = BlindService(scene.sim)
    first, second, _ = scene.plan().works
    both = dataclasses.replace(first, steps=(StopNode(first.node), StopNode(second.node)))
    with pytest.raises(Violation if fooled else GateFailed, match=r"is not healthy|does not answer"):
        carry_out(scene, [both], Executor(world, scene.patience(), Ledger(0.0)))
    assert len(scene.sim.taken) == 1


@pytest.mark.parametrize("hasty", [False, True])
def test_one_look_at_a_detached_volume_is_caught(hasty: bool) -> None:
    """23, by the rule that no instance is destroyed with a volume on it. F14: two looks in a row are not fooled."""
    scene = make_scene(3)
    scene.sim.times.move = 30
    scene.cloud = WaveringCloud
    Watch(scene)
    kind = HastyExecutor if hasty else Executor
    executor = kind(scene.world(), scene.patience(), Ledger(0.0))
    if not hasty:
        scene.upgrade_only(executor)
        assert scene.faults() == []
        return
    with pytest.raises(Violation, match="is destroyed with vol-"):
        carry_out(scene, scene.plan().works, executor)


def test_a_resume_that_goes_on_from_what_was_written_down_is_caught() -> None:
    """24, by the judge: the node that was stopped and detached then runs again now, as somebody brought it back."""
    scene = make_scene(3)
    work = work_of(scene, "b")
    carry_out(scene, [dataclasses.replace(work, steps=work.steps[:-3])])
    (item,) = scene.sim.live("b")
    scene.sim.attach(scene.sim.volumes[scene.first["b"][0]], item)
    scene.sim.start(item)
    scene.sim.clock.sleep(60)
    with pytest.raises(PlanRefused, match=r"\[running-instance\]"):
        carry_out(scene, [dataclasses.replace(work, steps=work.steps[-3:])])
    assert scene.sim.healthy("b")


def test_a_success_without_evidence_is_caught() -> None:
    """25, by the last look, that a full plan is empty. F37: and by the proof on the present instance, where that is asked."""
    scene = make_scene(3)
    plan = scene.plan()
    counted = without(plan, *{type(step) for work in plan.works for step in work.steps} - {SpareNode, SettleNode})
    executor = scene.executor()
    executor.world.survey(scene.terraform.plan().data)
    with pytest.raises(PersonNeeded, match="a full plan is not empty"):
        Upgrade(executor).perform(dataclasses.replace(plan, works=tuple(counted)))
    with pytest.raises(GateFailed, match="is made from ami-old, wanted ami-new"):
        carry_out(scene, [dataclasses.replace(work, steps=(ProveVolumes(work.node),)) for work in plan.works])


def test_a_run_that_looks_for_no_strays_is_caught() -> None:
    """26, by the volume on it or EC2's refusal of the address: the instance that a killed Terraform made would be made again. F7."""
    scene = make_scene(3)
    scene.terraform.survives = False
    scene.sim.calls.faults = [Fault(Crash(), "part.create:b", when="after")]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    world = scene.world()
    world.tags = {}
    executor = Executor(world, scene.patience(), Ledger(0.0))
    with pytest.raises(ImmtfError, match=r"in use|volume-elsewhere"):
        scene.upgrade_only(executor)
    assert scene.rolled()["b"] == 1


def test_a_wait_without_a_limit_is_caught() -> None:
    """27, by the clock, which no run may sleep through. F13: with its limit the same wait ends with a person."""
    scene = make_scene(3)
    scene.sim.stuck = {volume for volume, _ in scene.first.values()}
    with pytest.raises(PersonNeeded, match="is detaching"):
        scene.upgrade()
    executor = Executor(scene.world(), scene.patience(), Ledger(0.0), Limits(move_s=float("inf")))
    with pytest.raises(AssertionError, match="the run waits for ever"):
        scene.upgrade_only(executor)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_run_that_hears_no_wish_to_end_is_caught(deaf: bool) -> None:
    """28, by the property that no node is begun after the wish. S1: without the fault the node in progress is the last."""
    scene = make_scene(3)
    scene.cancel = DeafCancel() if deaf else scene.cancel
    late: list[str] = []
    scene.listener = lambda event: late.append(event.node) if isinstance(event, NodeStarted) and scene.cancel.asked else None
    scene.sim.clock.after(25, lambda: setattr(scene.cancel, "asked", True))
    if deaf:
        scene.upgrade()
        assert len(late) == 2
        return
    with pytest.raises(Interrupted):
        scene.upgrade()
    assert late == []


def test_an_instance_taken_for_stopped_too_early_is_caught() -> None:
    """29, by the rule on volumes: a guest that is still stopping may be writing."""
    scene = make_scene(3)
    Watch(scene)
    scene.cloud = EagerCloud
    with pytest.raises(Violation, match="was to come out of a running instance"):
        scene.upgrade()


def test_the_watch_sees_an_apply_that_nobody_judged() -> None:
    """By the watch itself: the plan is one node's, and right, and was not told to be judged."""
    scene = make_scene(3)
    FLAWS["detached"](scene, "a")
    Watch(scene)
    saved = scene.terraform.plan(targets=['module.server["a"]'])
    assert INSTANCE in {row.type for row in acting(saved.data)}
    with pytest.raises(Violation, match="not judged"):
        scene.terraform.apply(saved)
