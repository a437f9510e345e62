"""The loop over many blocks: order, failures and what they stop, requests to end, and what comes of it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import ExitCode
from immtf.model.block_events import BlockEnded, BlocksEnded, BlockStarted, BlockTold
from immtf.model.events import Event, NodeStarted, Noted, RunFinished
from immtf.model.running import RunEnd, RunOrder
from immtf.run.blocks import TELLING, Tally, judge, run_blocks
from immtf.run.gates import Patience
from tests.fakes.block_runs import Course, FakeBlockRuns
from tests.fakes.clock import FakeCancel, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

WELL = {"done", "nothing_to_do", "pending"}
FINISHED = RunFinished("done", 3, 3, None, None, None)


@dataclass
class Scene:
    """Blocks, what they wait for and how their runs go, on a virtual clock; `fails_at` is the event that can't be told."""

    blocks: Sequence[str]
    waits_for: Mapping[str, Collection[str]] = field(default_factory=dict)
    courses: Mapping[str, Course] = field(default_factory=dict)
    parallel: int = 1
    pause: bool = True
    fails_at: int = -1

    def __post_init__(self) -> None:
        self.clock, self.cancel = VirtualClock(), FakeCancel()
        self.told: list[Event] = []
        known = {name: [before for before in names if before in self.blocks] for name, names in self.waits_for.items()}
        self.runs = FakeBlockRuns(self.clock, self.courses, known, self.parallel)

    def emit(self, event: Event) -> None:
        self.told.append(event)
        if len(self.told) == self.fails_at:
            raise OSError("the journal is full")

    def run(self) -> Tally:
        orders = [RunOrder(name, ("create", name)) for name in self.blocks]
        patience = Patience(self.clock, self.cancel, self.emit)
        return run_blocks(self.runs, orders, self.waits_for, patience, parallel=self.parallel, pause=lambda: self.pause)

    def endings(self) -> dict[str, str]:
        return {end.block: end.ending for end in self.run().ends}


CHAIN = {"b": ["a"], "c": ["b"]}


def test_each_begins_when_what_it_waits_for_has_ended_well() -> None:
    scene = Scene("abc", CHAIN, parallel=3)
    tally = scene.run()
    assert [end.ending for end in tally.ends] == ["done"] * 3
    assert tally.code is ExitCode.DONE
    assert scene.runs.begun == ["a", "b", "c"]
    assert [event for event in scene.told if isinstance(event, BlockStarted)][1] == BlockStarted("b", "", 2, 3)


def test_those_that_need_nothing_of_each_other_are_under_way_side_by_side() -> None:
    scene = Scene("abcd", parallel=2)
    scene.run()
    assert scene.runs.most == 2
    assert scene.clock.now < 3


def test_a_block_that_is_no_part_of_the_run_is_no_wait() -> None:
    assert Scene("b", CHAIN).endings() == {"b": "done"}


def test_a_failure_stops_what_waits_for_it_and_nothing_else() -> None:
    scene = Scene("abcd", CHAIN, {"a": Course("failed", 20)})
    tally = scene.run()
    assert {end.block: (end.ending, end.problem) for end in tally.ends} == {
        "a": ("failed", "it broke"),
        "b": ("skipped", "it waits for a, which failed"),
        "c": ("skipped", "it waits for b, which was skipped"),
        "d": ("done", ""),
    }
    assert tally.code is ExitCode.GATE_FAILED
    assert scene.runs.begun == ["a", "d"]


def test_a_block_that_waits_for_two_failed_ones_is_skipped_once() -> None:
    scene = Scene("abc", {"c": ["a", "b"]}, {"a": Course("failed", 1), "b": Course("failed", 1)}, parallel=2)
    assert scene.endings() == {"a": "failed", "b": "failed", "c": "skipped"}
    assert sum(isinstance(event, BlockEnded) for event in scene.told) == 3


def test_a_run_that_cannot_be_begun_has_failed() -> None:
    (end,) = Scene("a", courses={"a": Course(refuses="no memory")}).run().ends
    assert end == RunEnd("a", "failed", 1, "it could not be begun: here: no memory", "mend it")


def test_what_a_run_tells_bears_its_block_and_its_figures_are_kept() -> None:
    started = NodeStarted("server/a", 1, 3, "replace", "follower")
    scene = Scene("a", courses={"a": Course(told=(started, FINISHED), lines=("hello",))})
    tally = scene.run()
    assert [event for event in scene.told if isinstance(event, BlockTold)] == [
        BlockTold("a", started),
        BlockTold("a", FINISHED),
        BlockTold("a", Noted("info", "hello")),
    ]
    assert tally.finished == {"a": FINISHED}
    last = scene.told[-1]
    assert isinstance(last, BlocksEnded)
    assert last.rows[0].seconds >= 1.0


@pytest.mark.parametrize(("pause", "name", "code"), [(True, "SIGTERM", 21), (False, "SIGINT", 130)], ids=["machine", "person"])
def test_a_request_to_end_is_passed_on_once_and_nothing_is_begun_any_more(pause: bool, name: str, code: int) -> None:
    """F21."""
    scene = Scene("abc", {"b": ["a"]}, {"a": Course(after_s=100, on_signal=5)}, pause=pause)
    scene.clock.after(10, lambda: setattr(scene.cancel, "asked", True))
    tally = scene.run()
    assert {end.block: end.ending for end in tally.ends} == {"a": "interrupted", "b": "skipped", "c": "interrupted"}
    assert scene.runs.signals == [(name, ("a",))]
    assert tally.ends[2].exit_code == code
    assert scene.runs.begun == ["a"]


def test_a_second_request_is_passed_on_too_and_a_third_is_not() -> None:
    """F21."""
    scene = Scene("a", courses={"a": Course(after_s=100, on_signal=None)})
    scene.clock.after(10, lambda: setattr(scene.cancel, "asked", True))
    scene.clock.after(20, lambda: setattr(scene.cancel, "urgent", True))
    assert scene.endings() == {"a": "done"}
    assert [name for name, _ in scene.runs.signals] == ["SIGTERM", "SIGTERM"]
    assert scene.clock.now >= 100


def test_what_was_asked_to_end_before_the_first_block_begins_none() -> None:
    scene = Scene("ab")
    scene.cancel.asked = True
    assert scene.endings() == {"a": "interrupted", "b": "interrupted"}
    assert (scene.runs.begun, scene.runs.signals) == ([], [])


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
def test_a_fault_in_telling_ends_the_runs_in_good_order_before_it_is_raised(fails_at: int) -> None:
    """F47: a journal that can't be written."""
    told = (Noted("info", "x"), Noted("info", "y"))
    scene = Scene("ab", courses={"a": Course(after_s=100, told=told, on_signal=5)}, fails_at=fails_at)
    with pytest.raises(OSError, match="the journal is full"):
        scene.run()
    assert scene.runs.begun in ([], ["a"])
    assert scene.runs.under_way == {}
    assert len(scene.told) == fails_at


def test_blocks_that_wait_for_each_other_end_as_failed() -> None:
    assert Scene("abc", {"a": ["b"], "b": ["a"]}).endings() == {"a": "failed", "b": "skipped", "c": "done"}


def test_a_plan_that_has_changes_is_pending() -> None:
    tally = Scene("ab", {"b": ["a"]}, {"a": Course("pending", 10), "b": Course("nothing_to_do")}).run()
    assert tally.code is ExitCode.CHANGES_PENDING


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [((1, 24), 24), ((20, 1, 130), 20), ((2, 22), 22), ((130, 21), 130), ((77,), 1), ((77, 24), 24), ((23, 24), 23)],
    ids=str,
)
def test_the_code_is_that_of_the_most_telling_failure(codes: Sequence[int], wanted: int) -> None:
    assert judge([RunEnd(str(code), "failed", code) for code in codes]) == wanted
    assert judge([RunEnd("p", "pending", 10), *(RunEnd(str(code), "failed", code) for code in codes)]) == wanted


def test_every_exit_code_has_its_place() -> None:
    assert set(TELLING) == set(ExitCode) - {ExitCode.DONE, ExitCode.CHANGES_PENDING}


ENDS = st.sampled_from(["done", "done", "nothing_to_do", "pending", "failed", "interrupted"])


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Draw blocks that wait for any of those before, with any ends, and a wish to end at some time or never."""
    count = draw(st.integers(0, 12))
    names = [f"b{number}" for number in range(count)]
    waits = {name: draw(st.sets(st.sampled_from(names[:place]))) if place else set() for place, name in enumerate(names)}
    courses = {
        name: Course(
            draw(ENDS),
            draw(st.sampled_from([0, 1, 20, 77])),
            draw(st.floats(0, 50)),
            on_signal=draw(st.sampled_from([None, 0.0, 3.0])),
            refuses=draw(st.sampled_from(["", "", "", "no"])),
        )
        for name in names
    }
    scene = Scene(draw(st.permutations(names)), waits, courses, parallel=draw(st.integers(1, 5)), pause=draw(st.booleans()))
    for wish in ("asked", "urgent"):
        if (when := draw(st.none() | st.floats(0, 60))) is not None:
            scene.clock.after(when, lambda wish=wish: setattr(scene.cancel, wish, True))  # type: ignore[misc]  # a name of a field
    return scene


@given(scene=scenes())
def test_whatever_happens_each_block_has_one_end_and_none_begins_too_early(scene: Scene) -> None:
    """The fake refuses a block that is begun twice, before what it waits for, or beside too many others."""
    tally = scene.run()
    assert [end.block for end in tally.ends] == list(scene.blocks)
    assert sorted(event.block for event in scene.told if isinstance(event, BlockEnded)) == sorted(scene.blocks)
    ends = {end.block: end for end in tally.ends}
    assert all(ends[name].ending == scene.runs.ends[name] for name in scene.runs.begun)
    for name, end in ends.items():
        unwell = [before for before in scene.waits_for[name] if ends[before].ending not in WELL]
        assert (end.ending == "skipped") <= bool(unwell)
        if not scene.cancel.is_set():
            assert (name in scene.runs.begun) == (not unwell)
    assert len(scene.runs.signals) <= 2
    assert (tally.code in {0, 10}) == all(end.ending in WELL for end in tally.ends)


def test_five_hundred_blocks_are_run_without_looking_at_all_for_each() -> None:
    """Every block waits for ten before it: what is counted is how often the waits are looked at."""

    class Counted(dict[str, list[str]]):
        looks = 0

        def get(self, key: str, default: object = None) -> list[str]:  # type: ignore[override]  # a mapping's
            Counted.looks += 1
            return super().get(key, default or [])  # type: ignore[arg-type]  # as above

    names = [f"b{number:03}" for number in range(500)]
    waits = Counted({name: names[max(0, place - 10) : place] for place, name in enumerate(names)})
    scene = Scene(names, {}, parallel=8)
    orders = [RunOrder(name, ()) for name in names]
    tally = run_blocks(scene.runs, orders, waits, Patience(scene.clock, scene.cancel, scene.emit), parallel=8)
    assert tally.code is ExitCode.DONE
    assert Counted.looks == 500
    assert scene.runs.looks < 3 * 500 * 10
