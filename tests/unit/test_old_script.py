"""The faults of the shell script of 2016 that this tool replaces, one test each: what it did wrong is done right here.

(That the newest image is picked, where the script picked the oldest, is shown in `tests/unit/plan/test_image.py`.)
"""

from __future__ import annotations

import pytest

from immtf.errors import GateFailed, PersonNeeded, PlanRefused, TerraformFailed
from immtf.model.events import Noted, PlanJudged
from immtf.model.service import Answer
from immtf.plan.facts import facts_script, first_boot_script, mark_script
from immtf.plan.quorum import judge_spare, judge_whole
from tests.fakes.builders import C, make_mark, make_peer, make_view
from tests.fakes.calls import Fault
from tests.fakes.simulation import NEW
from tests.fakes.tfplan import Wishes
from tests.fakes.world import make_scene


@pytest.mark.parametrize("nth", [1, 2])
def test_a_failed_plan_is_no_change(nth: int) -> None:
    """F1. The script read exit 1 as "changes" and stopped a production node. Neither the full plan nor a node's own may do so."""
    scene = make_scene(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("exit 1: no credentials"), "terraform.plan", nth=nth)]
    with pytest.raises(TerraformFailed):
        scene.upgrade()
    assert scene.sim.calls.count("cloud.stop") == 0
    assert all(scene.sim.healthy(key) for key in scene.sim.keys)


def test_thirteen_members_are_not_three() -> None:
    """The script looked for the character 3 in a count of gossip members; 13 has one too."""
    view = make_view(peers=[make_peer(f"10.0.0.{index}") for index in range(1, 14)])
    verdict = judge_whole(view, 3)
    assert not verdict.held
    assert "13 voters, expected 3" in verdict.reason
    assert "peers that are no node of the block" in verdict.reason


def test_three_alive_of_five_are_not_three_of_three() -> None:
    """The same count said 3 when two of five were dead."""
    dead = {key: Answer(problem="refused") for key in "de"}
    view = make_view(5, peers=[make_peer(f"10.0.0.{index}", healthy=index < 4) for index in range(1, 6)], answers=dead)
    assert not judge_whole(view, 5).held
    assert not judge_spare(view, C).held


def test_gossip_members_that_do_not_vote_are_nobody() -> None:
    """The script counted who was heard of, not who votes."""
    view = make_view(peers=[make_peer("10.0.0.1"), make_peer("10.0.0.2"), make_peer("10.0.0.3", voter=False)])
    assert not judge_whole(view, 3).held


def test_the_mount_is_checked() -> None:
    """F20. The script attached the volume and believed that it was mounted; the service came up on the root disk, healthy."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "root-disk"
    with pytest.raises(GateFailed, match="nothing is mounted at /var/lib/consul"):
        scene.upgrade()
    assert sum(scene.rolled().values()) == 1


@pytest.mark.parametrize("script", [facts_script(["/data"]), mark_script("/data", make_mark()), first_boot_script("/data", "vol-a")])
def test_nothing_that_is_run_on_a_node_can_format(script: str) -> None:
    """F21. The script ran `mkfs` after any failure of `blkid`."""
    assert "mkfs" not in script
    assert "blkid" not in script
    assert "wipefs" not in script


def test_a_volume_that_was_formatted_is_seen_and_stays_seen() -> None:
    """F21. The filesystem's identity and the mark are compared; no second run takes the new filesystem for good."""
    scene = make_scene(3)
    scene.sim.images[NEW] = "formats"
    with pytest.raises(GateFailed, match="these are not the data that were there"):
        scene.upgrade()
    with pytest.raises(PersonNeeded, match="was it formatted"):
        scene.upgrade()
    assert sum(scene.rolled().values()) == 1


def test_what_is_applied_is_the_very_plan_that_was_judged() -> None:
    """The script planned a second time, so what it applied was not what had been looked at."""
    scene = make_scene(3)
    scene.upgrade()
    applied = [saved for saved in scene.terraform.applied if saved.data.changes]
    judged = [event.allowed for event in scene.events if isinstance(event, PlanJudged)]
    assert [
        tuple(f"{row.address}: {'/'.join(row.actions)}" for row in saved.data.changes if not row.is_noop) for saved in applied
    ] == judged
    assert all(any(saved is made for made in scene.terraform.made) for saved in applied)


def test_at_the_end_a_full_plan_is_empty() -> None:
    """The one thing of the script to keep."""
    scene = make_scene(3)
    scene.upgrade()
    assert not scene.terraform.plan().changed
    assert Noted("info", "a full plan is empty: everything is as Terraform wants it") in scene.events
    assert scene.sim.calls.log[-2] == "terraform.plan"


def test_a_full_plan_that_is_not_empty_at_the_end_is_an_error() -> None:
    """A change that comes back with every plan can never settle, and is told."""
    wishes = Wishes(shared={"null_resource.clock": False}, restless=True)
    scene = make_scene(3, wishes=wishes)
    with pytest.raises((PersonNeeded, PlanRefused), match=r"null_resource.clock"):
        scene.upgrade()
