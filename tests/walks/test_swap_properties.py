"""Any node with slots, whatever was begun with it, killed or done to it by hand, ends in the slot that is wanted in the end.

The rules (`tests.fakes.watch`) are held after every call: no two instances of a node serve, no volume comes out of a running instance,
one node is away at a time. What varies from run to run is the image that is wanted, where the run is killed or a call fails, and what
a person does in the console before the next one. F5, F7, F16, F18.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st

from immtf.errors import CloudFailed, GuestFailed, ImmtfError, PersonNeeded, TerraformFailed
from tests.fakes.calls import Crash, Fault
from tests.fakes.simulation import INSTANCE, NEW, OLD
from tests.fakes.slots import make_slotted, slot_of
from tests.fakes.watch import Watch
from tests.fakes.wires import unplug
from tests.walks.test_properties import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.simulation import SimInstance
    from tests.fakes.world import Scene

IMAGES = (OLD, NEW, "ami-third")
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))


def _stop(scene: Scene, item: SimInstance) -> None:
    if item.state == "running":
        scene.sim.stop(item)


def _start(scene: Scene, item: SimInstance) -> None:
    if item.state == "stopped":
        scene.sim.start(item)


def _terminate(scene: Scene, item: SimInstance) -> None:
    scene.sim.terminate(item)


def _detach(scene: Scene, item: SimInstance) -> None:
    volume = scene.sim.on(item)
    if volume is not None and item.state == "stopped":
        scene.sim.detach(volume, item)


def _unplug(scene: Scene, item: SimInstance) -> None:
    for interface in scene.sim.interfaces.values():
        if (interface.owner, interface.tie) == (item.instance_id, "attached") and item.state == "stopped":
            unplug(scene.sim, interface, item)


def _taint(scene: Scene, item: SimInstance) -> None:
    for address, row in scene.sim.state.items():
        if row.kind == INSTANCE and row.identity == item.instance_id:
            scene.sim.state[address] = replace(row, tainted=True)


HANDS: dict[str, Callable[[Scene, SimInstance], None]] = {
    "stop": _stop,
    "start": _start,
    "terminate": _terminate,
    "detach": _detach,
    "unplug": _unplug,
    "taint": _taint,
}


@dataclass(frozen=True)
class Chapter:
    """One run that may go wrong, and what is done by hand after it: to which instance of the node that isn't well, or of any."""

    wanted: str
    fault: tuple[str, int, str, type[BaseException]] | None
    hands: tuple[tuple[str, int], ...]
    node: int
    pause: int

    def play(self, scene: Scene) -> None:
        sim = scene.sim
        sim.wanted = self.wanted
        if self.fault:
            name, nth, when, error = self.fault
            sim.calls.faults = [Fault(error(f"planted in {name}"), name, nth, "before" if when == "before" else "after")]
        try:
            scene.upgrade()
        except (Crash, ImmtfError) as error:
            note(f"ended with {error!r}")
        sim.calls.revive()
        unwell = [key for key in sim.keys if not sim.healthy(key)]
        key = (unwell or sim.keys)[self.node % len(unwell or sim.keys)]
        for name, which in self.hands if len(unwell) <= 1 else ():
            items = sim.live(key)
            if items:
                HANDS[name](scene, items[which % len(items)])
            sim.clock.sleep(self.pause)


def chapters() -> st.SearchStrategy[Chapter]:
    return st.builds(
        Chapter,
        st.sampled_from(IMAGES),
        st.one_of(st.none(), faults(Crash, CloudFailed, GuestFailed, TerraformFailed)),
        st.lists(st.tuples(st.sampled_from(sorted(HANDS)), st.integers(0, 2)), max_size=3).map(tuple),
        st.integers(0, 2),
        st.sampled_from([0, 3, 30]),
    )


def end_well(scene: Scene, wanted: str) -> None:
    """Upgrade until it is done, as a person does who follows what is said; then nothing may be amiss."""
    scene.sim.wanted = wanted
    ended = scene.converge(runs=4)
    note(f"runs ended with {ended}")
    assert scene.faults() == []
    assert all(item.slot == slot_of(wanted) for key in scene.sim.keys for item in scene.sim.live(key))
    scene.upgrade()


@BOUNDED
@given(st.integers(0, 2), st.booleans(), st.lists(chapters(), min_size=1, max_size=3), st.sampled_from(IMAGES))
@example(
    1,
    True,
    [
        Chapter(NEW, ("service.*", 37, "after", TerraformFailed), (("stop", 0),), 1, 30),
        Chapter("ami-third", None, (("stop", 1), ("detach", 1)), 2, 30),
        Chapter(NEW, None, (("stop", 2), ("unplug", 0), ("taint", 0)), 1, 0),
    ],
    NEW,
)  # stopped and marked as unfinished, with the node's address on it
def test_whatever_was_begun_and_done_by_hand_the_node_ends_in_the_wanted_slot(
    leader: int, addressed: bool, story: list[Chapter], wanted: str
) -> None:
    scene = make_slotted(3, leader=leader, addressed=addressed)
    scene.sim.images["ami-third"] = "good"
    Watch(scene)
    for chapter in story:
        chapter.play(scene)
    end_well(scene, wanted)


@BOUNDED
@given(st.lists(st.tuples(st.sampled_from(IMAGES), st.integers(1, 12), st.sampled_from(["before", "after"])), min_size=1, max_size=2))
def test_where_terraform_dies_with_the_run_no_instance_is_lost_or_doubled(story: list[tuple[str, int, str]]) -> None:
    """F7: one that the state doesn't know is taken up, or reported where another image is wanted by then."""
    scene = make_slotted(3)
    scene.sim.images["ami-third"] = "good"
    scene.terraform.survives = False
    Watch(scene)
    for wanted, nth, when in story:
        Chapter(wanted, ("part.*", nth, when, Crash), (), 0, 0).play(scene)
        _end_strays(scene)
    end_well(scene, NEW)


def _end_strays(scene: Scene) -> None:
    """Be the person who is asked about an instance that another image was meant for, and ends it: it has nothing."""
    try:
        scene.upgrade()
    except PersonNeeded as asked:
        note(str(asked))
        named = {row.identity for row in scene.sim.state.values()}
        for item in [item for item in scene.sim.instances.values() if item.live and item.instance_id not in named]:
            assert scene.sim.on(item) is None
            scene.sim.terminate(item)
    except (Crash, ImmtfError) as error:
        note(f"ended with {error!r}")
