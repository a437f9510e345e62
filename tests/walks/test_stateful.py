"""Upgrades in a world where everything goes wrong, run after run: whatever happens, the rules hold; when it ends, an upgrade finishes.

A step of this machine is one process that upgrades, with something going wrong while it does, or something done by hand between two
of them. The rules are held after every call (`tests.fakes.simulation`, `tests.fakes.watch`): what breaks one fails the test at once,
with the shortest way there. F5, F6, F7, F12, F13, F14, F16, F17, F24, F25, F29, F30, F31, F32, F33, F34, F41, F42.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from immtf.errors import GateFailed, ImmtfError, PersonNeeded
from immtf.run.fence import unguarded
from tests.fakes.calls import Crash, Fault
from tests.fakes.mishaps import BY_HAND, CALLS, MOVES, REFUSALS, StaleCloud, kill, refusal
from tests.fakes.person import calm, mend
from tests.fakes.planted import BlindService
from tests.fakes.simulation import Times, Violation
from tests.fakes.tfplan import Wishes
from tests.fakes.watch import Watch
from tests.fakes.world import Scene, at_target, make_scene

ENOUGH = 4
NODES = st.integers(0, 6)
DELAYS = st.floats(0, 200)
PARTS = st.floats(0, 1)
BOUNDED = settings(
    max_examples=50,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)


class Upgrades(RuleBasedStateMachine):
    """Processes that upgrade one cluster."""

    scene: Scene
    watch: Watch
    cloud: StaleCloud
    excused: list[str]
    releases: int
    settled: bool

    @initialize(
        count=st.sampled_from([3, 3, 5]),
        leader=NODES,
        prune=st.booleans(),
        layout=st.sampled_from(["modules", "keyed"]),
        shared=st.booleans(),
        done=st.frozensets(NODES, max_size=1),
    )
    def begin(self, count: int, leader: int, prune: bool, layout: str, shared: bool, done: frozenset[int]) -> None:
        wishes = Wishes("keyed" if layout == "keyed" else "modules", shared={"aws_security_group.server": False} if shared else {})
        self.scene = make_scene(count, leader=leader, prune=prune, wishes=wishes)
        for index in done:
            at_target(self.scene, self.key(index))
        self.cloud = StaleCloud(self.scene.sim)
        self.scene.cloud = lambda _sim: self.cloud
        self.watch = Watch(self.scene)
        self.scene.guard = self.watch.guard
        self.excused = []
        self.releases, self.settled = 1, False

    def key(self, index: int) -> str:
        """Return a node of this cluster."""
        return self.scene.sim.keys[index % len(self.scene.sim.keys)]

    def upgrade(self, *faults: Fault) -> BaseException | None:
        """Be one process that upgrades while this goes wrong; return what it ended with."""
        scene = self.scene
        scene.sim.calls.revive()
        if self.settled:
            self.release()
        scene.sim.calls.faults = list(faults)
        scene.cancel.asked = scene.cancel.urgent = False
        self.watch.lost = None
        try:
            scene.upgrade()
        except (Crash, ImmtfError) as error:
            note(f"ended with {error!r}")
            return error
        self.settled = True
        return None

    def release(self) -> None:
        """Want the next image, now that every node has the last one."""
        self.settled = False
        self.releases += 1
        self.scene.sim.wanted = f"ami-{self.releases}"
        self.scene.sim.images[self.scene.sim.wanted] = "good"

    @rule(what=st.sampled_from(sorted(REFUSALS)), part=PARTS, times=st.integers(1, 4))
    def while_calls_are_refused(self, what: str, part: float, times: int) -> None:
        self.upgrade(refusal(what, part, times))

    @rule(what=st.sampled_from(sorted(MOVES)), node=NODES, after=DELAYS)
    def while_the_world_moves(self, what: str, node: int, after: float) -> None:
        self.scene.sim.clock.after(after, lambda: MOVES[what](self.scene, self.key(node)))
        self.upgrade()

    @rule(what=st.sampled_from(sorted(BY_HAND)), node=NODES, after=DELAYS)
    def while_somebody_meddles(self, what: str, node: int, after: float) -> None:
        self.scene.sim.clock.after(after, lambda: self.meddle(what, self.key(node)))
        self.upgrade()

    @rule(what=st.sampled_from(sorted(BY_HAND)), node=NODES)
    def somebody_meddles(self, what: str, node: int) -> None:
        self.meddle(what, self.key(node))

    def meddle(self, what: str, key: str) -> None:
        """Do something by hand; a node that lost its instance so is made once more."""
        BY_HAND[what](self.scene, key)
        self.excused.append(key)

    @rule(reads=st.lists(st.integers(1, 120), min_size=1, max_size=8))
    def while_answers_are_old(self, reads: list[int]) -> None:
        self.cloud.stale = list(reads)
        self.upgrade()
        self.cloud.stale = []

    @rule(stop=st.floats(1, 1_200), move=st.floats(1, 60), boot=st.floats(1, 200))
    def while_everything_is_slow(self, stop: float, move: float, boot: float) -> None:
        self.scene.sim.times = Times(stop=stop, move=move, boot=boot)
        self.upgrade()
        self.scene.sim.times = Times()

    @rule(name=st.sampled_from(sorted(CALLS)), part=PARTS, late=st.booleans(), survives=st.booleans())
    def until_it_is_killed(self, name: str, part: float, late: bool, survives: bool) -> None:
        self.scene.terraform.survives = survives
        self.upgrade(kill(name, part, late=late))
        self.scene.terraform.survives = True

    @rule(after=DELAYS, twice=st.booleans())
    def until_it_is_interrupted(self, after: float, twice: bool) -> None:
        cancel = self.scene.cancel

        def interrupt() -> None:
            cancel.asked, cancel.urgent = True, twice

        self.scene.sim.clock.after(after, interrupt)
        self.upgrade()

    @rule(after=DELAYS)
    def until_it_loses_its_lease(self, after: float) -> None:
        self.scene.sim.clock.after(after, self.watch.lose_lease)
        self.upgrade()

    @rule(seconds=st.floats(1, 300))
    def time_passes(self, seconds: float) -> None:
        self.scene.sim.clock.sleep(seconds)

    def teardown(self) -> None:
        """Nothing goes wrong any more: a few runs, and what they tell a person to do, finish the upgrade."""
        if not hasattr(self, "scene"):
            return
        calm(self.scene)
        self.watch.lost = None
        mend(self.scene)
        ended, runs = self.upgrade(), 1
        while ended is not None:
            assert isinstance(ended, (PersonNeeded, GateFailed)), ended
            assert runs < ENOUGH, ended
            mend(self.scene)
            ended, runs = self.upgrade(), runs + 1
        assert self.scene.faults() == []
        twice = {key: made for key, made in self.scene.rolled().items() if made > self.releases + self.excused.count(key)}
        assert not twice, "made more often than there was a reason for"


class Blind(Upgrades):
    """The same with a planted fault: the gates are fooled."""

    def upgrade(self, *faults: Fault) -> BaseException | None:
        self.scene.service = BlindService
        return super().upgrade(*faults)


class Unfenced(Upgrades):
    """The same with a planted fault: nobody asks for the lease."""

    def upgrade(self, *faults: Fault) -> BaseException | None:
        self.scene.guard = unguarded
        return super().upgrade(*faults)


TestUpgrades = Upgrades.TestCase
TestUpgrades.settings = BOUNDED


@pytest.mark.parametrize(("machine", "found"), [(Blind, "while . is not healthy|away at once"), (Unfenced, "after the lease was lost")])
def test_the_machine_finds_a_planted_fault(machine: type[Upgrades], found: str) -> None:
    with pytest.raises(Violation, match=found):
        run_state_machine_as_test(machine, settings=BOUNDED)
