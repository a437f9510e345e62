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


def test_a_blank_volume_beside_marked_ones_has_to_be_accepted_by_name() -> None:
    """One node lacks its attachment only. Its volume is blank: nobody can tell that from one that was emptied."""
    scene = interrupted(PARTS[-1], "before")
    with pytest.raises(GateFailed, match="no mark"):
        scene.upgrade()
    with pytest.raises(PersonNeeded, match="lost its mark") as told:
        scene.upgrade()
    node = told.value.where
    assert told.value.next.endswith(f"--accept-unmarked {node}")
    with pytest.raises(PersonNeeded, match="lost its mark"):
        create(scene.world(), scene.patience(), Ledger(0.0))
    world = scene.world()
    world.accepted = frozenset({node})
    create(world, scene.patience(), Ledger(0.0))
    scene.first = {item.node: (item.volume_id, item.filesystem) for item in scene.sim.volumes.values()}
    assert scene.faults() == []
