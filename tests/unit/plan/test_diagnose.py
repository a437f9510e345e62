"""What is wrong, from one look: each kind of finding with its evidence, who mends it, and what is no finding at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from immtf.model.cloud import VolumeSnapshot
from immtf.model.service import Answer
from immtf.model.snapshot import NodeNow, Snapshot
from immtf.plan.diagnose import Finding, Kind, Seen, diagnose
from immtf.plan.repair import chosen, judge_deposed
from immtf.plan.snapshots import RUN_TAG
from tests.fakes.builders import (
    A,
    B,
    C,
    make_change,
    make_instance,
    make_peer,
    make_place,
    make_plan_data,
    make_state,
    make_view,
    make_volume,
)

if TYPE_CHECKING:
    from immtf.model.cloud import Instance

WELL = make_view()
THIS = 'module.server["a"].aws_instance.this'
VOLUME = 'module.server["a"].aws_ebs_volume.data'


def make_node(key: str = "a", state: str = "running", **differs: Any) -> NodeNow:
    volume = make_volume((f"i-{key}", "attached"), volume_id=f"vol-{key}")
    return replace(NodeNow(make_place(key), make_instance(state, f"i-{key}"), {"data": volume}), **differs)


def make_seen(node: NodeNow | None = None, **differs: Any) -> Seen:
    """Return a look at a healthy cluster, but for this node."""
    nodes = {A: make_node("a"), B: make_node("b"), C: make_node("c")}
    nodes |= {node.node: node} if node else {}
    services = differs.pop("services", {"server": WELL})
    return Seen(**{"snapshot": Snapshot(nodes, services=services), "state": make_state({}), **differs})


def found(seen: Seen) -> list[tuple[str, bool]]:
    """Return what is found, and whether a machine mends it."""
    return [(finding.id, finding.repairable) for finding in diagnose(seen)]


def stray(name: str = "i-next", node: str = "a") -> Instance:
    return replace(make_instance(instance_id=name), tags={"immtf:node": node})


def test_nothing_is_wrong_with_a_healthy_cluster() -> None:
    assert diagnose(make_seen()) == ()


LOOSE_VOLUME = {"data": make_volume(volume_id="vol-a")}
TAINTED = replace(make_place("a"), tainted=True)


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (make_node(state="stopped"), [("stopped-node:server/a", True)]),
        (make_node(state="stopping"), []),
        (make_node(state="pending"), []),
        (make_node(volumes=LOOSE_VOLUME), [("detached-volume:server/a/data", True)]),
        (make_node(state="stopped", volumes=LOOSE_VOLUME), [("detached-volume:server/a/data", True), ("stopped-node:server/a", True)]),
        (make_node(place=TAINTED), [("tainted:server/a", True)]),
        (make_node(place=TAINTED, state="stopped"), [("stopped-node:server/a", False), ("tainted:server/a", False)]),
        (make_node(instance=None, volumes=LOOSE_VOLUME), [("no-instance:server/a", False)]),
        (make_node(state="terminated", volumes=LOOSE_VOLUME), [("no-instance:server/a", False)]),
        (make_node(instance=None, volumes=LOOSE_VOLUME, strays=(stray(),)), [("orphan-instance:i-next", True)]),
        (make_node(instance=None, volumes=LOOSE_VOLUME, strays=(stray(), stray("i-b"))), [("orphan-instance:i-next, i-b", False)]),
        (make_node(strays=(stray(),)), [("orphan-instance:i-next", False)]),
        (make_node(volumes={"data": None}), [("lost-volume:server/a/data", False)]),
        (make_node(state="stopped", volumes={"data": make_volume(("i-x", "attached"))}), [("volume-elsewhere:server/a/data", False)]),
    ],
)
def test_a_node_that_lacks_something(node: NodeNow, wanted: list[tuple[str, bool]]) -> None:
    """F5, F6, F7, F18: a stopped node, a tainted one, an instance outside the state, a volume on another's instance."""
    assert found(make_seen(node)) == wanted


def test_the_instance_that_waits_for_the_state_may_hold_the_volume() -> None:
    """F7: an interrupted apply got as far as the attachment."""
    held = {"data": make_volume(("i-next", "attached"), volume_id="vol-a")}
    assert found(make_seen(make_node(instance=None, volumes=held, strays=(stray(),)))) == [("orphan-instance:i-next", True)]
    assert found(make_seen(make_node(volumes=held, strays=(stray(),)))) == [("volume-elsewhere:server/a/data", False)]


def test_a_server_that_does_not_answer_is_for_a_person() -> None:
    view = make_view(answers={"b": Answer(problem="connection refused")})
    (finding,) = diagnose(make_seen(services={"server": view}))
    assert (finding.id, finding.repairable) == ("sick-node:server/b", False)
    assert "connection refused" in finding.evidence


def test_without_a_service_nobody_is_called_sick() -> None:
    assert diagnose(make_seen(services={})) == ()


@pytest.mark.parametrize(("healthy", "mendable"), [(False, True), (True, False), (None, False)])
def test_a_stale_peer_goes_only_where_it_is_dead_and_quorum_stays(healthy: bool | None, mendable: bool) -> None:
    """F29."""
    peers = [*WELL.peers, make_peer("10.9.9.9", healthy=healthy)]
    assert found(make_seen(services={"server": make_view(peers=peers)})) == [("stale-peer:server/10.9.9.9", mendable)]


def test_the_seat_of_a_node_without_an_instance_is_not_stale() -> None:
    """F29: it comes back to it."""
    view = make_view(peers=[*WELL.peers, make_peer("10.9.9.9", healthy=False)])
    view = replace(view, addresses={**view.addresses, A: ""})
    assert [finding.kind for finding in diagnose(make_seen(services={"server": view}))] == [Kind.SICK]


@pytest.mark.parametrize(
    ("address", "instances", "mendable"),
    [
        (THIS, {"left-over": make_instance("stopped", "left-over")}, True),
        (THIS, {"left-over": make_instance("running", "left-over")}, False),
        (VOLUME, {}, False),
        ("aws_lb.front", {}, False),
    ],
)
def test_a_deposed_object_is_mended_only_where_it_is_a_dead_instance(address: str, instances: Any, mendable: bool) -> None:
    """F40: a volume, or an instance that runs, is a person's to look at."""
    (finding,) = diagnose(make_seen(state=make_state({}, deposed={address: "k1"}), instances=instances))
    assert (finding.id, finding.repairable) == (f"deposed:{address}", mendable)
    assert finding.node == (None if address == "aws_lb.front" else A)


@pytest.mark.parametrize("instances", [{}, {"left-over": make_instance("terminated", "left-over")}])
def test_a_deposed_instance_that_is_gone_stops_nothing(instances: Any) -> None:
    """F40: it leaves the state with the next apply."""
    assert diagnose(make_seen(state=make_state({}, deposed={THIS: "k1"}), instances=instances)) == ()


def test_a_deposed_instance_that_holds_a_volume_is_a_person_s() -> None:
    """F40."""
    node = make_node(state="stopped", volumes={"data": make_volume(("left-over", "attached"), volume_id="vol-a")})
    seen = make_seen(node, state=make_state({}, deposed={THIS: "k1"}), instances={"left-over": make_instance("stopped", "left-over")})
    assert [finding.repairable for finding in diagnose(seen)] == [False, False]


def test_a_deposed_instance_with_disks_of_its_own_is_a_person_s() -> None:
    """F27, F40: its data disks are in no volume's row, and might be deleted with it."""
    disk = {"device_name": "/dev/xvdf", "delete_on_termination": True}
    left = make_state({}, deposed={THIS: "k1"})
    left = replace(left, resources=tuple(replace(item, values={**item.values, "ebs_block_device": [disk]}) for item in left.resources))
    (finding,) = diagnose(make_seen(state=left, instances={"left-over": make_instance("stopped", "left-over")}))
    assert not finding.repairable
    row = make_change(THIS, "delete", deposed="k1", before={"ebs_block_device": [disk]})
    assert [refusal.check for refusal in judge_deposed(make_plan_data(row), THIS, "k1")] == ["data-disk"]


def test_terraform_that_can_not_plan_is_told_with_the_way_on() -> None:
    """F10, F8: a lock's holder is named, and nobody but a person breaks it."""
    (lock,) = diagnose(make_seen(plan_problem="held by ann", lock="terraform force-unlock 7"))
    assert (lock.id, lock.fix, lock.repairable) == ("terraform-lock:state", "terraform force-unlock 7", False)
    (broken,) = diagnose(make_seen(plan_problem="no such variable"))
    assert (broken.id, broken.evidence) == ("plan-fails:root", "no such variable")
    assert broken.fix == "a person mends what Terraform names, then asks again"
    (known,) = diagnose(make_seen(plan_problem="no such variable", plan_next="give it by --var"))
    assert known.fix == "give it by --var"


def test_an_instance_of_no_node_is_told() -> None:
    (finding,) = diagnose(make_seen(loose=(stray("i-loose", "x"),)))
    assert (finding.id, finding.repairable) == ("orphan-instance:i-loose", False)


def test_a_snapshot_of_a_volume_that_no_node_has_is_an_orphan() -> None:
    taken = [VolumeSnapshot(f"snap-{volume}", volume, "completed", 0.0, {RUN_TAG: "r1"}) for volume in ("vol-a", "vol-x")]
    foreign = VolumeSnapshot("snap-y", "vol-y", "completed", 0.0, {})
    assert found(make_seen(snapshots=(*taken, foreign))) == [("orphan-snapshot:snap-vol-x", True)]


def test_findings_come_in_the_order_of_their_mending_and_as_rows() -> None:
    left = {"left-over": make_instance("stopped", "left-over")}
    seen = make_seen(make_node(state="stopped"), state=make_state({}, deposed={THIS: "k1"}), instances=left)
    assert [finding.kind for finding in diagnose(seen)] == [Kind.DEPOSED, Kind.STOPPED]
    row = diagnose(seen)[1].row
    assert (row.id, row.by, row.harm) == ("stopped-node:server/a", "repair", "the node is away: no other one can be spared")


def test_a_snapshot_goes_only_when_it_is_named() -> None:
    kinds = [Finding(kind, "x", "", "", repairable=repairable) for kind in Kind for repairable in (True, False)]
    unasked = chosen(kinds, ())
    assert unasked
    assert all(finding.repairable and finding.kind is not Kind.SNAPSHOT for finding in unasked)
    assert [finding.id for finding in chosen(kinds, ["orphan-snapshot:x"])] == ["orphan-snapshot:x"] * 2


def test_the_plan_that_removes_a_left_over_instance_does_nothing_else() -> None:
    """F40."""
    mine = make_change(THIS, "delete", deposed="k1")
    assert judge_deposed(make_plan_data(mine), THIS, "k1") == []
    for other in (make_change(THIS, "delete"), make_change(THIS, "delete", "create"), make_change(THIS, "delete", deposed="k2")):
        (refusal,) = judge_deposed(make_plan_data(mine, other), THIS, "k1")
        assert refusal.check == "other-node"
    assert judge_deposed(make_plan_data(make_change(VOLUME, "delete", deposed="k1")), VOLUME, "k1")
    assert judge_deposed(make_plan_data(make_change(THIS, "delete")), THIS, "")
    assert [refusal.check for refusal in judge_deposed(make_plan_data(errored=True), THIS, "k1")] == ["plan-errored"]
