"""The use cases on images: promoted, listed, cleared away, built, and what a verification comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.clock import Signals
from immtf.app.closing import Outcome, spelled_for
from immtf.app.imaging import build as building
from immtf.app.imaging import shelf
from immtf.app.imaging import verify as verifying
from immtf.app.imaging.session import ImageSession, run_to_end
from immtf.app.target import Target
from immtf.errors import ExitCode, GateFailed, ImmtfError, Interrupted, Unproven, UsageError, VersionsUnresolved
from immtf.model.events import ImagesListed, Noted, RunFinished, RunHalted
from immtf.model.imaging import Recipe, TrialOrder, TrialRules
from immtf.plan.collecting import KeepRules
from immtf.plan.image import PROMOTED_TAG, VERIFIED_TAG, Image
from immtf.plan.imaging import TEMPLATE_TAG
from immtf.run.gates import Patience
from tests.fakes.image_store import FakeImageStore
from tests.fakes.session import AWS
from tests.fakes.trial import MOUNT, ZONE, TrialWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.events import Event

OLD = "2026-01-01T00:00:00Z"
BUILT = Image("ami-0000000b", "consul", "1.1.0", OLD, tags={TEMPLATE_TAG: "d"}, snapshots=("snap-1",))
LET_OUT = replace(BUILT, image_id="ami-0000000a", version="1.0.0", tags={VERIFIED_TAG: "x", PROMOTED_TAG: "y"}, snapshots=())
RECIPE = Recipe(directory=Path("/i/consul"), family="consul", version="", template="e", revision="r")


@dataclass
class Desk(ImageSession):
    """A session on a fake store; `told` is what was told."""

    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listeners = (lambda event, _at: self.told.append(event),)
        super().__post_init__()

    def notes(self) -> str:
        return "\n".join(event.message for event in self.told if isinstance(event, Noted))


def make_desk(*images: Image, home: Path = Path("/nowhere")) -> tuple[Desk, FakeImageStore]:
    target = Target(cloud="lab", environment="default", is_test=True, home=home, process=AWS)
    desk = Desk("consul", "", target, "r1", Signals(), (), "--lab")
    store = FakeImageStore.of(images or (BUILT, LET_OUT))
    desk.store = store
    return desk, store


def test_a_verified_image_is_promoted_once() -> None:
    desk, store = make_desk()
    with pytest.raises(GateFailed, match="is not verified"):
        shelf.promote(desk, "1.1.0", "consul")
    store.tag(BUILT.image_id, {VERIFIED_TAG: "x"})
    assert shelf.promote(desk, BUILT.image_id, "") == Outcome()
    assert store.known[BUILT.image_id].tags[PROMOTED_TAG].endswith(" r1")
    assert shelf.promote(desk, "1.1.0", "consul").outcome == "nothing_to_do"
    for wanted in ("1.1.0", "ami-0fffffff"):
        with pytest.raises(UsageError) as caught:
            shelf.promote(desk, wanted, "")
        assert "--family NAME" in caught.value.next


def test_a_list_tells_how_far_each_has_come_the_newest_first() -> None:
    desk, store = make_desk()
    store.used[LET_OUT.image_id] = ["i-1 (stopped)"]
    shelf.listing(desk, "consul")
    (event,) = (event for event in desk.told if isinstance(event, ImagesListed))
    assert [(row.version, row.promoted, row.used_by) for row in event.rows] == [("1.1.0", "-", ()), ("1.0.0", "y", ("i-1 (stopped)",))]


def test_clearing_away_shows_first_and_removes_when_it_is_told() -> None:
    desk, store = make_desk()
    shown = shelf.collect(desk, "consul", KeepRules(), {}, remove=False)
    assert (shown.outcome, shown.exit_code) == ("pending", ExitCode.CHANGES_PENDING)
    assert store.removed == []
    assert shelf.collect(desk, "consul", KeepRules(), {BUILT.image_id: ["a person"]}, remove=True).outcome == "nothing_to_do"
    assert shelf.collect(desk, "consul", KeepRules(), {}, remove=True) == Outcome()
    assert store.removed == [BUILT.image_id, "snap-1"]


class Busy(FakeImageStore):
    """Somebody starts an instance of an image after it was looked at twice."""

    looks = 0

    def uses(self) -> dict[str, list[str]]:
        self.looks += 1
        return {BUILT.image_id: ["i-9 (pending)"]} if self.looks > 2 else {}


def test_what_came_into_use_meanwhile_is_kept() -> None:
    desk, _ = make_desk()
    busy = desk.store = Busy({BUILT.image_id: BUILT, LET_OUT.image_id: LET_OUT})
    shelf.collect(desk, "consul", KeepRules(), {}, remove=True)
    assert busy.removed == []
    assert "is kept: it is in use by i-9 (pending) by now" in desk.notes()


def test_states_and_names_keep_images(tmp_path: Path) -> None:
    state = tmp_path / "environments/e1/terraform.tfstate"
    state.parent.mkdir(parents=True)
    state.write_text('{"ami": "ami-0000000b", "other": "ami-x"}')
    assert shelf.kept_states(tmp_path) == [state]
    uses = shelf.shown_uses([state], ["1.0.0"], [BUILT, LET_OUT])
    assert uses == {BUILT.image_id: [f"the state {state}"], LET_OUT.image_id: ["a person, who keeps it"]}
    with pytest.raises(UsageError, match=r"no image 9.9 to keep"):
        shelf.shown_uses([], ["9.9"], [BUILT])
    state.write_text("no JSON")
    with pytest.raises(UsageError, match="can't be read as a Terraform state"):
        shelf.shown_uses([state], [], [])


class FakeBuilder:
    """A builder whose image comes into the store, with the tags that the recipe says."""

    def __init__(self, store: FakeImageStore, family: str = "consul") -> None:
        self.store, self.family, self.built = store, family, list[Recipe]()

    def build(self, recipe: Recipe, listen: Callable[[str, str], None], interrupted: Callable[[], bool]) -> str:
        assert not interrupted()
        listen("say", "creating")
        listen("message", "apt-get")
        self.built.append(recipe)
        self.store.known["ami-0000000c"] = Image("ami-0000000c", self.family, recipe.version, OLD, tags={TEMPLATE_TAG: recipe.template})
        return "ami-0000000c"


def test_an_image_is_built_once_and_under_the_next_version() -> None:
    desk, store = make_desk()
    builder = FakeBuilder(store)
    assert building.build(desk, RECIPE, builder, limit_s=60) == Outcome()
    assert [recipe.version for recipe in builder.built] == ["1.1.1"]
    assert "`immtf image verify ami-0000000c --family consul --lab` proves it" in desk.notes()
    assert building.build(desk, RECIPE, builder, limit_s=60).outcome == "nothing_to_do"
    assert "nothing is built: ami-0000000c is consul 1.1.1" in desk.notes()
    with pytest.raises(VersionsUnresolved, match="is ami-0000000b"):
        building.build(desk, replace(RECIPE, version="1.1.0"), builder, limit_s=60)
    with pytest.raises(ImmtfError, match="has not the tags it should have: family `other`"):
        building.build(desk, replace(RECIPE, template="f"), FakeBuilder(store, "other"), limit_s=60)


def try_out(desk: Desk, habits: frozenset[str] = frozenset(), **wish: Any) -> TrialWorld:
    world = TrialWorld(habits)
    ports: Any = world
    desk.clock = world.clock  # type: ignore[assignment]  # a clock is a clock
    desk.patience = Patience(world.clock, desk.signals, desk.tell)
    tags = verifying.trial_tags(BUILT, "t-0a1b2c3d")
    order = TrialOrder(image_id=BUILT.image_id, subnet_id="subnet-1", zone=ZONE, tags=tags)
    said = verifying.Wish(rules=TrialRules(mount=MOUNT), **wish)
    try:
        verifying.verify_on(desk, BUILT, order, verifying.Ports(ports, ports, ports, ports), said)
    finally:
        assert world.disks == {}, "whatever happens, nothing is left"
        assert {machine.state for machine in world.machines.values()} <= {"terminated"}
    return world


def test_a_good_image_is_tagged_and_what_was_made_is_gone() -> None:
    desk, store = make_desk()
    world = try_out(desk)
    assert world.orders[0].tags["immtf:expires"] > "2026"
    assert store.known[BUILT.image_id].tags[VERIFIED_TAG].endswith(" r1")
    assert "`immtf image promote ami-0000000b --family consul --lab` lets it out" in desk.notes()


def test_a_bad_image_is_removed_unless_something_hangs_on_it() -> None:
    desk, store = make_desk()
    with pytest.raises(GateFailed, match=r"formatted it.*; ami-0000000b \(1.1.0\) was removed, with its snapshots"):
        try_out(desk, frozenset({"formats"}))
    assert store.removed == [BUILT.image_id, "snap-1"]
    for prepare, why in ((_use, "not removed: it is in use by i-1"), (_promote, "not removed: it is promoted"), (_keep, "as --keep says")):
        desk, store = make_desk()
        with pytest.raises(GateFailed, match=why):
            try_out(desk, frozenset({"formats"}), keep=prepare(store))
        assert store.removed == []


def test_an_image_that_nobody_could_ask_stays_as_it_was() -> None:
    desk, store = make_desk()
    with pytest.raises(Unproven, match=r"(?s)no agent.*ami-0000000b \(1.1.0\) stays as it was: that may be the place's doing") as caught:
        try_out(desk, frozenset({"hangs"}))
    assert store.removed == []
    assert store.known[BUILT.image_id] == BUILT
    assert caught.value.exit_code == ExitCode.GATE_FAILED
    assert "--instance-profile" in caught.value.next


def test_tests_that_can_t_be_run_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    desk, _ = make_desk()
    with pytest.raises(UsageError, match="the tests can't be run: there is nothing at"):
        verifying.refuse_unrunnable(desk, verifying.Wish(rules=TrialRules(), tests=tmp_path / "none"))
    verifying.refuse_unrunnable(desk, verifying.Wish(rules=TrialRules()))


def test_what_failed_and_is_kept_is_verified_no_longer() -> None:
    desk, store = make_desk()
    store.tag(BUILT.image_id, {VERIFIED_TAG: "earlier"})
    with pytest.raises(GateFailed, match="as --keep says; it is not verified"):
        try_out(desk, frozenset({"formats"}), keep=True)
    assert not store.known[BUILT.image_id].is_verified
    with pytest.raises(GateFailed, match="not verified"):
        shelf.promote(desk, BUILT.image_id, "consul")


def _use(store: FakeImageStore) -> bool:
    store.used[BUILT.image_id] = ["i-1 (running)"]
    return False


def _promote(store: FakeImageStore) -> bool:
    store.tag(BUILT.image_id, {PROMOTED_TAG: "x"})
    return False


def _keep(_store: FakeImageStore) -> bool:
    return True


def test_one_that_is_asked_to_end_tidies_up_and_leaves_the_image() -> None:
    desk, store = make_desk()
    desk.signals.request()
    with pytest.raises(Interrupted):
        try_out(desk)
    assert store.removed == []
    assert "asked to end: what was made is taken away first" in desk.notes()


def test_a_run_ends_with_its_last_event_and_its_code() -> None:
    desk, _ = make_desk()

    def refuse() -> Outcome:
        raise GateFailed("no", next="`immtf image verify ami-1 --family consul` proves it")

    assert run_to_end(desk, "image promote", refuse) == ExitCode.GATE_FAILED
    halt, end = desk.told[-2:]
    assert isinstance(halt, RunHalted)
    assert halt.next == "`immtf image verify ami-1 --family consul --lab` proves it"
    assert isinstance(end, RunFinished)
    assert end.exit_code == 20
    with pytest.raises(ZeroDivisionError):
        run_to_end(desk, "image list", lambda: Outcome(str(1 // 0)))
    assert run_to_end(desk, "image list", Outcome) == ExitCode.DONE


def test_a_block_s_next_command_on_images_leads_to_its_cloud() -> None:
    target = Target(cloud="lab", environment="x", is_test=True, home=Path("/h"), process={}, flags="blocks/consul --lab --lab-name x")
    told = spelled_for("`immtf image promote ami-1 --family consul` lets it out", target, again="", elsewhere="")
    assert told == "`immtf image promote ami-1 --family consul --lab --lab-name x --home=/h` lets it out"
