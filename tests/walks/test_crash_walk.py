"""The crash walk: a run over three nodes is killed at every event it tells and at every call it makes, each time in a new world.

After each kill the next process starts at once, into the middle of whatever is going on: instances that are stopping, volumes that
are detaching, a Terraform that works on. It has to finish the upgrade, with the rules held after every call (`tests.fakes.watch`), with
no node made twice, no volume left behind and no acknowledged write lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from immtf.errors import PersonNeeded
from tests.fakes.calls import Crash, Fault
from tests.fakes.slots import make_slotted
from tests.fakes.tfplan import Wishes
from tests.fakes.watch import Watch
from tests.fakes.world import Scene, make_scene, may_be_away

Layout = Literal["modules", "keyed", "slots", "leaving", "together"]
ALONE: tuple[Layout, ...] = ("modules", "keyed", "slots", "leaving")
STRIPES = 4
READS = frozenset(
    {"cloud.interfaces", "cloud.instances", "cloud.volumes", "cloud.tagged", "service.view", "guest.facts", "terraform.state"}
)
SHARED = "aws_security_group.server"
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))


@dataclass(frozen=True)
class Kill:
    """A place to be killed at: after an event was told, or before or after the effect of a call; counted from 1."""

    what: Literal["event", "before", "after"]
    nth: int

    def plant(self, scene: Scene) -> None:
        """Have the next run killed here."""
        if self.what != "event":
            scene.sim.calls.faults = [Fault(Crash(str(self)), "*", self.nth, self.what)]
            return
        at = len(scene.events) + self.nth
        scene.listener = lambda _event: scene.sim.calls.kill(str(self)) if len(scene.events) == at else None


def whole(layout: Layout, leader: int = 0) -> Scene:
    """Return a healthy cluster with every node to be rolled and a shared change before them, under watch."""
    if layout in {"slots", "leaving"}:
        scene = make_slotted(3, leader=leader, addressed=layout == "slots", wishes=Wishes(shared={SHARED: False}))
    elif layout == "together":
        scene = may_be_away(make_scene(5, leader=leader, wishes=Wishes(shared={SHARED: False})), 2)
    else:
        scene = make_scene(3, leader=leader, wishes=Wishes(layout, shared={SHARED: False}))
    scene.sim.calls.log.clear()
    Watch(scene)
    return scene


@cache
def walked(layout: Layout) -> tuple[int, tuple[str, ...]]:
    """Return how many events a run tells and which calls it makes, from one that nobody kills."""
    scene = whole(layout)
    scene.upgrade()
    calls = tuple(scene.sim.calls.log)
    assert_whole(scene, "not killed")
    return len(scene.events), calls


def run_killed(scene: Scene, *kills: Kill) -> int:
    """Upgrade, killed at these places one run after the other, then to the end; return how many of the kills came."""
    came = 0
    for kill in kills:
        kill.plant(scene)
        try:
            scene.upgrade()
        except Crash:
            came += 1
        scene.listener = lambda _event: None
        scene.sim.calls.revive()
    scene.upgrade()
    return came


def assert_whole(scene: Scene, at: object) -> None:
    """Everything is as it has to be, and nothing was made twice."""
    assert scene.faults() == [], at
    assert scene.rolled() == dict.fromkeys(scene.sim.keys, 1), at
    assert len(scene.sim.volumes) == len(scene.first), at
    assert scene.sim.raft.acknowledged > 0, at


@pytest.mark.parametrize("stripe", range(STRIPES))
@pytest.mark.parametrize("layout", ALONE)
def test_killed_at_every_event(layout: Layout, stripe: int) -> None:
    """F5: at each event of the run, the first and the last among them."""
    events, _ = walked(layout)
    for nth in range(1 + stripe, events + 1, STRIPES):
        scene, kill = whole(layout), Kill("event", nth)
        assert run_killed(scene, kill) == 1, kill
        assert_whole(scene, kill)


@pytest.mark.parametrize("stripe", range(STRIPES))
@pytest.mark.parametrize("layout", ["modules", "slots"])
def test_killed_before_every_call(layout: Layout, stripe: int) -> None:
    """F5, F7: also where Terraform is about to destroy, to create and to attach; it finishes although its caller is dead."""
    _, calls = walked(layout)
    for nth in range(1 + stripe, len(calls) + 1, STRIPES):
        scene, kill = whole(layout), Kill("before", nth)
        assert run_killed(scene, kill) == 1, kill
        assert_whole(scene, (kill, calls[nth - 1]))


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("what", ["before", "after"])
@pytest.mark.parametrize("layout", ALONE)
def test_killed_at_every_call_that_changes_something(layout: Layout, what: Literal["before", "after"], survives: bool) -> None:
    """F5, F6, F7: before its effect and right after it; Terraform lives on by itself, or dies in the same moment."""
    _, calls = walked(layout)
    for nth, name in enumerate(calls, start=1):
        if name in READS:
            continue
        scene, kill = whole(layout), Kill(what, nth)
        scene.terraform.survives = survives
        assert run_killed(scene, kill) == 1, kill
        assert_whole(scene, (kill, name))


@cache
def first_two() -> tuple[tuple[int, str], ...]:
    """Return the changing calls of a roll of two at a time, with where they come, up to the end of the first two's apply."""
    _, calls = walked("together")
    end = calls.index("part.attach:d")
    return tuple((nth, name) for nth, name in enumerate(calls[: end + 1], start=1) if name not in READS)


@pytest.mark.parametrize("survives", [True, False])
@pytest.mark.parametrize("what", ["before", "after"])
def test_killed_while_two_are_away(what: Literal["before", "after"], survives: bool) -> None:
    """F5, F7, F16: the next run mends both, together, whatever one has already that the other has not."""
    for nth, name in first_two():
        scene, kill = whole("together"), Kill(what, nth)
        scene.terraform.survives = survives
        assert run_killed(scene, kill) == 1, kill
        assert_whole(scene, (kill, name))


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_the_first_marks_are_written(nth: int, when: Literal["before", "after"]) -> None:
    """A volume without a mark beside one that has it may have been emptied: the next run asks, and goes on when it is answered."""
    scene = make_scene(3, marked=False)
    Watch(scene)
    scene.sim.calls.faults = [Fault(Crash(), "guest.mark", nth, when)]
    with pytest.raises(Crash):
        scene.upgrade()
    scene.sim.calls.revive()
    if (nth, when) in {(1, "before"), (3, "after")}:
        scene.upgrade()
    else:
        with pytest.raises(PersonNeeded, match="lost its mark"):
            scene.upgrade()
        executor = scene.executor()
        executor.world.accepted = frozenset({"server/a", "server/b", "server/c"})
        scene.upgrade_only(executor)
    assert_whole(scene, (nth, when))


def kills() -> st.SearchStrategy[Kill]:
    """Return places in a run; those past its end never come."""
    return st.builds(Kill, st.sampled_from(["event", "before", "after"]), st.integers(1, 400))


@BOUNDED
@given(st.sampled_from([*ALONE, "together"]), st.integers(0, 2), st.booleans(), kills(), kills())
def test_killed_and_the_next_run_killed_again(layout: Layout, leader: int, survives: bool, first: Kill, second: Kill) -> None:
    """F5, F7: at any two places; the second may be in the middle of what mends the first."""
    scene = whole(layout, leader)
    scene.terraform.survives = survives
    run_killed(scene, first, second)
    assert_whole(scene, (first, second))
