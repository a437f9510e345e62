"""Environments made from a snapshot, on the simulated world: the data are taken over and marked, or nothing is taken for them."""

from __future__ import annotations

import json

import pytest

from immtf.errors import GateFailed, GuestFailed, PersonNeeded
from immtf.model.events import Noted
from immtf.run.ledger import Ledger
from immtf.run.lifecycle import create
from tests.fakes.calls import Fault
from tests.fakes.simulation import SimVolume
from tests.fakes.world import Scene, make_empty

MARK = {"block": "consul", "cluster": "server", "node": "a", "volume": "vol-production", "filesystem": "fs-production"}


def make_seeded(*, filesystem: str = "fs-production", **mark: str) -> Scene:
    """Return a world with nothing in it, whose volumes will be made from a snapshot of production's."""
    scene = make_empty(3)
    text = json.dumps({**MARK, **mark}, sort_keys=True) if filesystem else ""
    scene.terraform.seed = SimVolume("vol-production", "a", "z", filesystem=filesystem, mark=text, snapshot="snap-1")
    return scene


def run_create(scene: Scene, snapshot: str = "snap-1") -> None:
    create(scene.world(), scene.patience(), Ledger(0.0), snapshot=snapshot)


def test_the_data_are_kept_and_marked_as_each_nodes_own() -> None:
    """F21: no first-boot mark is given, and no later run can take them for another environment's."""
    scene = make_seeded()
    run_create(scene)
    assert scene.sim.calls.count("guest.first-boot") == 0
    marks = {volume.node: json.loads(volume.mark) for volume in scene.sim.volumes.values()}
    assert {volume.filesystem for volume in scene.sim.volumes.values()} == {"fs-production"}
    assert {key: (mark["node"], mark["filesystem"]) for key, mark in marks.items()} == {key: (key, "fs-production") for key in "abc"}
    assert {mark["volume"] for mark in marks.values()} == set(scene.sim.volumes)
    told = [event.message for event in scene.events if isinstance(event, Noted)]
    assert any(line.endswith("has the data of server/a's vol-production, from snap-1") for line in told)
    run_create(scene)


def test_without_a_snapshot_that_was_asked_for_production_s_mark_ends_the_run() -> None:
    """F21: data of nobody knows which environment are never taken over by the way."""
    with pytest.raises(GateFailed, match="volume is 'vol-production'"):
        run_create(make_seeded(), snapshot="")


def test_data_of_another_block_are_not_taken_over() -> None:
    scene = make_seeded(block="etcd")
    with pytest.raises(GateFailed, match="data of etcd/server, wanted those of consul/server"):
        run_create(scene)
    assert {json.loads(volume.mark)["volume"] for volume in scene.sim.volumes.values()} == {"vol-production"}


def test_a_blank_snapshot_is_not_formatted() -> None:
    """F21: a create may format what it made; what should have held data it may not."""
    scene = make_seeded(filesystem="")
    with pytest.raises(GateFailed, match="is blank"):
        run_create(scene)
    assert scene.sim.calls.count("guest.first-boot") == 0


def test_a_snapshot_that_no_volume_was_made_from_is_told() -> None:
    with pytest.raises(PersonNeeded, match="no volume of the block was made from snap-1"):
        run_create(make_empty(3))


def test_a_mark_that_is_not_there_any_more_as_it_was_read_is_not_overwritten() -> None:
    """What was judged is what is replaced."""
    scene = make_seeded()
    assert scene.terraform.seed is not None
    scene.terraform.seed.mark = json.dumps(MARK, indent=2).replace("\n", "")
    with pytest.raises(GuestFailed, match="the mark could not be written anew: no mount, or another mark is there"):
        run_create(scene)


def test_an_agent_that_goes_away_meanwhile_ends_the_run() -> None:
    scene = make_seeded()
    scene.sim.calls.faults = [Fault(GuestFailed("the agent went away"), "guest.mark")]
    with pytest.raises(GuestFailed, match="the agent went away"):
        run_create(scene)
