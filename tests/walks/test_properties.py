"""Any world, killed anywhere, ends where it should: every node at its target, alive, with its own data, and never a rule broken.

The rules themselves stand in `tests.fakes.simulation` and are held at each change; here are the worlds. A world is a cluster of
3, 5 or 7 nodes with a leader anywhere, in either Terraform layout, rolled one by one or several together, with nodes already at the
target and one node broken in one of the known ways. F5, F16, F32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st

from immtf.errors import CloudFailed, GateFailed, GuestFailed, PersonNeeded, TerraformFailed
from immtf.model.events import NodeStarted
from tests.fakes.calls import Crash, Fault
from tests.fakes.tfplan import Wishes
from tests.fakes.world import FLAWS, Scene, at_target, make_scene, may_be_away

if TYPE_CHECKING:
    from immtf.model.block import Spread

PORTS = ("*", "cloud.*", "terraform.*", "part.*", "guest.*", "service.*", "terraform.apply", "cloud.stop", "cloud.detach")
BOUNDED = settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))


@dataclass(frozen=True)
class Start:
    """How a world begins."""

    count: int
    leader: int
    prune: bool
    keyed: bool
    done: frozenset[int]
    flaw: str
    flawed: int
    wished: int = 1
    spread: Spread = "any"

    def scene(self) -> Scene:
        """Build it."""
        scene = make_scene(self.count, leader=self.leader, prune=self.prune, wishes=Wishes("keyed" if self.keyed else "modules"))
        for index in self.done:
            at_target(scene, scene.sim.keys[index % self.count])
        if self.flaw:
            FLAWS[self.flaw](scene, scene.sim.keys[self.flawed % self.count])
        return may_be_away(scene, self.wished, self.spread)


def starts() -> st.SearchStrategy[Start]:
    """Return worlds, half of them broken somewhere. A sick server at its target is nothing that a new instance mends: not here."""
    return st.builds(
        Start,
        st.sampled_from([3, 3, 5, 7]),
        st.integers(0, 6),
        st.booleans(),
        st.booleans(),
        st.frozensets(st.integers(0, 6), max_size=2),
        st.sampled_from(["", "", "", *FLAWS]),
        st.integers(0, 6),
        st.sampled_from([1, 1, 2, 3]),
        st.sampled_from(["any", "zone"]),
    ).filter(lambda start: start.flaw != "sick" or start.flawed % start.count not in {index % start.count for index in start.done})


def faults(*errors: type[BaseException]) -> st.SearchStrategy[tuple[str, int, str, type[BaseException]]]:
    """Return places where a call goes wrong: which calls, the how-manieth of them, before or after its effect.

    A part of an apply fails before its effect only: what Terraform finished it writes down.
    """
    place = st.tuples(st.sampled_from(PORTS), st.integers(1, 40), st.sampled_from(["before", "after"]), st.sampled_from(errors))
    return place.filter(lambda found: found[3] is Crash or not (found[0].startswith(("part", "*")) and found[2] == "after"))


def plant(scene: Scene, found: list[tuple[str, int, str, type[BaseException]]]) -> None:
    """Have the next runs go wrong at these places, one run each."""
    name, nth, when, error = found[0]
    scene.sim.calls.faults = [Fault(error(f"planted in {name}"), name, nth, "before" if when == "before" else "after")]


def run_with(scene: Scene, planned: list[tuple[str, int, str, type[BaseException]]]) -> list[BaseException]:
    """Converge; each run but the last has its own fault."""
    rest = list(planned)

    def run() -> None:
        if rest:
            plant(scene, rest)
            rest.pop(0)
        scene.upgrade()

    ended = scene.converge(run, runs=len(planned) + 3)
    note(f"runs ended with {ended}; {scene.rolled()}")
    return ended


@BOUNDED
@given(starts(), st.lists(faults(Crash), min_size=1, max_size=2))
def test_a_run_killed_anywhere_is_finished_by_the_next(start: Start, kills: list[tuple[str, int, str, type[BaseException]]]) -> None:
    scene = start.scene()
    before = {key: item.instance_id for key in scene.sim.keys for item in scene.sim.live(key)}
    settled = {key for index in start.done if scene.sim.healthy(key := scene.sim.keys[index % start.count])}
    ended = run_with(scene, kills)
    assert all(isinstance(error, (Crash, GateFailed)) for error in ended)
    assert scene.faults() == []
    assert all(rolls <= 1 for rolls in scene.rolled().values()), "no node is made twice"
    assert {key: item.instance_id for key in settled for item in scene.sim.live(key)} == {key: before[key] for key in settled}


@BOUNDED
@given(starts(), st.lists(faults(CloudFailed, GuestFailed, TerraformFailed), min_size=1, max_size=2))
def test_an_error_anywhere_stops_the_run_and_the_next_one_finishes(
    start: Start, errors: list[tuple[str, int, str, type[BaseException]]]
) -> None:
    scene = start.scene()
    run_with(scene, errors)
    assert scene.faults() == []


@BOUNDED
@given(starts(), st.integers(1, 12), st.sampled_from(["before", "after"]))
def test_terraform_killed_in_mid_apply_never_makes_a_node_twice(start: Start, nth: int, when: str) -> None:
    """F7: an instance that the state does not know is taken up or reported, never doubled."""
    scene = start.scene()
    scene.terraform.survives = False
    plant(scene, [("part.*", nth, when, Crash)])
    ended = scene.converge(lambda: until_a_person_is_needed(scene), runs=4)
    asked = [str(error) for error in ended if isinstance(error, PersonNeeded)]
    assert all("not in Terraform's state" in text or "is not this node's instance" in text for text in asked)
    assert len(asked) <= 1
    assert scene.faults() == []


def until_a_person_is_needed(scene: Scene) -> None:
    """Be one process that upgrades; where it ends with a question, the person takes in what Terraform made and forgot."""
    try:
        scene.upgrade()
    except PersonNeeded:
        scene.take_in_strays()
        raise


@BOUNDED
@given(starts(), st.integers(0, 6), st.floats(0, 200), st.floats(1, 400))
def test_another_server_that_dies_on_the_way_holds_the_run_up(start: Start, victim: int, after: float, down: float) -> None:
    """F32: no further node is touched while another one is down (held by the rules); when it is back, the run can be finished."""
    scene = start.scene()
    key = scene.sim.keys[victim % start.count]
    scene.sim.clock.after(after, lambda: scene.sim.kill_server(key))
    scene.sim.clock.after(after + down, lambda: scene.sim.revive_server(key))
    ended = scene.converge(runs=8)
    assert all(isinstance(error, (GateFailed, PersonNeeded)) for error in ended)
    scene.sim.clock.sleep(after + down)
    assert scene.faults() == []


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("prune", [False, True])
def test_a_broken_node_is_mended_first_and_in_one_run(flaw: str, prune: bool) -> None:
    """F5, F16: also where autopilot struck the dead server from the configuration meanwhile."""
    scene = make_scene(3, prune=prune)
    FLAWS[flaw](scene, "b")
    assert scene.converge() == []
    assert scene.faults() == []
    started = [event.node for event in scene.events if isinstance(event, NodeStarted)]
    assert started[0] == "server/b"
