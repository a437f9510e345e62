"""A `create` that was killed at any part of its apply: shown by `status`, finished by the next `create`, emptied by `destroy`."""

from __future__ import annotations

import pytest

from immtf.errors import GateFailed, PersonNeeded
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
