"""Nodes with slots: what Terraform plans and does for `modules/slotted-node`, and a whole world of such nodes.

As measured with the real provider: the attachment of a volume that was moved behind Terraform's back is planned as "create" and adopted;
the one of a network interface is read back as it is. An old instance goes last, after nothing hangs on it any more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from immtf.errors import TerraformFailed
from immtf.model.terraform import Resource, StateData
from immtf.run.ports import NOTHING_HELD
from tests.fakes.simulation import (
    ATTACHMENT,
    GONE,
    INSTANCE,
    INTERFACE,
    INTERFACE_ATTACHMENT,
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
    from tests.fakes.simulation import Kind, SimInstance

NAMES = {INSTANCE: "this", VOLUME: "data", ATTACHMENT: "data", INTERFACE: "this", INTERFACE_ATTACHMENT: "this"}


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
        ties = [self._tie(kind, key, active) for kind in (ATTACHMENT, INTERFACE_ATTACHMENT)]
        return [*instances, self._quiet(VOLUME, key), self._quiet(INTERFACE, key), *ties]

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

    def _tie(self, kind: Kind, key: str, active: str) -> Change:
        """Return the row of an attachment: gone where what it ties hangs elsewhere; an interface's is read back where it hangs right."""
        known, wanted = self.sim.state.get(self.address(kind, key)), self.sim.state.get(self.slot(key, active))
        thing = next(item for item in (self.sim.volumes if kind == ATTACHMENT else self.sim.interfaces).values() if item.node == key)
        right = wanted is not None and self._live(wanted) and not wanted.tainted and thing.owner == wanted.identity
        after: dict[str, object] = {"device_name": "/dev/xvdf", "instance_id": wanted.identity if wanted else None}
        if known is None or (kind == ATTACHMENT and thing.owner != known.identity) or not thing.owner:
            return self._row(
                kind, key, ("create",), after={**after, "volume_id": thing.volume_id} if isinstance(thing, SimVolume) else after
            )
        return self._row(kind, key, ("no-op",) if right else ("delete", "create"), after=after)


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
        elif row.kind == INTERFACE_ATTACHMENT:
            values = {"id": "eni-attach-1", "instance_id": row.identity, "network_interface_id": row.volume, "device_index": 1}
        elif row.identity in self.sim.interfaces:
            values["private_ip"] = self.sim.interfaces[row.identity].address
        module = f'module.server["{row.node}"]'
        return Resource(address, module, address.split(".")[2], NAMES[row.kind], row.slot or None, values, tainted=row.tainted)

    def _carry_out(self, rows: list[Change]) -> None:
        for kind in (INTERFACE_ATTACHMENT, ATTACHMENT):
            for row in (row for row in rows if row.type == kind and row.destroys):
                self._untie(row)
        for row in (row for row in rows if row.type == INSTANCE and "create" in row.actions):
            self._make(row)
        for kind in (ATTACHMENT, INTERFACE_ATTACHMENT):
            for row in (row for row in rows if row.type == kind and "create" in row.actions):
                self._bind(kind, row)
        for row in (row for row in rows if row.type == INSTANCE and row.is_delete):
            self._end(row)
        for row in (row for row in rows if row.type in {VOLUME, INTERFACE} and row.is_delete):
            self._delete(row)

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
        things = {**self.sim.volumes, **self.sim.interfaces}
        if things[known.volume].owner != known.identity or self.sim.instances[known.identity].state == "running":
            raise TerraformFailed(f"{row.address}: the attachment can't be ended: it is not there, or its instance runs")
        things[known.volume].owner = things[known.volume].tie = ""
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

        item = self._part(f"create:{key}", launch)
        self._keep(row.address, Row(key, INSTANCE, item.instance_id, slot=slot))

    def _bind(self, kind: Kind, row: Change) -> None:
        key = self._key(row.address)
        item = self.sim.instances[self.sim.state[self.planner.slot(key, slot_of(self.sim.wanted))].identity]
        thing = next(own for own in (self.sim.volumes if kind == ATTACHMENT else self.sim.interfaces).values() if own.node == key)
        if thing.owner != item.instance_id:
            raise TerraformFailed(f"VolumeInUse: {key} hangs on {thing.owner or 'nothing'}", code="VolumeInUse")
        name = thing.volume_id if isinstance(thing, SimVolume) else thing.interface_id
        self._part(f"adopt:{key}", lambda: None)
        self._keep(row.address, Row(key, kind, item.instance_id, name))

    def _end(self, row: Change) -> None:
        key = self._key(row.address)
        item = self.sim.instances[self.sim.state[row.address].identity]
        if item.serving:
            raise Violation(f"{row.address} serves, and would be terminated")
        self._part(f"terminate:{key}", lambda: self._vanish(item))
        self._keep(row.address, None)

    def _vanish(self, item: SimInstance) -> None:
        if item.live:
            self.sim.terminate(item)
        while item.state != "terminated":
            self.sim.clock.sleep(1.0)


def make_slotted(count: int = 3, *, leader: int = 0, wishes: Wishes | None = None) -> Scene:
    """Return a healthy cluster of so many nodes with slots at the old image, led by the node with this index."""
    sim = SimWorld(tuple("abcdefg"[:count]))
    terraform = SlottedTerraform(sim, wishes or Wishes())
    for key in sim.keys:
        _populate(sim, terraform.planner, key)
    sim.clock.sleep(60)
    sim.raft.hand_over(sim.address(sim.keys[leader % count]))
    sim.clock.sleep(10)
    terraform.outputs = tuple(sorted(row.identity for row in sim.state.values() if row.kind == INSTANCE))
    block = make_block()
    clusters = {name: replace(cluster, strategy="swap") for name, cluster in block.clusters.items()}
    first = {item.node: (item.volume_id, item.filesystem) for item in sim.volumes.values()}
    return Scene(sim, terraform, replace(block, clusters=clusters), first=first)


def _populate(sim: SimWorld, planner: SlottedPlanner, key: str) -> None:
    volume = SimVolume(sim.new_id("vol"), key, sim.zone(key), filesystem=sim.new_id("fs"), identity=sim.new_id("server"))
    mark = {"block": "consul", "cluster": "server", "node": key, "volume": volume.volume_id, "filesystem": volume.filesystem}
    volume.mark = json.dumps(mark)
    interface = SimInterface(sim.new_id("eni"), key, sim.zone(key), sim.address(key))
    sim.volumes[volume.volume_id], sim.interfaces[interface.interface_id] = volume, interface
    item = sim.launch(key, OLD, slot_of(OLD))
    sim.clock.sleep(sim.times.create)
    sim.attach(volume, item)
    plug(sim, interface, item)
    sim.state[planner.slot(key, slot_of(OLD))] = Row(key, INSTANCE, item.instance_id, slot=slot_of(OLD))
    sim.state[planner.address(VOLUME, key)] = Row(key, VOLUME, volume.volume_id)
    sim.state[planner.address(INTERFACE, key)] = Row(key, INTERFACE, interface.interface_id)
    sim.state[planner.address(ATTACHMENT, key)] = Row(key, ATTACHMENT, item.instance_id, volume.volume_id)
    sim.state[planner.address(INTERFACE_ATTACHMENT, key)] = Row(key, INTERFACE_ATTACHMENT, item.instance_id, interface.interface_id)
