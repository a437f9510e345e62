"""Nodes with slots: what Terraform plans and does for `modules/slotted-node`, and a whole world of such nodes.

As measured with the real provider: the attachment of a volume that was moved behind Terraform's back is planned as "create" and adopted;
a network interface that was moved is read back as it is, else it is to be updated. An old instance goes last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.errors import TerraformFailed
from immtf.model.layout import NOTHING_HELD
from immtf.model.terraform import Resource, StateData
from tests.fakes.simulation import (
    ATTACHMENT,
    GONE,
    INSTANCE,
    INTERFACE,
    OLD,
    VOLUME,
    Row,
    SimVolume,
    SimWorld,
    Violation,
)
from tests.fakes.terraform import FakeTerraform
from tests.fakes.tfplan import Planner, Wishes
from tests.fakes.wires import SimInterface, plug
from tests.fakes.world import Scene, make_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.layout import Held
    from immtf.model.terraform import Change
    from tests.fakes.simulation import SimInstance

NAMES = {INSTANCE: "this", VOLUME: "data", ATTACHMENT: "data", INTERFACE: "this"}


def slot_of(image: str, told: str = "u1") -> str:
    """Return the name of the slot whose instance is made from this image, and is told this at its first boot."""
    return f"{image}-{told}"


@dataclass(frozen=True)
class SlottedPlanner(Planner):
    """Plans nodes with slots; `held` as the port's."""

    held: Mapping[str, Held] = field(default_factory=lambda: NOTHING_HELD)

    def address(self, kind: str, key: str) -> str:
        return f'module.server["{key}"].{kind}.{NAMES[kind]}'

    def slot(self, key: str, slot: str) -> str:
        """Return where the instance of a slot is."""
        return f'{self.address(INSTANCE, key)}["{slot}"]'

    def all_gone(self) -> list[Change]:
        rows = super().all_gone()
        return [replace(row, address=address) for row, address in zip(rows, self.sim.state, strict=True)]

    def _targeted(self, targets: Sequence[str]) -> set[str] | None:
        every = [row.address for key in self.sim.keys for row in self._node(key)]
        return (
            {address for address in every for target in targets if address == target or address.startswith(f"{target}.")}
            if targets
            else None
        )

    def _node(self, key: str) -> list[Change]:
        wanted, kept = slot_of(self.sim.wanted), self.held.get(key)
        slots, active = {wanted}, wanted
        if kept is not None and kept.slot != wanted:
            slots, active = ({kept.slot, wanted} if kept.both else {kept.slot}), kept.slot
        there = {row.slot for row in self.sim.state.values() if row.kind == INSTANCE and row.node == key and self._live(row)}
        instances = [self._slot(key, slot, wanted=slot in slots) for slot in sorted(slots | there)]
        interface = [self._interface(key, active)] if self.sim.interfaces else []
        return [*instances, self._quiet(VOLUME, key), *interface, self._tie(key, active)]

    def _live(self, row: Row) -> bool:
        item = self.sim.instances.get(row.identity)
        return item is not None and item.state not in GONE[1:]

    def _quiet(self, kind: str, key: str) -> Change:
        return self._row(kind, key, ("no-op",) if self.address(kind, key) in self.sim.state else ("create",))

    def _slot(self, key: str, slot: str, *, wanted: bool) -> Change:
        row = self.sim.state.get(self.slot(key, slot))
        known = row is not None and self._live(row)
        if not wanted:
            actions: tuple[str, ...] = ("delete",)
        elif row is None or not known:
            actions = ("create",)
        else:
            actions = ("delete", "create") if row.tainted else ("no-op",)
        image = slot.rpartition("-")[0]
        before = {"id": row.identity, "ami": image} if row and known else {}
        after: dict[str, object] = {"ami": image, "availability_zone": self.sim.zone(key)} if wanted else {}
        blank = self._row(INSTANCE, key, actions, after=after, reason="replace_because_tainted" if len(actions) > 1 else "")
        return replace(blank, address=self.slot(key, slot), index=slot, before=before)

    def _interface(self, key: str, active: str) -> Change:
        """Return the interface's row: to be updated where it isn't on the slot that is to have it."""
        wanted = self._serving(key, active)
        interface = next(item for item in self.sim.interfaces.values() if item.node == key)
        right = interface.owner == wanted and bool(wanted)
        after: dict[str, object] = {"attachment": [{"instance": wanted, "device_index": 1}]} if wanted else {}
        return self._row(INTERFACE, key, ("no-op",) if right else ("update",), after=after)

    def _tie(self, key: str, active: str) -> Change:
        """Return the row of the volume's attachment: gone where the volume hangs elsewhere than the state has it."""
        known, wanted = self.sim.state.get(self.address(ATTACHMENT, key)), self._serving(key, active)
        volume = next(item for item in self.sim.volumes.values() if item.node == key)
        after: dict[str, object] = {"device_name": "/dev/xvdf", "instance_id": wanted or None, "volume_id": volume.volume_id}
        if known is None or volume.owner != known.identity:
            return self._row(ATTACHMENT, key, ("create",), after=after)
        return self._row(ATTACHMENT, key, ("no-op",) if volume.owner == wanted else ("delete", "create"), after=after)

    def _serving(self, key: str, active: str) -> str:
        """Return the instance of the slot that is to serve, "" where there is none yet."""
        row = self.sim.state.get(self.slot(key, active))
        return row.identity if row is not None and self._live(row) and not row.tainted else ""


@dataclass
class SlottedTerraform(FakeTerraform):
    """Terraform on nodes with slots."""

    @property
    def planner(self) -> SlottedPlanner:
        return SlottedPlanner(self.sim, self.wishes, self.held)

    def _adopt(self, address: str, identity: str) -> None:
        item = self.sim.instances.get(identity)
        if address in self.sim.state or item is None or not item.live:
            raise TerraformFailed(f"Resource already managed by Terraform, or nothing to import: {address}")
        if address != self.planner.slot(item.node, slot_of(self.sim.wanted)):
            raise TerraformFailed(f"the configuration has no {address}")
        self._keep(address, Row(item.node, INSTANCE, identity, slot=item.slot))

    def _forget(self, address: str) -> None:
        row = self.sim.state[address]
        if row.kind != INSTANCE or self.sim.instances[row.identity].live:
            raise Violation(f"{address} would be lost, and it is there")
        self._keep(address, None)

    def _untaint(self, address: str) -> None:
        self._keep(address, replace(self.sim.state[address], tainted=False))

    def _keep(self, address: str, row: Row | None) -> None:
        self.sim.serial += 1
        if row is None:
            self.sim.state.pop(address, None)
        else:
            self.sim.state[address] = row

    def _state(self) -> StateData:
        rows = tuple(self._resource(address, row) for address, row in self.sim.state.items())
        return StateData(rows, {"instance_ids": self.outputs}, serial=self.sim.serial)

    def _resource(self, address: str, row: Row) -> Resource:
        values: dict[str, object] = {"id": row.identity}
        if row.kind == ATTACHMENT:
            values = {"id": "vai-1", "instance_id": row.identity, "volume_id": row.volume, "device_name": "/dev/xvdf"}
        elif row.identity in self.sim.interfaces:
            interface = self.sim.interfaces[row.identity]
            values |= {"private_ip": interface.address, "attachment": [{"instance": interface.owner, "device_index": 1}]}
        module = f'module.server["{row.node}"]'
        return Resource(address, module, address.split(".")[2], NAMES[row.kind], row.slot or None, values, tainted=row.tainted)

    def _carry_out(self, rows: list[Change]) -> None:
        order = [(ATTACHMENT, "delete", self._untie), (INTERFACE, "delete", self._delete), (INSTANCE, "create", self._make)]
        order += [(INTERFACE, "update", self._plug), (ATTACHMENT, "create", self._bind)]
        order += [(INSTANCE, "delete", self._end), (VOLUME, "delete", self._delete)]
        for kind, action, effect in order:
            for row in rows:
                if row.type == kind and action in row.actions and not (effect == self._end and row.is_replace):
                    effect(row)

    def _plug(self, row: Change) -> None:
        """Attach an interface that hangs on nothing; one that hangs elsewhere is for immtf to move."""
        key = self._key(row.address)
        interface = self.sim.interfaces[self.sim.state[row.address].identity]
        if interface.owner:
            raise TerraformFailed(f"{row.address} would be moved by Terraform: that is for immtf")
        plug(self.sim, interface, self._wanted(key))
        self.sim.clock.sleep(self.sim.times.move + 1)

    def _wanted(self, key: str) -> SimInstance:
        return self.sim.instances[self.sim.state[self.planner.slot(key, slot_of(self.sim.wanted))].identity]

    def _delete(self, row: Change) -> None:
        known = self.sim.state[row.address]
        if known.kind == VOLUME:
            self.sim.delete(known.identity)
        else:
            del self.sim.interfaces[known.identity]
        self._keep(row.address, None)

    def _untie(self, row: Change) -> None:
        """End an attachment of a stopped instance. As measured, one that is gone can't be ended: the plan is from before a move."""
        known = self.sim.state[row.address]
        volume = self.sim.volumes[known.volume]
        if volume.owner != known.identity or self.sim.instances[known.identity].state == "running":
            raise TerraformFailed(f"{row.address}: the attachment can't be ended: it is not there, or its instance runs")
        volume.owner = volume.tie = ""
        self._keep(row.address, None)

    def _make(self, row: Change) -> None:
        key, slot = self._key(row.address), str(row.index)
        if row.destroys:
            self._end(row)

        def launch() -> SimInstance:
            item = self.sim.launch(key, slot.rpartition("-")[0], slot)
            while item.state == "pending":
                self.sim.clock.sleep(1.0)
            return item

        item = self.part(f"create:{key}", launch)
        self._keep(row.address, Row(key, INSTANCE, item.instance_id, slot=slot))

    def _bind(self, row: Change) -> None:
        key = self._key(row.address)
        item = self._wanted(key)
        volume = next(own for own in self.sim.volumes.values() if own.node == key)
        if not volume.owner:  # taken off by hand
            self.sim.attach(volume, item)
            self.sim.clock.sleep(self.sim.times.move + 1)
        if volume.owner != item.instance_id:
            raise TerraformFailed(f"VolumeInUse: {volume.volume_id} hangs on {volume.owner or 'nothing'}", code="VolumeInUse")
        self.part(f"adopt:{key}", lambda: None)
        self._keep(row.address, Row(key, ATTACHMENT, item.instance_id, volume.volume_id))

    def _end(self, row: Change) -> None:
        key = self._key(row.address)
        item = self.sim.instances[self.sim.state[row.address].identity]
        if item.serving:
            raise Violation(f"{row.address} serves, and would be terminated")
        self.part(f"terminate:{key}", lambda: self._vanish(item))
        self._keep(row.address, None)

    def _vanish(self, item: SimInstance) -> None:
        if item.live:
            self.sim.terminate(item)
        while item.state != "terminated":
            self.sim.clock.sleep(1.0)


def make_slotted(count: int = 3, *, leader: int = 0, wishes: Wishes | None = None, addressed: bool = True) -> Scene:
    """Return a healthy cluster of so many nodes with slots at the old image, led by the node with this index.

    With `addressed` each node has an interface of its own; else its address is that of the instance that serves.
    """
    sim = SimWorld(tuple("abcdefg"[:count]))
    terraform = SlottedTerraform(sim, wishes or Wishes())
    for key in sim.keys:
        _populate(sim, terraform.planner, key, addressed=addressed)
    sim.clock.sleep(60)
    sim.raft.hand_over(sim.server(sim.live(sim.keys[leader % count])[0]))
    sim.clock.sleep(10)
    terraform.outputs = tuple(sorted(row.identity for row in sim.state.values() if row.kind == INSTANCE))
    block = make_block()
    clusters = {name: replace(cluster, strategy="swap") for name, cluster in block.clusters.items()}
    first = {item.node: (item.volume_id, item.filesystem) for item in sim.volumes.values()}
    return Scene(sim, terraform, replace(block, clusters=clusters), first=first)


def _populate(sim: SimWorld, planner: SlottedPlanner, key: str, *, addressed: bool) -> None:
    volume = SimVolume(sim.new_id("vol"), key, sim.zone(key), filesystem=sim.new_id("fs"), identity=sim.new_id("server"))
    mark = {"block": "consul", "cluster": "server", "node": key, "volume": volume.volume_id, "filesystem": volume.filesystem}
    volume.mark = json.dumps(mark)
    sim.volumes[volume.volume_id] = volume
    item = sim.launch(key, OLD, slot_of(OLD))
    sim.clock.sleep(sim.times.create)
    sim.attach(volume, item)
    if addressed:
        interface = SimInterface(sim.new_id("eni"), key, sim.zone(key), sim.address(key))
        sim.interfaces[interface.interface_id] = interface
        plug(sim, interface, item)
        sim.state[planner.address(INTERFACE, key)] = Row(key, INTERFACE, interface.interface_id)
    sim.state[planner.slot(key, slot_of(OLD))] = Row(key, INSTANCE, item.instance_id, slot=slot_of(OLD))
    sim.state[planner.address(VOLUME, key)] = Row(key, VOLUME, volume.volume_id)
    sim.state[planner.address(ATTACHMENT, key)] = Row(key, ATTACHMENT, item.instance_id, volume.volume_id)
