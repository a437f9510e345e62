"""A `create` that was killed at any part of its apply: shown by `status`, finished by the next `create`, emptied by `destroy`."""

from __future__ import annotations

import pytest

from immtf.errors import GateFailed, Interrupted, NoRoom, PersonNeeded, TerraformFailed
from immtf.model.events import StepWaited
from immtf.run.ledger import Ledger
from immtf.run.lifecycle import create, destroy, take_status
from tests.fakes.calls import Crash, Fault
from tests.fakes.world import Scene, make_empty

PARTS = range(1, 7)


def interrupted(nth: int, when: str) -> Scene:
    """Return a world whose first create was killed, Terraform with it, at this part."""
    scene = make_empty(3)
    scene.terraform.survives = False
    scene.sim.calls.faults = [Fault(Crash(), "part.*", nth, "before" if when == "before" else "after")]
    with pytest.raises(Crash):
        create(scene.world(), scene.patience(), Ledger(0.0))
    scene.sim.calls.revive()
    return scene


@pytest.mark.parametrize("nth", PARTS)
def test_the_next_create_finishes_it(nth: int) -> None:
    """F8."""
    scene = interrupted(nth, "before")
    create(scene.world(), scene.patience(), Ledger(0.0))
    scene.first = {item.node: (item.volume_id, item.filesystem) for item in scene.sim.volumes.values()}
    assert scene.faults() == []
    assert len(scene.sim.volumes) == 3


def no_room(times: int, code: str = "InsufficientInstanceCapacity") -> Scene:
    """Return an empty world in whose cloud one instance has no room, so many times."""
    scene = make_empty(3)
    scene.sim.calls.faults = [Fault(TerraformFailed("Error launching source instance", code=code), "part.create:b", times=times)]
    return scene


def test_no_room_for_an_instance_is_waited_for() -> None:
    """F24: each try is planned and judged anew, and what the first one made stays."""
    scene = no_room(2)
    create(scene.world(), scene.patience(), Ledger(0.0))
    scene.first = {item.node: (item.volume_id, item.filesystem) for item in scene.sim.volumes.values()}
    assert scene.faults() == []
    assert len(scene.sim.instances) == 3
    pauses = [event for event in scene.events if isinstance(event, StepWaited) and event.step == "Create"]
    assert {(event.node, event.limit_s) for event in pauses} == {("consul", 20.0), ("consul", 60.0)}


def test_no_room_in_the_end_is_told_with_the_way_on() -> None:
    """F24."""
    scene = no_room(99)
    with pytest.raises(NoRoom, match=r"the cloud has no room, asked 3 times over [0-9]+ s: Error launching") as caught:
        create(scene.world(), scene.patience(), Ledger(0.0))
    assert "`immtf create` makes what is missing" in caught.value.next
    scene.sim.calls.faults.clear()
    create(scene.world(), scene.patience(), Ledger(0.0))
    assert {key for key in "abc" if scene.sim.live(key)} == set("abc")


def test_throttling_in_the_end_and_other_faults_are_told_as_they_are() -> None:
    for code, waited in (("RequestLimitExceeded", True), ("UnauthorizedOperation", False)):
        scene = no_room(99, code)
        with pytest.raises(TerraformFailed, match=r"^Error launching") as caught:
            create(scene.world(), scene.patience(), Ledger(0.0))
        assert not isinstance(caught.value, NoRoom)
        assert any(isinstance(event, StepWaited) for event in scene.events) is waited


def test_a_wish_to_end_cuts_the_pause_short() -> None:
    scene = no_room(99)

    def wish(event: object) -> None:
        if isinstance(event, StepWaited):
            scene.cancel.asked = True

    scene.listener = wish
    with pytest.raises(Interrupted):
        create(scene.world(), scene.patience(), Ledger(0.0))


@pytest.mark.parametrize("nth", PARTS)
def test_status_shows_it(nth: int) -> None:
    scene = interrupted(nth, "before")
    world = scene.world()
    world.survey()
    rows, unfinished = take_status(world, {})
    assert len(rows) == 3
    assert unfinished


@pytest.mark.parametrize("nth", PARTS)
def test_destroy_empties_it(nth: int) -> None:
    """F43."""
    scene = interrupted(nth, "before")
    scene.sim.doomed = True
    destroy(scene.world(), scene.patience())
    assert scene.sim.state == {}
    assert scene.sim.volumes == {}


@pytest.mark.parametrize("nth", PARTS[:-1])
def test_no_upgrade_goes_on_with_it_where_nothing_serves(nth: int) -> None:
    """Servers that wait for each other can't be made one at a time; a person is told to create."""
    scene = interrupted(nth, "before")
    with pytest.raises(PersonNeeded):
        scene.upgrade()
    assert scene.sim.calls.count("terraform.apply") == 1


def test_an_upgrade_formats_nothing_and_the_next_create_does() -> None:
    """F21. All that is missing is one attachment; whatever `upgrade` makes of that, a blank volume stays blank until `create` is asked."""
    scene = interrupted(PARTS[-1], "before")
    for _ in range(2):
        with pytest.raises((GateFailed, PersonNeeded)):
            scene.upgrade()
    assert [volume.filesystem for volume in scene.sim.volumes.values()] == ["", "", ""]
    create(scene.world(), scene.patience(), Ledger(0.0))
    scene.first = {item.node: (item.volume_id, item.filesystem) for item in scene.sim.volumes.values()}
    assert scene.faults() == []
