"""A simulated cloud with a clustered service in it, which watches over what may never happen.

Instances, volumes and servers behave as measured on the real ones: a stop takes time, a guest waits for its volume, mounts it
and starts its server, a server catches up before it is healthy, and a group without a majority has no leader. The ports over it
(`cloud`, `terraform`, `guest`, `service`) only translate. Whatever changes the world through a port passes `away` or `attach`, where the
invariants stand: a broken one raises `Violation`, whoever is to blame.

- No volume is ever deleted, and none is attached twice or pulled out by force.
- A node is taken away only while every other node is healthy, and never more nodes are away than quorum allows.
- No node has two live instances.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.fakes.calls import Calls
from tests.fakes.clock import VirtualClock
from tests.fakes.disks import RunDirectory, SimSnapshot, take_in
from tests.fakes.raft import SimRaft
from tests.fakes.wires import SimInterface, plugged

if TYPE_CHECKING:
    from immtf.plan.image import Image

ImageKind = Literal["good", "formats", "never-joins", "root-disk"]
Kind = Literal["aws_instance", "aws_ebs_volume", "aws_volume_attachment", "aws_network_interface"]
INSTANCE: Kind = "aws_instance"
VOLUME: Kind = "aws_ebs_volume"
ATTACHMENT: Kind = "aws_volume_attachment"
INTERFACE: Kind = "aws_network_interface"
OLD, NEW = "ami-old", "ami-new"
MOUNT = "/var/lib/consul"
GONE = ("shutting-down", "terminated")


class Violation(AssertionError):
    """Something happened that may never happen."""


@dataclass
class Times:
    """How long things take, in virtual seconds."""

    stop: float = 5.0
    terminate: float = 10.0
    create: float = 10.0
    move: float = 2.0
    boot: float = 2.0
    plan: float = 2.0
    leave: float = 9.0
    restart: float = 2.0


@dataclass
class SimVolume:
    """A data volume. `filesystem` "" is a blank disk; `identity` is the server's own, kept in its data; a check takes `fsck_s`."""

    volume_id: str
    node: str
    zone: str
    filesystem: str = ""
    mark: str = ""
    identity: str = ""
    owner: str = ""
    tie: str = ""
    size: int = 10
    modification: str = ""
    fsck_s: float = 0.0
    created: float = 0.0
    snapshot: str = ""


@dataclass
class SimInstance:
    """A machine of a node. `agent` answers commands; `mounted` and `serving` tell how far its boot got.

    `slot` is the slot that it is in, "" where the nodes have none. Of a node with an interface that one's address is the node's.
    """

    instance_id: str
    node: str
    image: str
    zone: str
    address: str
    state: str = "pending"
    boots: int = 0
    agent: bool = False
    mounted: bool = False
    serving: bool = False
    launched: float = 0.0
    run: RunDirectory = field(default_factory=RunDirectory)
    slot: str = ""

    @property
    def live(self) -> bool:
        return self.state not in GONE


@dataclass
class Row:
    """One object in Terraform's state: whose it is, and its cloud id (an attachment has its two ends)."""

    node: str
    kind: Kind
    identity: str
    volume: str = ""
    tainted: bool = False
    slot: str = ""


@dataclass
class SimWorld:
    """Everything there is. `wanted` is the image that Terraform's variables name; `doomed` is an environment that is being destroyed.

    `taken` are the nodes that immtf took away while they served, `pulled` the volumes that were to come out of running instances. `stuck`
    volumes stay `detaching`. Instances of `dead` images run and never answer. `shown` are images that the cloud doesn't show as whole and
    available, None those that it doesn't show. So many nodes may be away `at_once`, all of `one_zone` or of any.
    """

    keys: tuple[str, ...]
    wanted: str = NEW
    prune: bool = False
    clock: VirtualClock = field(default_factory=VirtualClock)
    calls: Calls = field(default_factory=Calls)
    times: Times = field(default_factory=Times)
    images: dict[str, ImageKind] = field(default_factory=lambda: {OLD: "good", NEW: "good"})
    instances: dict[str, SimInstance] = field(default_factory=dict)
    volumes: dict[str, SimVolume] = field(default_factory=dict)
    snapshots: dict[str, SimSnapshot] = field(default_factory=dict)
    state: dict[str, Row] = field(default_factory=dict)
    serial: int = 1
    doomed: bool = False
    made: int = 0
    taken: list[str] = field(default_factory=list)
    pulled: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    shown: dict[str, Image | None] = field(default_factory=dict)
    interfaces: dict[str, SimInterface] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    at_once: int = 1
    one_zone: bool = False
    raft: SimRaft = field(init=False)

    def __post_init__(self) -> None:
        self.raft = SimRaft(self.clock, prune=self.prune)

    def zone(self, key: str) -> str:
        return f"eu-west-1{'abc'[self.keys.index(key) % 3]}"

    def address(self, key: str) -> str:
        return f"10.0.{self.keys.index(key) % 3}.{11 + self.keys.index(key)}"

    def new_id(self, prefix: str) -> str:
        self.made += 1
        return f"{prefix}-{self.made:04d}"

    def live(self, key: str) -> list[SimInstance]:
        """Return the instances of a node that are not on their way out."""
        return [item for item in self.instances.values() if item.node == key and item.live]

    def healthy(self, key: str) -> bool:
        """Return whether a node truly serves: its own server, voting and caught up, under a leader."""
        return any(item.serving and self.raft.healthy(self.server(item)) for item in self.live(key))

    def away(self, key: str, why: str) -> None:
        """Hold the rules before a node that may be serving is taken away by immtf."""
        if self.doomed or not any(item.serving for item in self.live(key)):
            return
        made = {item.node for item in self.instances.values()} | {volume.node for volume in self.volumes.values()}
        sick = [other for other in self.keys if other in made and other != key and not self.healthy(other)]
        if len(sick) >= self.at_once or (sick and self.one_zone and {self.zone(other) for other in sick} != {self.zone(key)}):
            raise Violation(f"{why} of {key} while {', '.join(sick)} is not healthy")
        self.taken.append(key)

    def delete(self, volume_id: str) -> None:
        """Delete a volume: only ever when the whole environment is destroyed."""
        if not self.doomed:
            raise Violation(f"the volume of {self.volumes[volume_id].node} would be deleted")
        if self.volumes[volume_id].owner:
            raise Violation(f"{volume_id} would be deleted while it is attached")
        del self.volumes[volume_id]

    def check(self) -> None:
        """Hold what must be true at any moment."""
        for key in self.keys:
            slots = [item.slot for item in self.live(key)]
            if len(slots) > len(set(slots)):
                raise Violation(f"two live instances of {key}{' in one slot' if any(slots) else ''}")
            if sum(item.serving for item in self.live(key)) > 1:
                raise Violation(f"two instances serve as {key}")
        for volume in self.volumes.values():
            if volume.tie and not volume.owner:
                raise Violation(f"{volume.volume_id} hangs on nothing")

    def launch(self, key: str, image: str, slot: str = "") -> SimInstance:
        """Make an instance; it runs after a while and then boots."""
        address = f"10.0.200.{self.made + 2}" if slot else self.address(key)
        item = SimInstance(self.new_id("i"), key, image, self.zone(key), address, launched=self.clock.now, slot=slot)
        self.instances[item.instance_id] = item
        self.check()
        self.clock.after(self.times.create, lambda: self._run(item, "pending"))
        return item

    def start(self, item: SimInstance) -> None:
        """Start a stopped instance."""
        item.state, item.launched = "pending", self.clock.now
        self.clock.after(self.times.create, lambda: self._run(item, "pending"))

    def stop(self, item: SimInstance) -> None:
        """Stop a running instance; it takes its time."""
        self._silence(item)
        item.state = "stopping"
        self.clock.after(self.times.stop, lambda: self._become(item, "stopping", "stopped"))

    def terminate(self, item: SimInstance) -> None:
        """Terminate an instance; what hangs on it comes loose when it is gone."""
        self._silence(item)
        item.state = "shutting-down"
        self.clock.after(self.times.terminate, lambda: self._vanish(item))

    def attach(self, volume: SimVolume, item: SimInstance) -> None:
        """Attach a free volume; the caller has asked whether it is free, the rule stands here again."""
        if volume.owner:
            raise Violation(f"{volume.volume_id} of {volume.node} would hang on {volume.owner} and {item.instance_id}")
        volume.owner, volume.tie = item.instance_id, "attaching"
        self.clock.after(self.times.move, lambda: self.tie(volume, item, "attaching", "attached"))

    def detach(self, volume: SimVolume, item: SimInstance) -> None:
        """Detach a volume; in a running guest that has it mounted it stays `busy`, as a real one does."""
        if item.state in {"running", "stopping"}:
            self.pulled.append(volume.volume_id)
        if item.state == "running" and item.mounted:
            volume.tie = "busy"
            return
        volume.tie = "detaching"
        self.clock.after(self.times.move, lambda: self._loose(volume, item))

    def server(self, item: SimInstance) -> str:
        """Return the address that an instance's server is known by."""
        return next((own.address for own in self.interfaces.values() if own.node == item.node), item.address)

    def on(self, item: SimInstance) -> SimVolume | None:
        """Return the volume that is attached to an instance."""
        return next(
            (volume for volume in self.volumes.values() if volume.owner == item.instance_id and volume.tie in {"attached", "busy"}), None
        )

    def kill_server(self, key: str) -> None:
        """Let the server process of a node die; its instance runs on."""
        for item in self.live(key):
            if item.serving:
                self.raft.down(self.server(item))
            item.serving = False

    def revive_server(self, key: str) -> None:
        """Let a dead server process come up again."""
        for item in self.live(key):
            volume = self.on(item)
            if item.mounted and volume is not None and not item.serving:
                item.serving = True
                self.raft.up(self.server(item), volume.identity)

    def farewell(self, item: SimInstance) -> None:
        """Let a server leave and end; what supervises it starts it again, if its instance runs on."""
        item.serving = False
        self.raft.leave(self.server(item))
        boot = item.boots
        self.clock.after(self.times.leave + self.times.restart, lambda: self._boot(item, boot))

    def _run(self, item: SimInstance, before: str) -> None:
        if item.state == before:
            item.state = "running"
            item.boots += 1
            self._boot(item, item.boots)

    def _become(self, item: SimInstance, before: str, after: str) -> None:
        if item.state == before:
            item.state = after

    def _vanish(self, item: SimInstance) -> None:
        item.state = "terminated"
        for volume in self.volumes.values():
            if volume.owner == item.instance_id:
                volume.owner = volume.tie = ""
        for interface in self.interfaces.values():
            if interface.owner == item.instance_id:
                interface.owner = interface.tie = ""

    def _silence(self, item: SimInstance) -> None:
        if item.serving:
            self.raft.down(self.server(item))
        item.agent = item.mounted = item.serving = False
        item.run = RunDirectory()

    def tie(self, thing: SimVolume | SimInterface, item: SimInstance, before: str, after: str) -> None:
        """Let what hangs on an instance come to the next state, if it hangs there still."""
        if thing.owner == item.instance_id and thing.tie == before:
            thing.tie = after

    def _loose(self, volume: SimVolume, item: SimInstance) -> None:
        if volume.volume_id in self.stuck:
            self.clock.after(self.times.move, lambda: self._loose(volume, item))
        elif volume.owner == item.instance_id and volume.tie == "detaching":
            volume.owner = volume.tie = ""

    def _boot(self, item: SimInstance, boot: int) -> None:
        """Go on with a boot: the agent first, then the volume as soon as it is there, then the server on it."""
        if item.state != "running" or item.boots != boot or item.serving:
            return
        item.agent = item.image not in self.dead
        kind, volume = self.images[item.image], self.on(item)
        if kind == "root-disk":
            self._serve(item, boot, self.new_id("server"))
        elif volume is None or not plugged(self, item) or not take_in(self, item, volume, formats=kind == "formats"):
            self.clock.after(1.0, lambda: self._boot(item, boot))
        elif kind != "never-joins":
            identity = volume.identity
            self.clock.after(self.times.boot, lambda: self._serve(item, boot, identity))

    def _serve(self, item: SimInstance, boot: int, identity: str) -> None:
        if not item.serving and item.state == "running" and item.boots == boot:
            item.serving = True
            self.raft.up(self.server(item), identity)
