"""Blank volumes on the simulated world: formatted when they are new and `create` says so, else left as they are for a person."""

from __future__ import annotations

import pytest

from immtf.errors import GateFailed, GuestFailed, PersonNeeded, UsageError
from immtf.model.events import Noted
from immtf.plan.custody import FIRST_BOOT_S
from immtf.run.firstboot import await_mounts
from immtf.run.ledger import Ledger
from immtf.run.lifecycle import create
from tests.fakes.builders import B
from tests.fakes.calls import Crash, Fault
from tests.fakes.disks import SimSnapshot
from tests.fakes.simulation import ATTACHMENT, INSTANCE, VOLUME, SimVolume
from tests.fakes.world import FLAWS, Scene, make_empty, make_scene


def run_create(scene: Scene, *accepted: str) -> None:
    world = scene.world()
    world.accepted = frozenset(accepted)
    create(world, scene.patience(), Ledger(0.0))


def killed_at(pattern: str, nth: int, scene: Scene | None = None, when: str = "before") -> Scene:
    """Return a world whose first create was killed at this call."""
    scene = scene or make_empty(3)
    scene.sim.calls.faults = [Fault(Crash(), pattern, nth, "before" if when == "before" else "after")]
    with pytest.raises(Crash):
        run_create(scene)
    scene.sim.calls.revive()
    return scene


def volume_of(scene: Scene, key: str) -> SimVolume:
    return scene.sim.volumes[scene.sim.state[scene.terraform.planner.address(VOLUME, key)].identity]


def empty(scene: Scene, key: str) -> SimVolume:
    """Have somebody zero a node's disk while its instance is stopped, and start it again."""
    FLAWS["stopped"](scene, key)
    volume = volume_of(scene, key)
    volume.filesystem = volume.mark = ""
    (item,) = scene.sim.live(key)
    scene.sim.start(item)
    scene.sim.clock.sleep(60)
    return volume


def marks(scene: Scene) -> int:
    """Return how many first-boot marks were asked for; one at which the process was killed counts."""
    return scene.sim.calls.count("guest.first-boot")


def test_create_lets_every_new_volume_be_formatted_once() -> None:
    """F21: each by a mark of its own."""
    scene = make_empty(3)
    run_create(scene)
    assert marks(scene) == 3
    told = [event.message for event in scene.events if isinstance(event, Noted) and "new and blank" in event.message]
    assert [text.split(":")[0] for text in told] == ["server/a", "server/b", "server/c"]
    run_create(scene)
    assert marks(scene) == 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_create_killed_before_its_first_mark_is_finished_by_the_next(when: str) -> None:
    """Nobody uses a volume yet, so all of them are new."""
    scene = killed_at("terraform.apply", 1, when="after") if when == "after" else killed_at("guest.first-boot", 1)
    run_create(scene)
    assert all(scene.sim.healthy(key) for key in "abc")


def test_a_create_killed_between_two_marks_asks_whose_data_there_were() -> None:
    """F21: a blank volume beside one in use looks like one that was emptied."""
    scene = killed_at("guest.first-boot", 2)
    scene.sim.clock.sleep(60)
    with pytest.raises(PersonNeeded, match="a blank volume is not formatted") as told:
        run_create(scene)
    assert (told.value.where, marks(scene)) == ("server/b, server/c", 2)
    assert told.value.next.endswith("--accept-unmarked server/b")
    run_create(scene, "server/b", "server/c")
    assert all(scene.sim.healthy(key) for key in "abc")


def test_an_upgrade_leaves_an_emptied_volume_as_it_is() -> None:
    """F21: the node is not even taken away, for what was on the disk may still be found."""
    scene = make_scene(3)
    volume = empty(scene, "b")
    for _ in range(2):
        with pytest.raises((GateFailed, PersonNeeded), match="is blank and waits for a first-boot mark"):
            scene.upgrade()
    assert (volume.filesystem, marks(scene), scene.rolled()["b"]) == ("", 0, 0)


def test_nor_does_create_format_an_emptied_volume() -> None:
    """F21: neither beside volumes in use, nor where a snapshot tells that there were data."""
    scene = make_empty(3)
    run_create(scene)
    volume = empty(scene, "b")
    with pytest.raises(PersonNeeded, match="server/b: server/a, server/c of its cluster has a volume in use"):
        run_create(scene)
    assert volume.filesystem == ""


def test_nor_where_every_node_calls_its_volume_blank() -> None:
    """F21: no volume is in use then, but they have had other instances before these: an image may see nothing of what stands there."""
    scene = make_empty(3)
    run_create(scene)
    scene.sim.clock.sleep(2 * FIRST_BOOT_S)
    volumes = [empty(scene, key) for key in "abc"]
    with pytest.raises(PersonNeeded, match=r"server/c: vol-.* is older than its instance"):
        run_create(scene)
    assert [volume.filesystem for volume in volumes] == [""] * 3


def test_an_accepted_node_is_called_as_any_other_and_a_mistyped_one_is_refused() -> None:
    world = make_scene(3).world()
    world.accepted = frozenset({"a", 'module.server["b"]'})
    world.survey()
    assert world.accepted == {"server/a", "server/b"}
    world.accepted = frozenset({"server/z"})
    with pytest.raises(UsageError, match="there is no node `server/z`"):
        world.survey()


def test_a_snapshot_tells_that_a_volume_held_data() -> None:
    scene = killed_at("guest.first-boot", 1)
    volume = volume_of(scene, "b")
    scene.sim.snapshots["snap-1"] = SimSnapshot(
        "snap-1", volume.volume_id, 1.0, "fs", {"immtf:block": "consul", "immtf:environment": "sim", "immtf:run": "r0"}
    )
    with pytest.raises(PersonNeeded, match="server/b: immtf took a snapshot of it once") as told:
        run_create(scene)
    assert (told.value.where, marks(scene)) == ("server/b", 1)


def test_a_node_that_an_upgrade_makes_gets_its_filesystem() -> None:
    """And beside volumes in use, for this run made it."""
    scene = make_scene(4, prune=True)
    FLAWS["terminated"](scene, "d")
    for kind in (ATTACHMENT, INSTANCE, VOLUME):
        scene.sim.state.pop(scene.terraform.planner.address(kind, "d"))
    scene.sim.volumes.pop(scene.first.pop("d")[0])
    scene.sim.instances = {key: item for key, item in scene.sim.instances.items() if item.node != "d"}
    scene.sim.clock.sleep(300)
    scene.upgrade()
    assert marks(scene) == 1
    assert volume_of(scene, "d").mark
    assert scene.sim.healthy("d")


def test_a_volume_whose_node_can_not_be_asked_is_waited_for() -> None:
    scene = killed_at("guest.first-boot", 1)
    FLAWS["stopped"](scene, "c")
    with pytest.raises(GateFailed, match="the instance is stopped"):
        run_create(scene)
    assert marks(scene) == 1


def test_a_mark_that_is_refused_on_the_node_ends_the_run() -> None:
    scene = make_empty(3)
    scene.sim.calls.faults = [Fault(GuestFailed("planted"), "guest.first-boot")]
    with pytest.raises(GuestFailed, match="planted"):
        run_create(scene)


class Stubborn:
    """A guest that takes a first-boot mark with this exit code and does nothing about it."""

    def __init__(self, guest: object, code: int) -> None:
        self.guest, self.code = guest, code

    def run(self, instance_id: str, script: str, *, timeout_s: float) -> tuple[int, str, str]:
        if "/first-boot" in script:
            return self.code, "", "no room" if self.code else ""
        return self.guest.run(instance_id, script, timeout_s=timeout_s)  # type: ignore[attr-defined,no-any-return]  # the guest it stands before


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        (1, GuestFailed, "the first-boot mark could not be given: no room"),
        (0, GateFailed, "got its first-boot mark, and the image has made no"),
    ],
)
def test_an_image_that_does_not_make_a_filesystem_is_said(code: int, error: type[Exception], told: str) -> None:
    scene = make_empty(3)
    world = scene.world()
    world.guest = Stubborn(world.guest, code)
    with pytest.raises(error, match=told):
        create(world, scene.patience(), Ledger(0.0))


def test_volumes_that_are_mounted_need_no_mark_and_no_question_to_the_others() -> None:
    scene = make_scene(3)
    world = scene.world()
    world.survey()
    scene.sim.calls.log.clear()
    await_mounts(world, [B], scene.patience(), made=())
    assert (scene.sim.calls.count("guest.facts"), scene.sim.calls.count("cloud.snapshots")) == (2, 0)
