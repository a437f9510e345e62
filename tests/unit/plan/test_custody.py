"""Three witnesses for one volume: the cloud, the guest and the mark; each can deny, none alone can affirm."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from immtf.model.guest import GuestFacts
from immtf.plan.custody import judge_attached, judge_custody, judge_image, needs_mark, wanted_mark
from tests.fakes.builders import make_instance, make_mark, make_mount, make_now, make_place, make_volume

if TYPE_CHECKING:
    from immtf.model.snapshot import NodeNow

ATTACHED = make_volume(("i-a", "attached"))


def now(**mount: object) -> NodeNow:
    return make_now(make_instance(), ATTACHED, mount=make_mount(**mount))


def test_all_three_agree() -> None:
    verdict = judge_custody("consul", now())
    assert verdict.held
    assert verdict.reason == "vol-a at /data on i-a"


@pytest.mark.parametrize(
    ("mount", "reason", "final"),
    [
        ({"mounted": False}, "nothing is mounted at /data", False),
        ({"serial": "volb"}, "/data is on volb, not on vol-a", True),
        ({"filesystem": ""}, "the filesystem at /data tells no identity", False),
        ({"mark": None}, "no mark at /data: these are not the data that were there", True),
        ({"mark": None, "mark_problem": "the mark can't be read"}, "the mark can't be read", True),
        ({"mark": make_mark(filesystem="fs-old")}, "filesystem is 'fs-old', wanted 'fs-a'", True),
        ({"mark": make_mark(node="b", volume="vol-b")}, "node is 'b', wanted 'a'; volume is 'vol-b', wanted 'vol-a'", True),
        ({"mark": make_mark(block="etcd")}, "block is 'etcd', wanted 'consul'", True),
        ({"path": "/elsewhere"}, "nothing is mounted at /data", False),
    ],
)
def test_what_the_guest_denies(mount: dict[str, object], reason: str, final: bool) -> None:
    """F18, F20, F21: what waiting can't mend is final."""
    verdict = judge_custody("consul", now(**mount))
    assert (verdict.held, verdict.final) == (False, final)
    assert reason in verdict.reason


@pytest.mark.parametrize("serial", ["", "vol-a", "vola"])
def test_a_serial_is_compared_where_the_device_tells_one(serial: str) -> None:
    """F19: never the letter of the device."""
    assert judge_custody("consul", now(serial=serial, source="/dev/sdf")).held


@pytest.mark.parametrize(
    ("ties", "reason"),
    [
        ([("i-old", "attached")], "vol-a is attached to i-old, wanted attached to i-a"),
        ([("i-a", "attaching")], "vol-a is attaching to i-a"),
        ([("i-a", "busy")], "vol-a is busy to i-a"),
        ([("i-a", "attached"), ("i-b", "attached")], "attached to i-a, attached to i-b"),
        ([], "vol-a is available"),
    ],
)
def test_what_the_cloud_denies(ties: list[tuple[str, str]], reason: str) -> None:
    """F18: even where something that looks right is mounted."""
    verdict = judge_custody("consul", make_now(make_instance(), make_volume(*ties), mount=make_mount()))
    assert not verdict.held
    assert reason in verdict.reason


def test_a_volume_that_is_not_found_is_in_nobodys_custody() -> None:
    assert "can't be found" in judge_custody("consul", make_now(make_instance(), None, mount=make_mount())).reason
    assert "wanted attached to an instance" in judge_attached(None, make_volume(), make_place().volumes[0]).reason


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (make_now(None, ATTACHED), "the node has no instance"),
        (make_now(make_instance(), ATTACHED), "the instance was not asked"),
        (make_now(make_instance(), ATTACHED, facts=GuestFacts(problem="the agent is silent")), "the agent is silent"),
    ],
)
def test_an_instance_that_was_not_heard_proves_nothing(node: NodeNow, reason: str) -> None:
    assert judge_custody("consul", node).reason == reason
    assert not judge_custody("consul", node, marked=False).held


def test_a_missing_mark_is_good_only_before_the_first() -> None:
    assert judge_custody("consul", now(mark=None), marked=False).held
    assert not judge_custody("consul", now(mark=None, mark_problem="torn"), marked=False).held
    assert not judge_custody("consul", now(mark=make_mark(node="b")), marked=False).held


def test_a_volume_that_has_no_mount_point_is_judged_by_the_cloud_alone() -> None:
    raw = dataclasses.replace(make_now(make_instance(), ATTACHED, facts=GuestFacts()), place=make_place(mount=""))
    assert judge_custody("consul", raw).reason == "vol-a on i-a"


def test_a_node_without_volumes() -> None:
    bare = dataclasses.replace(now(), place=dataclasses.replace(make_place(), volumes=()))
    assert judge_custody("consul", bare).reason == "no volumes"


@pytest.mark.parametrize(
    ("mount", "needed"),
    [({"mark": None}, True), ({}, False), ({"mounted": False, "mark": None}, False), ({"mark": None, "mark_problem": "torn"}, False)],
)
def test_who_needs_a_mark(mount: dict[str, object], needed: bool) -> None:
    assert needs_mark(now(**mount), make_place().volumes[0]) is needed


def test_an_instance_that_was_not_asked_needs_no_mark() -> None:
    assert not needs_mark(make_now(make_instance(), ATTACHED), make_place().volumes[0])


def test_the_mark_names_what_it_is_found_on() -> None:
    assert wanted_mark("consul", now(), make_place().volumes[0], make_mount()) == make_mark()


@pytest.mark.parametrize(
    ("node", "image", "held", "final"),
    [
        (make_now(make_instance(image="ami-new")), "ami-new", True, False),
        (make_now(make_instance()), "", True, False),
        (make_now(make_instance()), "ami-new", False, True),
        (make_now(make_instance("stopped", image="ami-new")), "ami-new", False, False),
        (make_now(None), "ami-new", False, False),
    ],
)
def test_success_is_evidence_on_the_present_instance(node: NodeNow, image: str, held: bool, final: bool) -> None:
    """F37."""
    verdict = judge_image(node, image)
    assert (verdict.held, verdict.final) == (held, final)
