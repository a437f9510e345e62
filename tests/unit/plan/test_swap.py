"""Steps of a swap in the middle: what has moved, what is to run first, and that nothing is stopped with nowhere to go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.model.cloud import Attachment
from immtf.model.snapshot import ChangeKind, NodeChange, NodeNow, Snapshot
from immtf.model.terraform import StateData
from immtf.plan.decide import Act, Done, Halt, Wait, decide_apply
from immtf.plan.diagnose import Kind, Seen, diagnose
from immtf.plan.judge_slots import judge_remade, judge_retired
from immtf.plan.slots import beside, held, seen_in_slots, serving
from immtf.plan.swap import decide_move, decide_raise, decide_stop_old, has_moved, has_part
from immtf.plan.upgrade import action_of
from tests.fakes.builders import A, make_change, make_instance, make_interface, make_plan_data, make_slotted_place, make_volume
from tests.unit.plan.test_slots import BOTH, MODULE, NEW, OLD, now

ON_OLD, ON_NEW = make_volume(("i-a", "attached")), make_volume(("i-n", "attached"))


def bare(owner: str) -> NodeNow:
    """Return a node without volumes whose interface is on this instance."""
    place = replace(make_slotted_place(slots=BOTH), volumes=())
    instances = {"i-a": make_instance("running", "i-a"), "i-n": make_instance("running", "i-n", "ami-new")}
    return seen_in_slots(NodeNow(place), instances, make_interface(owner) if owner else make_interface())


@pytest.mark.parametrize(
    ("seen", "moved", "part"),
    [
        (now(ON_OLD, make_interface("i-a")), False, False),
        (now(make_volume(), make_interface("i-n")), False, True),
        (now(ON_NEW, make_interface("i-a")), True, True),
        (now(None, None), False, False),
        (bare("i-a"), False, False),
        (bare("i-n"), True, True),
        (bare(""), False, False),
        (replace(bare(""), interface=None), False, False),
        (now(ON_NEW, place=make_slotted_place(slots={OLD: "i-a"})), False, False),
    ],
)
def test_what_has_moved(seen: NodeNow, moved: bool, part: bool) -> None:
    """F5: a node has moved when all that holds data has; without volumes, when its address has."""
    assert (has_moved(seen, NEW), has_part(seen, NEW)) == (moved, part)


def test_a_node_without_volumes_is_the_slot_that_has_its_interface() -> None:
    assert [bare(owner).place.instance_id for owner in ("i-a", "i-n")] == ["i-a", "i-n"]
    assert serving(make_slotted_place(slots=BOTH), {"data": ON_OLD}, make_interface("i-n")).instance_id == "i-a"


def test_of_two_volumes_on_two_slots_nothing_has_moved() -> None:
    """F5: killed in the middle of a move: the one volume is there, the other isn't yet."""
    seen = replace(now(ON_NEW, make_interface()), volumes={"data": ON_OLD, "log": ON_NEW})
    assert not has_moved(seen, NEW)
    assert isinstance(decide_apply(seen), Act)


@pytest.mark.parametrize(
    ("state", "kind"),
    [("running", Done), ("stopped", Act), ("stopping", Wait), ("pending", Wait), ("shutting-down", Wait), ("terminated", Done), ("", Done)],
)
def test_the_wanted_instance_runs_or_is_gone_before_anything_else(state: str, kind: type) -> None:
    """F16: also one that was stopped when it had the volume already."""
    assert isinstance(decide_raise(now(ON_NEW, new=state), NEW), kind)


@pytest.mark.parametrize("state", ["stopped", "stopping", "shutting-down", ""])
def test_nothing_is_stopped_while_the_wanted_instance_does_not_run(state: str) -> None:
    """F16: the node would be away for as long as a new one takes."""
    assert isinstance(decide_stop_old(now(ON_OLD, old="running", new=state), NEW), Halt)
    assert isinstance(decide_stop_old(now(ON_OLD, old="stopped", new=state), NEW), Done)


def test_a_volume_that_hangs_on_a_stranger_besides_is_for_a_person() -> None:
    """F18: a volume with Multi-Attach may hang on several instances."""
    volume = replace(ON_NEW, attachments=(*ON_NEW.attachments, Attachment("i-x", "/dev/xvdf", "attached")))
    assert isinstance(decide_move(now(volume, make_interface("i-n")), NEW), Halt)


def test_an_instance_on_its_way_out_is_not_held() -> None:
    assert held(now(old="terminated"), NEW, both=True) is None
    assert beside(now(ON_NEW, old="terminated")) == []
    assert [item.instance_id for item in beside(now(ON_NEW))] == ["i-a"]


@pytest.mark.parametrize(("after", "refused"), [({"attachment": []}, True), ({"attachment": None}, False), ({"tags": {}}, False)])
def test_the_interface_is_not_taken_off_the_instance_that_serves(after: dict[str, object], refused: bool) -> None:
    """Where its attachment was taken out of the configuration."""
    row = make_change(
        f"{MODULE}.aws_network_interface.this", "update", before={"id": "eni-a", "attachment": [{"instance": "i-n"}]}, after=after
    )
    assert bool(judge_retired(make_plan_data(row), now(ON_NEW))) is refused


@pytest.mark.parametrize("owner", ["", "i-x"])
def test_a_node_whose_address_is_not_with_it_is_found(owner: str) -> None:
    """F18: the instance runs with its volume, and nobody reaches it."""
    place = make_slotted_place(slots={NEW: "i-n"})
    seen = seen_in_slots(NodeNow(place, volumes={"data": ON_NEW}), {"i-n": make_instance("running", "i-n")}, make_interface(owner))
    found = diagnose(Seen(Snapshot({A: seen}), StateData((), serial=1)))
    assert [(item.kind, item.subject, item.repairable) for item in found] == [(Kind.DETACHED, "server/a/address", False)]
    assert ("i-x" in found[0].fix) is bool(owner)


@pytest.mark.parametrize("tainted", [False, True])
def test_the_instance_that_serves_is_not_made_anew_in_its_slot(tainted: bool) -> None:
    """Its address hangs on it; seen before the stop. One whose making was cut off is taken up instead."""
    seen = now(ON_NEW, make_interface("i-n"))
    seen = replace(seen, place=replace(seen.place, tainted=tainted))
    row = make_change(seen.place.instance, "delete", "create", before={"id": "i-n"})
    assert bool(judge_remade(make_plan_data(row), seen)) is not tainted


def test_a_stopped_instance_whose_making_was_cut_off_is_started_in_its_slot() -> None:
    """F7, F16."""
    seen = now(ON_NEW, make_interface("i-n"), new="stopped")
    seen = replace(seen, place=replace(seen.place, tainted=True))
    assert action_of(seen, NodeChange(ChangeKind.REPLACE, slot=NEW, image_id="ami-new")) == "swap"
    assert action_of(replace(seen, place=replace(seen.place, tainted=False)), NodeChange(ChangeKind.REPLACE)) == "replace"
