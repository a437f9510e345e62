"""Whole worlds to upgrade: a cluster that serves, what may be wrong with it, and the run as `immtf upgrade` wires it.

`make_sim` builds a simulated cluster at the old image; `FLAWS` are the ways a node may be broken before the run starts. `upgrade` is one
process: it observes, plans and carries out; `converge` starts processes until one ends well, as a person does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.errors import ImmtfError
from immtf.model.block import Block, Cluster, ConsulGate, ImageSpec, MountedGate, VolumeSpec
from immtf.model.cloud import ImageChoice
from immtf.plan.checks import Overrides
from immtf.run.executor import Executor
from immtf.run.fence import FencedCloud, FencedService, FencedTerraform, unguarded
from immtf.run.gates import Patience
from immtf.run.ledger import Ledger
from immtf.run.upgrade import Upgrade, prepare
from immtf.run.world import World
from tests.fakes.calls import Crash
from tests.fakes.checks import FakeChecks
from tests.fakes.clock import FakeCancel
from tests.fakes.cloud import TAGS, FakeCloud
from tests.fakes.guest import FakeGuest
from tests.fakes.service import FakeKnock, FakeService
from tests.fakes.simulation import ATTACHMENT, INSTANCE, MOUNT, NEW, OLD, VOLUME, Row, SimVolume, SimWorld
from tests.fakes.terraform import FakeTerraform
from tests.fakes.tfplan import Planner, Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.block import Spread
    from immtf.model.events import Event
    from immtf.model.names import NodeId
    from immtf.model.steps import UpgradePlan
    from immtf.run.fence import Guard

VERSIONS = {OLD: "1.0.0", NEW: "1.1.0"}


def make_block(nodes: str = "module.server", *, max_unavailable: int = 1) -> Block:
    """Return a block like the example's, with gates that hold after two passes."""
    gates = (MountedGate(passes=2, deadline_s=120), ConsulGate(passes=2, deadline_s=120))
    cluster = Cluster("server", nodes, gates, max_unavailable=max_unavailable, volumes={"data": VolumeSpec("data", MOUNT)})
    here = Path("/blocks/consul")
    image = ImageSpec("image_id", "consul")
    return Block("consul", "1.1.0", here, here / "immtf.yaml", here, image=image, clusters={"server": cluster})


@dataclass
class Scene:
    """A simulated world with its Terraform, and what each run told."""

    sim: SimWorld
    terraform: FakeTerraform
    block: Block
    events: list[Event] = field(default_factory=list)
    cancel: FakeCancel = field(default_factory=FakeCancel)
    first: dict[str, tuple[str, str]] = field(default_factory=dict)
    listener: Callable[[Event], None] = lambda _event: None
    cloud: Callable[[SimWorld], FakeCloud] = FakeCloud
    service: Callable[[SimWorld], FakeService] = FakeService
    guard: Guard = unguarded
    overrides: Overrides = field(default_factory=Overrides)
    known: frozenset[str] = frozenset()

    def tell(self, event: Event) -> None:
        """Take a run's event down, then let the listener have it: a run can be killed at any."""
        self.events.append(event)
        self.listener(event)

    def world(self) -> World:
        """Return the observer of a fresh process: it knows nothing yet."""
        sim, guard = self.sim, self.guard
        world = World(
            self.block, self.terraform, self.cloud(sim), FakeGuest(sim), self.service(sim), FakeKnock(sim), tags=TAGS, guard=guard
        )
        world.checks, world.known = FakeChecks(sim), self.known
        if guard is not unguarded:
            world.terraform, world.cloud = FencedTerraform(world.terraform, guard), FencedCloud(world.cloud, guard)
            world.service = FencedService(world.service, guard)
        return world

    def patience(self) -> Patience:
        return Patience(self.sim.clock, self.cancel, self.tell, self.overrides)

    def executor(self) -> Executor:
        return Executor(self.world(), self.patience(), Ledger(self.sim.clock.now))

    def plan(self) -> UpgradePlan:
        """Observe and plan, as `immtf plan` does."""
        return prepare(self.world(), self.patience(), ImageChoice(self.sim.wanted, "1.1.0"), VERSIONS)

    def upgrade(self) -> None:
        """Be one process that upgrades."""
        executor = self.executor()
        plan = prepare(executor.world, executor.patience, ImageChoice(self.sim.wanted, "1.1.0"), VERSIONS)
        Upgrade(executor).perform(plan)

    def upgrade_only(self, executor: Executor, *nodes: NodeId) -> None:
        """Be a process that upgrades these nodes and no other."""
        plan = prepare(executor.world, executor.patience, ImageChoice(self.sim.wanted, "1.1.0"), VERSIONS, only=nodes)
        Upgrade(executor).perform(plan)

    def converge(self, run: Callable[[], None] | None = None, *, runs: int = 4) -> list[BaseException]:
        """Upgrade until a run ends well; return what the earlier ones ended with. The last one's error is raised."""
        ended: list[BaseException] = []
        while True:
            try:
                (run or self.upgrade)()
            except (Crash, ImmtfError) as error:
                ended.append(error)
                if len(ended) >= runs:
                    raise
                self.sim.calls.revive()
                self.sim.clock.sleep(60)
            else:
                return ended

    def faults(self) -> list[str]:
        """Return what is not as it has to be after an upgrade; faults that were planned and not met are off."""
        self.sim.calls.revive()
        found = [f"{self.sim.raft.lost} writes were lost"] if self.sim.raft.lost else []
        for key in self.sim.keys:
            volume = self.sim.volumes[self.sim.state[self.terraform.planner.address(VOLUME, key)].identity]
            found += [f"{key} is not healthy"] if not self.sim.healthy(key) else []
            found += [f"{key} runs {item.image}" for item in self.sim.live(key) if item.image != self.sim.wanted]
            found += [f"{key} has other data"] if (volume.volume_id, volume.filesystem) != self.first[key] else []
            mark = json.loads(volume.mark or "{}")
            found += [f"{key} has the mark {mark}"] if (mark.get("node"), mark.get("filesystem")) != (key, volume.filesystem) else []
            found += (
                [f"{key} has its volume on {volume.owner}"] if [volume.owner] != [item.instance_id for item in self.sim.live(key)] else []
            )
        return found + (["a full plan is not empty"] if self.terraform.plan().changed else [])

    def rolled(self) -> dict[str, int]:
        """Return how many instances each node was given beside its first."""
        made = [item.node for item in self.sim.instances.values()]
        return {key: made.count(key) - 1 for key in self.sim.keys}

    def take_in_strays(self) -> None:
        """Be the person who imports instances that a killed Terraform made and did not write down."""
        named = {row.identity for row in self.sim.state.values()}
        for key in self.sim.keys:
            for item in self.sim.live(key):
                if item.instance_id not in named:
                    self.sim.state[self.terraform.planner.address(INSTANCE, key)] = Row(key, INSTANCE, item.instance_id)
                    self.sim.serial += 1


def make_scene(count: int = 3, *, leader: int = 0, prune: bool = False, marked: bool = True, wishes: Wishes | None = None) -> Scene:
    """Return a healthy cluster of so many nodes at the old image, led by the node with this index."""
    sim = SimWorld(tuple("abcdefg"[:count]), prune=prune)
    wishes = wishes or Wishes()
    terraform = FakeTerraform(sim, wishes)
    for key in sim.keys:
        _populate(sim, Planner(sim, wishes), key, marked=marked)
    sim.clock.sleep(60)
    sim.raft.hand_over(sim.address(sim.keys[leader % count]))
    sim.clock.sleep(10)
    terraform.outputs = tuple(sorted(row.identity for row in sim.state.values() if row.kind == INSTANCE))
    nodes = "module.server" if wishes.layout == "modules" else "aws_instance.server"
    return Scene(sim, terraform, make_block(nodes), first={item.node: (item.volume_id, item.filesystem) for item in sim.volumes.values()})


def may_be_away(scene: Scene, wished: int, spread: Spread = "any") -> Scene:
    """Let so many nodes of a scene be away at the same time, where quorum allows it; the world holds just that."""
    clusters = {name: replace(item, max_unavailable=wished, spread=spread) for name, item in scene.block.clusters.items()}
    scene.block = replace(scene.block, clusters=clusters)
    scene.sim.at_once = max(1, min(wished, (len(scene.sim.keys) - 1) // 2))
    scene.sim.one_zone = spread == "zone"
    return scene


def make_empty(count: int = 3) -> Scene:
    """Return a world in which nothing was made yet."""
    sim = SimWorld(tuple("abcdefg"[:count]))
    return Scene(sim, FakeTerraform(sim), make_block())


def _populate(sim: SimWorld, planner: Planner, key: str, *, marked: bool) -> None:
    volume = SimVolume(sim.new_id("vol"), key, sim.zone(key), filesystem=sim.new_id("fs"), identity=sim.new_id("server"))
    mark = {"block": "consul", "cluster": "server", "node": key, "volume": volume.volume_id, "filesystem": volume.filesystem}
    volume.mark = json.dumps(mark) if marked else ""
    sim.volumes[volume.volume_id] = volume
    item = sim.launch(key, OLD)
    sim.clock.sleep(sim.times.create)
    sim.attach(volume, item)
    sim.state[planner.address(INSTANCE, key)] = Row(key, INSTANCE, item.instance_id)
    sim.state[planner.address(VOLUME, key)] = Row(key, VOLUME, volume.volume_id)
    sim.state[planner.address(ATTACHMENT, key)] = Row(key, ATTACHMENT, item.instance_id, volume.volume_id)


def _stop(scene: Scene, key: str) -> None:
    (item,) = scene.sim.live(key)
    scene.sim.stop(item)
    scene.sim.clock.sleep(scene.sim.times.stop)


def _detach(scene: Scene, key: str) -> None:
    _stop(scene, key)
    (item,) = scene.sim.live(key)
    volume = scene.sim.on(item)
    assert volume is not None
    scene.sim.detach(volume, item)
    scene.sim.clock.sleep(scene.sim.times.move)


def _terminate(scene: Scene, key: str) -> None:
    (item,) = scene.sim.live(key)
    scene.sim.terminate(item)
    scene.sim.clock.sleep(scene.sim.times.terminate)


def _at_target(scene: Scene, key: str) -> None:
    (item,) = scene.sim.live(key)
    item.image = NEW


def _detached_at_target(scene: Scene, key: str) -> None:
    _at_target(scene, key)
    _detach(scene, key)


def _stopped_at_target(scene: Scene, key: str) -> None:
    _at_target(scene, key)
    _stop(scene, key)


def _running_without_volume(scene: Scene, key: str) -> None:
    _detached_at_target(scene, key)
    (item,) = scene.sim.live(key)
    scene.sim.start(item)
    scene.sim.clock.sleep(scene.sim.times.create)


def _sick(scene: Scene, key: str) -> None:
    scene.sim.kill_server(key)


def _stopping(scene: Scene, key: str) -> None:
    (item,) = scene.sim.live(key)
    scene.sim.stop(item)


def _shutting_down(scene: Scene, key: str) -> None:
    (item,) = scene.sim.live(key)
    scene.sim.terminate(item)


FLAWS: dict[str, Callable[[Scene, str], None]] = {
    "stopped": _stop,
    "stopping": _stopping,
    "detached": _detach,
    "terminated": _terminate,
    "shutting down": _shutting_down,
    "sick": _sick,
    "stopped at target": _stopped_at_target,
    "detached at target": _detached_at_target,
    "running without its volume": _running_without_volume,
}
at_target = _at_target
