"""Which snapshot is of this stop, and which may go."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.model.cloud import VolumeSnapshot
from immtf.plan.snapshots import INSTANCE_TAG, RUN_TAG, restore_command, since_the_stop, superfluous
from tests.fakes.builders import make_instance, make_now, make_place, make_volume


def snap(started: float, *, run: str = "r0", instance: str = "i-a", state: str = "completed", name: str = "") -> VolumeSnapshot:
    tags = {RUN_TAG: run, INSTANCE_TAG: instance}
    return VolumeSnapshot(name or f"snap-{started:g}", "vol-a", state, started, {key: value for key, value in tags.items() if value})


STOPPED = dataclasses.replace(make_instance("stopped"), launched=100.0)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ([], None),
        ([snap(150)], "snap-150"),
        ([snap(100)], "snap-100"),
        ([snap(150), snap(160, state="pending")], "snap-160"),
        ([snap(150), snap(160, state="error")], "snap-150"),
        ([snap(99)], None),
        ([snap(150, instance="i-old")], None),
        ([snap(150, instance="")], None),
    ],
)
def test_a_snapshot_of_this_stop(known: list[VolumeSnapshot], found: str | None) -> None:
    """F48: an instance that somebody started again has written since; the API's own two times tell."""
    seen = since_the_stop(known, make_now(STOPPED, make_volume()))
    assert (seen.snapshot_id if seen else None) == found


@pytest.mark.parametrize("state", [None, "terminated", "shutting-down"])
def test_an_instance_that_is_gone_writes_no_more(state: str | None) -> None:
    """F16."""
    instance = dataclasses.replace(STOPPED, state=state) if state else None
    assert since_the_stop([snap(50)], make_now(instance, make_volume())) is not None


def test_without_an_instance_in_the_state_no_snapshot_is_known_to_be_of_its_stop() -> None:
    nameless = dataclasses.replace(make_now(None, make_volume()), place=make_place(instance_id=""))
    assert since_the_stop([snap(50, instance="none"), snap(60, instance="")], nameless) is None


@pytest.mark.parametrize(
    ("known", "keep", "gone"),
    [
        ([snap(3), snap(1), snap(2)], 3, []),
        ([snap(3), snap(1), snap(2)], 1, ["snap-1", "snap-2"]),
        ([snap(3, run="now"), snap(1, run="now"), snap(2)], 1, ["snap-2"]),
        ([snap(3), snap(1, run=""), snap(2)], 1, ["snap-2"]),
        ([snap(3, state="error"), snap(2), snap(1)], 1, ["snap-1", "snap-3"]),
        ([snap(3, state="pending", run="now"), snap(2), snap(1)], 1, ["snap-1"]),
        ([snap(3), snap(2, state="pending"), snap(1)], 1, ["snap-1"]),
    ],
)
def test_what_is_beyond_those_kept(known: list[VolumeSnapshot], keep: int, gone: list[str]) -> None:
    """The oldest first; never one of this run, nor one that immtf did not take. One in error is none that is kept, and one
    that is not complete yet takes no other one's place.
    """
    assert [item.snapshot_id for item in superfluous(known, keep, "now")] == gone


SNAPS = st.lists(
    st.builds(
        snap, st.integers(0, 9).map(float), run=st.sampled_from(["", "r0", "now"]), state=st.sampled_from(["completed", "error", "pending"])
    ),
    unique_by=lambda item: item.started,
)


@given(SNAPS, st.integers(1, 4))
def test_enough_good_ones_are_always_left(known: list[VolumeSnapshot], keep: int) -> None:
    gone = superfluous(known, keep, "now")
    left = [item for item in known if item not in gone]
    own = [item for item in known if item.tags.get(RUN_TAG) and item.state == "completed"]
    assert sum(item in own for item in left) >= min(keep, len(own))
    assert [item for item in gone if item.tags.get(RUN_TAG) in {None, "now"}] == []


@pytest.mark.parametrize(("kind", "ending"), [("gp3", " --volume-type gp3"), ("", "")])
def test_the_command_that_restores(kind: str, ending: str) -> None:
    volume: Any = dataclasses.replace(make_volume(), kind=kind)
    wanted = f"aws ec2 create-volume --snapshot-id snap-7 --availability-zone eu-west-1a{ending}"
    assert restore_command(snap(7), volume) == wanted
