"""Volumes made from a snapshot: what has to be true of them before the mark that came with the data is written anew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.model.guest import GuestFacts
from immtf.plan.restore import foreign_marks, from_snapshot, judge_restored
from tests.fakes.builders import make_instance, make_mark, make_mount, make_now, make_volume

if TYPE_CHECKING:
    from immtf.model.snapshot import NodeNow

MADE = replace(make_volume(("i-a", "attached")), snapshot_id="snap-1")
THEIRS = make_mark(node="b", volume="vol-old")


def now(**mount: object) -> NodeNow:
    return make_now(make_instance(), MADE, mount=make_mount(**{"mark": THEIRS, **mount}))


def test_the_mark_of_the_volume_that_the_data_come_from_is_a_witness_and_then_written_anew() -> None:
    """F21: the filesystem is the one that was marked there; node and volume are others here."""
    verdict = judge_restored("consul", now(), "snap-1")
    assert (verdict.held, verdict.reason) == (True, "vol-a at /data made from snap-1")
    ((place, old, new),) = foreign_marks("consul", now(), "snap-1")
    assert (place.volume_id, old, new) == ("vol-a", THEIRS, make_mark())


@pytest.mark.parametrize("mark", [None, make_mark()], ids=["from before the first mark", "taken over already"])
def test_data_without_a_mark_and_data_that_were_taken_over_need_no_other(mark: object) -> None:
    assert judge_restored("consul", now(mark=mark), "snap-1").held
    assert foreign_marks("consul", now(mark=mark), "snap-1") == []


@pytest.mark.parametrize(
    ("mount", "reason", "final"),
    [
        ({"mark": make_mark(block="etcd")}, "the snapshot has data of etcd/server, wanted those of consul/server", True),
        ({"mark": make_mark(cluster="client")}, "the snapshot has data of consul/client, wanted those of consul/server", True),
        ({"filesystem": "fs-new"}, "the filesystem at /data is fs-new, and its mark is of fs-a: it was made anew", True),
        ({"mark": None, "mark_problem": "the mark can't be read"}, "the mark can't be read", True),
        ({"serial": "volb"}, "/data is on volb, not on vol-a", True),
        ({"filesystem": ""}, "the filesystem at /data tells no identity", False),
        ({"mounted": False}, "nothing is mounted at /data", False),
    ],
    ids=["another block", "another cluster", "formatted", "unreadable mark", "another device", "no identity", "not yet mounted"],
)
def test_what_the_guest_denies(mount: dict[str, object], reason: str, final: bool) -> None:
    """F19, F20, F21: what waiting can't mend is final."""
    verdict = judge_restored("consul", now(**mount), "snap-1")
    assert (verdict.held, verdict.final, verdict.reason) == (False, final, reason)


def test_a_blank_snapshot_is_refused() -> None:
    """F21: nothing would be tested."""
    facts = GuestFacts(mounts=(make_mount(mounted=False),), statuses={"vola": "blank"})
    verdict = judge_restored("consul", make_now(make_instance(), MADE, facts=facts), "snap-1")
    assert (verdict.held, verdict.final) == (False, True)
    assert "vol-a is blank" in verdict.reason


def test_another_snapshot_than_was_asked_for_is_refused_whatever_is_on_it() -> None:
    verdict = judge_restored("consul", now(), "snap-2")
    assert (verdict.held, verdict.final, verdict.reason) == (False, True, "vol-a is made from snap-1, wanted snap-2")


def test_a_volume_that_was_made_empty_is_not_judged_here() -> None:
    empty = make_now(make_instance(), make_volume(("i-a", "attached")), mount=make_mount(mark=None))
    assert judge_restored("consul", empty, "snap-1").reason == "none made from a snapshot"
    assert (from_snapshot(empty, "snap-1"), foreign_marks("consul", empty, "snap-1")) == ([], [])


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (make_now(None, MADE, mount=make_mount()), "the node has no instance"),
        (make_now(make_instance(), MADE), "the instance was not asked"),
        (make_now(make_instance(), MADE, facts=GuestFacts(problem="no agent")), "no agent"),
        (make_now(make_instance(), replace(MADE, attachments=()), mount=make_mount()), "vol-a is in-use, wanted attached to i-a"),
    ],
    ids=["no instance", "not asked", "no agent", "not attached"],
)
def test_what_is_not_there_yet_is_waited_for(node: NodeNow, reason: str) -> None:
    verdict = judge_restored("consul", node, "snap-1")
    assert (verdict.held, verdict.final, verdict.reason) == (False, False, reason)
