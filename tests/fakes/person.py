"""The person whom a run asks: does what a message told to do, and no more, when nothing else goes wrong any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.mishaps import GHOST
from tests.fakes.simulation import VOLUME, Times

if TYPE_CHECKING:
    from tests.fakes.world import Scene

REST_S = 1_000.0
BACK_S = 60.0


def calm(scene: Scene) -> None:
    """End whatever goes wrong by itself, and let the world settle."""
    sim = scene.sim
    sim.calls.revive()
    sim.times = Times()
    sim.stuck.clear()
    scene.terraform.survives, scene.terraform.killed = True, False
    scene.cancel.asked = scene.cancel.urgent = False
    sim.clock.sleep(REST_S)
    sim.raft.seats.pop(GHOST, None)
    for key in sim.keys:
        sim.revive_server(key)
    sim.clock.sleep(BACK_S)


def mend(scene: Scene) -> None:
    """Take in what Terraform forgot, and bring nodes back until one is away at the most, and the others have a leader."""
    scene.take_in_strays()
    away = [key for key in scene.sim.keys if not any(item.serving for item in scene.sim.live(key))]
    for key in away[1:]:
        _bring_back(scene, key)
    if away and not scene.sim.raft.leader:
        _bring_back(scene, away[0])


def _bring_back(scene: Scene, key: str) -> None:
    """Bring one node back: start its instance with its volume, or have Terraform make one."""
    sim, terraform = scene.sim, scene.terraform
    if not sim.live(key):
        witness, terraform.witness = terraform.witness, lambda _saved: None
        targets = [terraform.planner.address(kind, key) for kind in ("aws_instance", VOLUME, "aws_volume_attachment")]
        terraform.apply(terraform.plan(targets=targets))
        terraform.witness = witness
    for item in sim.live(key):
        volume = sim.volumes[scene.first[key][0]]
        if not volume.owner:
            sim.attach(volume, item)
            sim.clock.sleep(sim.times.move)
        if item.state == "stopped":
            sim.start(item)
    sim.clock.sleep(BACK_S)
