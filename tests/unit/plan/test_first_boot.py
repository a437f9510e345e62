"""What is not mounted: blank, being checked, or nothing known; who may have a blank volume formatted; and what has to stay the same."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from immtf.model.guest import GuestFacts, Mount
from immtf.plan.custody import FIRST_BOOT_S, RECOVERY_S, blank_volumes, described, judge_arrived, judge_custody, judge_kept, may_format
from tests.fakes.builders import A, B, make_instance, make_mount, make_now, make_place, make_volume

if TYPE_CHECKING:
    from immtf.model.snapshot import NodeNow

ATTACHED = make_volume(("i-a", "attached"))
UNMOUNTED = Mount("/data", mounted=False)


def says(word: str, *, serial: str = "vola", mount: Mount = UNMOUNTED, **differs: Any) -> NodeNow:
    """Return a node whose image says this word of its volume."""
    facts = GuestFacts(mounts=(mount,), statuses={serial: word})
    return dataclasses.replace(make_now(make_instance(), ATTACHED, facts=facts), **differs)


def other(key: str, *, mounted: bool = False, problem: str = "", state: str = "running") -> NodeNow:
    """Return another node of the cluster."""
    facts = GuestFacts(problem=problem, mounts=(make_mount(mounted=mounted, mark=None),))
    return dataclasses.replace(make_now(make_instance(state, f"i-{key}"), facts=facts), place=make_place(key))


def test_a_blank_volume_stays_as_it_is_and_says_why() -> None:
    """F21: an upgrade gives no first-boot mark, so no waiting will mend it."""
    verdict = judge_custody("consul", says("blank"))
    assert (verdict.held, verdict.final, verdict.patience_s) == (False, True, 0.0)
    assert verdict.reason == (
        "nothing is mounted at /data: vol-a is blank and waits for a first-boot mark, which only `immtf create` gives"
    )


@pytest.mark.parametrize("word", ["recovering", "fsck"])
def test_a_filesystem_that_is_checked_gets_its_time(word: str) -> None:
    """F22: a state to wait in, with a limit of its own."""
    verdict = judge_custody("consul", says(word))
    assert (verdict.held, verdict.final, verdict.patience_s) == (False, False, RECOVERY_S)
    assert verdict.reason.endswith("the filesystem on vol-a is being checked")


def test_another_word_is_told_and_means_nothing_more() -> None:
    verdict = judge_custody("consul", says("damaged"))
    assert (verdict.final, verdict.patience_s) == (False, 0.0)
    assert verdict.reason == "nothing is mounted at /data (the image says: damaged)"


def test_a_word_for_another_volume_is_none_for_this_one() -> None:
    assert judge_custody("consul", says("blank", serial="volb")).reason == "nothing is mounted at /data"


def test_one_volume_that_is_checked_does_not_excuse_another_that_is_missing() -> None:
    two = make_place()
    wal = dataclasses.replace(two.volumes[0], name="wal", mount="/wal", volume_id="vol-w")
    now = says("recovering", place=dataclasses.replace(two, volumes=(*two.volumes, wal)))
    now = dataclasses.replace(now, volumes={"data": ATTACHED, "wal": make_volume(("i-a", "attached"), volume_id="vol-w")})
    assert judge_custody("consul", now).patience_s == 0.0


@pytest.mark.parametrize(
    ("now", "blank"),
    [
        (says("blank"), ["vol-a"]),
        (says("recovering"), []),
        (says("blank", serial="volb"), []),
        (says("blank", mount=make_mount(mark=None)), []),
        (says("blank", volumes={"data": make_volume(("i-b", "attached"))}), []),
        (says("blank", volumes={"data": None}), []),
        (says("blank", facts=None), []),
        (says("blank", facts=GuestFacts(problem="silent", statuses={"vola": "blank"})), []),
        (says("blank", facts=GuestFacts(statuses={"vola": "blank"})), []),
        (says("blank", place=make_place(mount="")), []),
    ],
)
def test_which_volumes_are_blank(now: NodeNow, blank: list[str]) -> None:
    """F18, F21: the image's word counts only for a volume that the cloud shows on this very instance, with nothing at its place."""
    assert [place.volume_id for place in blank_volumes(now)] == blank


@pytest.mark.parametrize(
    ("now", "held"),
    [(says("blank"), True), (says("recovering"), False), (says("", mount=make_mount(mark=None)), True), (says("", facts=None), False)],
)
def test_a_volume_has_arrived_when_it_is_mounted_or_found_blank(now: NodeNow, held: bool) -> None:
    assert judge_arrived("consul", now).held is held


NOBODY: dict[str, Any] = {"made": (), "accepted": (), "snapshotted": ()}


def test_what_this_run_made_may_be_formatted_and_what_a_person_accepted() -> None:
    """Whatever the others have: a node added to a cluster that serves is new."""
    serving = [other("b", mounted=True), other("c", problem="silent")]
    assert may_format(says("blank"), serving, **{**NOBODY, "made": [A]}) == ""
    assert may_format(says("blank"), serving, **{**NOBODY, "accepted": ["server/a"], "snapshotted": ["vol-a"]}) == ""
    assert may_format(says("blank"), serving, **{**NOBODY, "made": [B]}) != ""


def test_an_interrupted_create_is_finished_where_nobody_uses_anything() -> None:
    nodes = [says("blank"), other("b"), other("c", state="terminated", problem="not there")]
    assert may_format(says("blank"), nodes, **NOBODY) == ""


@pytest.mark.parametrize(
    ("nodes", "snapshotted", "why"),
    [
        ([other("b", mounted=True)], (), "server/b of its cluster has a volume in use"),
        ([other("b", problem="silent")], (), "server/b can't be asked"),
        ([], ["vol-a"], "immtf took a snapshot of it once, so it held data"),
        ([], None, "not known yet"),
    ],
)
def test_a_volume_that_may_have_been_emptied_is_not_formatted(nodes: list[NodeNow], snapshotted: Any, why: str) -> None:
    """F21: a blank volume beside ones in use looks like one that somebody emptied."""
    assert may_format(says("blank"), nodes, **{**NOBODY, "snapshotted": snapshotted}) == why


@pytest.mark.parametrize(("launched", "formatted"), [(100.0 + FIRST_BOOT_S, True), (101.0 + FIRST_BOOT_S, False)])
def test_a_volume_that_had_another_instance_before_is_not_formatted(launched: float, formatted: bool) -> None:
    """F21, F48: also where every node of the cluster calls its volume blank: a new image may see nothing of what stands on them."""
    instance = dataclasses.replace(make_instance(), launched=launched)
    now = says("blank", instance=instance, volumes={"data": dataclasses.replace(ATTACHED, created=100.0)})
    why = may_format(now, [now, other("b")], **NOBODY)
    assert why == ("" if formatted else "vol-a is older than its instance by more than 60 minutes: it had another one before")
    assert may_format(now, [now], **{**NOBODY, "accepted": ["server/a"]}) == ""


def test_a_node_that_uses_one_of_its_volumes_is_in_use_itself() -> None:
    two = dataclasses.replace(says("blank"), facts=GuestFacts(mounts=(UNMOUNTED, make_mount(path="/wal")), statuses={"vola": "blank"}))
    assert "server/a of its cluster" in may_format(two, [two], **NOBODY)


@pytest.mark.parametrize(
    ("after", "held", "final", "reason"),
    [
        ({}, True, False, "vol-a (10 GiB, eu-west-1a)"),
        ({"size_gib": 20}, True, False, "vol-a (20 GiB, eu-west-1a)"),
        ({"size_gib": 9}, False, True, "volume data was vol-a (10 GiB, eu-west-1a), and is vol-a (9 GiB, eu-west-1a)"),
        ({"zone": "eu-west-1b"}, False, True, "and is vol-a (10 GiB, eu-west-1b)"),
        ({"volume_id": "vol-b"}, False, True, "and is vol-b (10 GiB, eu-west-1a)"),
        (None, False, False, "and is not found"),
    ],
)
def test_volumes_stay_what_they_were(after: dict[str, Any] | None, held: bool, final: bool, reason: str) -> None:
    """F18, F37: id, zone and size before and after; growing is what Terraform may do in place."""
    volume = dataclasses.replace(ATTACHED, **after) if after is not None else None
    verdict = judge_kept({"data": ATTACHED, "new": None}, make_now(make_instance(), volume))
    assert (verdict.held, verdict.final) == (held, final)
    assert verdict.reason.endswith(reason)


def test_a_node_is_described_by_its_volumes() -> None:
    assert described(make_now(make_instance(), ATTACHED)) == "vol-a (10 GiB, eu-west-1a)"
    assert described(make_now(make_instance(), None)) == ""
