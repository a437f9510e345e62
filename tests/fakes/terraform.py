"""Terraform over the simulation: a plan is a file that is good for one state, an apply does its rows in Terraform's own order.

Everything is destroyed before anything is created; an attachment under a running guest ends `busy`; the state is written after each
object. A kill can fall between any two parts of an apply (`tests.fakes.parts`), and whoever called watches while it waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from immtf.errors import StalePlan, TerraformFailed
from immtf.model.layout import NOTHING_HELD
from immtf.model.terraform import PlanData, Resource, StateData
from immtf.run.ports import nobody
from tests.fakes.calls import Crash
from tests.fakes.parts import SLEPT, Parts
from tests.fakes.simulation import ATTACHMENT, INSTANCE, VOLUME, Row, SimVolume, Violation
from tests.fakes.tfplan import Planner, Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from immtf.model.layout import Held
    from immtf.model.terraform import Change
    from immtf.run.ports import Watching
    from tests.fakes.simulation import Kind


@dataclass(frozen=True)
class FakePlan:
    """Satisfies `immtf.run.ports.SavedPlan`; `serial` is that of the state it was made from."""

    data: PlanData
    serial: int
    destroy: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.data.outputs_changed) or any(not row.is_noop or row.previous for row in self.data.changes)


@dataclass
class FakeTerraform(Parts):
    """Satisfies `immtf.run.ports.Terraform`."""

    wishes: Wishes = field(default_factory=Wishes)
    outputs: tuple[str, ...] = ()
    made: list[FakePlan] = field(default_factory=list)
    applied: list[FakePlan] = field(default_factory=list)
    seed: SimVolume | None = None  # what new volumes are copies of: they are made from the snapshot that it names
    witness: Callable[[FakePlan], None] = lambda _saved: None
    held: Mapping[str, Held] = field(default_factory=lambda: NOTHING_HELD)

    @property
    def planner(self) -> Planner:
        return Planner(self.sim, self.wishes)

    def plan(
        self,
        *,
        targets: Sequence[str] = (),
        destroy: bool = False,
        refresh: bool = True,
        records: bool = False,
        held: Mapping[str, Held] = NOTHING_HELD,
    ) -> FakePlan:
        assert refresh or held, "a plan that decides is made with a refresh, but for one that makes or ends a slot's instance alone"
        assert not (destroy and targets), "a destroy is of everything"
        assert not isinstance(targets, str), "one target is not a sequence of targets"
        assert targets or not held, "what is held is for one node's own plan"
        self.held = held
        return self.sim.calls.do("terraform.plan", lambda: self._record(targets) if records else self._plan(targets, destroy=destroy))

    def apply(self, saved: Any, watch: Watching = nobody) -> None:
        self.watch, self.begun, self.failure = watch, set(), None
        self.sim.calls.do("terraform.apply", lambda: self._apply(saved))
        if self.killed:
            self.killed = False
            raise Crash("killed while Terraform worked; it finished")
        if self.failure is not None:
            raise self.failure

    def state(self) -> StateData:
        return self.sim.calls.do("terraform.state", self._state)

    def adopt(self, address: str, identity: str) -> None:
        self.sim.calls.do("terraform.adopt", lambda: self._adopt(address, identity))

    def forget(self, address: str) -> None:
        self.sim.calls.do("terraform.forget", lambda: self._forget(address))

    def untaint(self, address: str) -> None:
        self.sim.calls.do("terraform.untaint", lambda: self._untaint(address))

    def _adopt(self, address: str, identity: str) -> None:
        """Import: refused for an address that is taken, and for what doesn't exist or is gone."""
        key = self._key(address)
        item = self.sim.instances.get(identity)
        if address in self.sim.state or address != self.planner.address(INSTANCE, key):
            raise TerraformFailed(f"Resource already managed by Terraform, or no such address: {address}")
        if item is None or not item.live:
            raise TerraformFailed(f"Cannot import non-existent remote object {identity}")
        self._write(INSTANCE, key, Row(key, INSTANCE, identity))

    def _forget(self, address: str) -> None:
        """Take out of the state what is gone; to lose a live object so is a fault of whoever asks."""
        row = self.sim.state.get(address)
        if row is None:
            raise TerraformFailed(f"No matching objects found: {address}")
        if row.kind != INSTANCE or self.sim.instances[row.identity].live:
            raise Violation(f"{address} would be lost, and it is there")
        self._write(row.kind, row.node, None)

    def _untaint(self, address: str) -> None:
        row = self.sim.state.get(address)
        if row is None or not row.tainted:
            raise TerraformFailed(f"Resource instance {address} is not tainted")
        self._write(row.kind, row.node, replace(row, tainted=False))

    def _record(self, targets: Sequence[str]) -> FakePlan:
        """Make a plan that only records, as `-refresh-only`: no change is in it, the moves are drift."""
        self._refuse_excluded(targets)
        self.made.append(FakePlan(PlanData((), (), errored=False, drift=tuple(self.planner.moves())), self.sim.serial))
        return self.made[-1]

    def _refuse_excluded(self, targets: Sequence[str]) -> None:
        """End as Terraform does where targets leave out a move: as measured, both its addresses are to be named."""
        left = {address for move in self.wishes.renamed.items() for address in move} - set(targets)
        if targets and left:
            raise TerraformFailed(f"Moved resource instances excluded by targeting: {sorted(left)}")

    def _plan(self, targets: Sequence[str], *, destroy: bool = False) -> FakePlan:
        self.sim.clock.sleep(self.sim.times.plan)
        self._refuse_excluded(targets)
        rows = self.planner.all_gone() if destroy else self.planner.rows(targets)
        acting = any(not row.is_noop for row in rows)
        outputs = ("instance_ids",) if not targets and (acting or self.outputs != self._ids()) else ()
        data = PlanData(tuple(rows), outputs, errored=False)
        saved = FakePlan(data, self.sim.serial, destroy)
        self.made.append(saved)
        return saved

    def _state(self) -> StateData:
        return StateData(tuple(self._resource(address, row) for address, row in self.sim.state.items()), serial=self.sim.serial)

    def _resource(self, address: str, row: Row) -> Resource:
        modules = self.wishes.layout == "modules"
        name = address.rpartition(".")[2] if modules else address.partition("[")[0].rpartition(".")[2]
        module, index = (f'module.server["{row.node}"]', None) if modules else ("", row.node)
        return Resource(address, module, row.kind, name, index, {"id": row.identity}, tainted=row.tainted)

    def _ids(self) -> tuple[str, ...]:
        return tuple(sorted(row.identity for row in self.sim.state.values() if row.kind == INSTANCE))

    def _apply(self, saved: object) -> None:
        if not isinstance(saved, FakePlan) or not any(saved is made for made in self.made):
            raise Violation("what is applied is not a plan that was made here")
        if saved.destroy and not self.sim.doomed:
            raise Violation("everything would be destroyed, and nobody asked for it")
        if saved.serial != self.sim.serial or any(saved is done for done in self.applied):
            raise StalePlan("Saved plan is stale")
        self.witness(saved)
        self.applied.append(saved)
        for move in (*saved.data.drift, *saved.data.changes):
            self.wishes.renamed.pop(move.address, None)
        rows = [row for row in saved.data.changes if not row.is_noop]
        self._carry_out(rows)
        if not self.wishes.restless:
            for row in rows:
                self.wishes.shared.pop(row.address, None)
        if saved.data.outputs_changed:
            self.outputs = self._ids()
        self.sim.serial += 1

    def _carry_out(self, rows: list[Change]) -> None:
        """Destroy everything that goes, in the order of its uses, then make what comes, the other way round."""
        for kind in (ATTACHMENT, INSTANCE, VOLUME):
            for row in (row for row in rows if row.type == kind and row.destroys):
                self._destroy(kind, self._key(row.address))
        for kind in (VOLUME, INSTANCE, ATTACHMENT):
            for row in (row for row in rows if row.type == kind and "create" in row.actions):
                self._create(kind, self._key(row.address))

    def _key(self, address: str) -> str:
        return address.partition('["')[2].partition('"]')[0]

    def _destroy(self, kind: Kind, key: str) -> None:
        row = self.sim.state[self.planner.address(kind, key)]
        self.begun.add((self.planner.address(kind, key), "delete"))
        if kind == VOLUME:
            self.sim.delete(row.identity)
        elif kind == INSTANCE:
            self.part(f"terminate:{key}", lambda: self._terminate(key, row))
        else:
            self.part(f"detach:{key}", lambda: self._detach(key, row))
        self._write(kind, key, None)

    def _create(self, kind: Kind, key: str) -> None:
        self.begun.add((self.planner.address(kind, key), "create"))
        if kind == VOLUME:
            volume = SimVolume(self.sim.new_id("vol"), key, self.sim.zone(key), created=self.sim.clock.now)
            if self.seed:
                volume.filesystem, volume.mark, volume.snapshot = self.seed.filesystem, self.seed.mark, self.seed.snapshot
                volume.identity = self.sim.new_id("server") if volume.filesystem else ""
            self.sim.volumes[volume.volume_id] = volume
            self._write(VOLUME, key, Row(key, VOLUME, volume.volume_id))
        elif kind == INSTANCE:
            self._write(INSTANCE, key, self.part(f"create:{key}", lambda: self._launch(key)))
            self._ready(key)
        else:
            row = self.part(f"attach:{key}", lambda: self._attach(key))
            self._write(ATTACHMENT, key, row)

    def _write(self, kind: Kind, key: str, row: Row | None) -> None:
        address = self.planner.address(kind, key)
        self.sim.serial += 1
        if row is None:
            self.sim.state.pop(address, None)
        else:
            self.sim.state[address] = row

    def _terminate(self, key: str, row: Row) -> None:
        item = self.sim.instances[row.identity]
        if item.live:
            self.sim.away(key, "an apply")
            self.sim.terminate(item)
        self.wait(lambda: item.state != "terminated")

    def _detach(self, key: str, row: Row) -> None:
        volume, item = self.sim.volumes[row.volume], self.sim.instances[row.identity]
        if volume.owner == item.instance_id and volume.tie == "attached":
            self.sim.detach(volume, item)
        for _ in range(60):
            if volume.owner != item.instance_id:
                return
            self.sim.clock.sleep(5.0)
        raise TerraformFailed(f"waiting for volume attachment of {key}: unexpected state '{volume.tie}', wanted target 'detached'")

    def _launch(self, key: str) -> Row:
        taken = [item for item in self.sim.instances.values() if item.address == self.sim.address(key) and item.state != "terminated"]
        if taken:
            raise TerraformFailed(
                f"InvalidIPAddress.InUse: {self.sim.address(key)} is in use by {taken[0].instance_id}", code="InvalidIPAddress.InUse"
            )
        item = self.sim.launch(key, self.sim.wanted)
        self.wait(lambda: item.state == "pending", SLEPT)
        return Row(key, INSTANCE, item.instance_id)

    def _ready(self, key: str) -> None:
        """End the creation; where just that fails, the instance is there, and is marked as unfinished."""
        if self.killed:
            return
        try:
            self.sim.calls.do(f"ready:{key}", lambda: None)
        except TerraformFailed:
            address = self.planner.address(INSTANCE, key)
            self._write(INSTANCE, key, replace(self.sim.state[address], tainted=True))
            raise
        except Crash:
            self._outlive()

    def _attach(self, key: str) -> Row:
        item = self.sim.instances[self.sim.state[self.planner.address(INSTANCE, key)].identity]
        volume = self.sim.volumes[self.sim.state[self.planner.address(VOLUME, key)].identity]
        if volume.owner not in {"", item.instance_id}:
            raise TerraformFailed(f"VolumeInUse: {volume.volume_id} is attached to {volume.owner}", code="VolumeInUse")
        if volume.zone != item.zone:
            raise TerraformFailed(f"InvalidVolume.ZoneMismatch: {volume.volume_id} is in {volume.zone}, {item.instance_id} in {item.zone}")
        if item.state not in {"running", "stopped"}:
            raise TerraformFailed(f"IncorrectState: {item.instance_id} is {item.state}")
        if not volume.owner:
            self.sim.attach(volume, item)
        self.wait(lambda: volume.tie != "attached", SLEPT)
        return Row(key, ATTACHMENT, item.instance_id, volume.volume_id)
