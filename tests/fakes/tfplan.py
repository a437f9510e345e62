"""What Terraform would plan for the simulated world: the rows, and which of them a target brings along.

Both layouts are here: `modules` (a module per node, the recommended one) and `keyed` (`for_each` on each resource). As measured: a
target takes its dependencies along, and a resource that comes along only as a dependency comes with all its keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from immtf.model.terraform import Change
from tests.fakes.simulation import ATTACHMENT, GONE, INSTANCE, VOLUME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.simulation import Kind, Row, SimWorld

TYPE = "t3.small"
NEEDS: dict[Kind, tuple[Kind, ...]] = {INSTANCE: (), VOLUME: (), ATTACHMENT: (INSTANCE, VOLUME)}


@dataclass
class Wishes:
    """What the configuration asks for beside the image, most of it wrong on purpose.

    `shared` are addresses outside the nodes with a change pending; True where they depend on the nodes. `tangled` modules refer to
    each other, so that a target on one brings all along. `moved` nodes are to be in another zone, `removed` ones are not wanted any more.
    `restless` shared changes are wanted again with each full plan, as a timestamp is. `renamed` are addresses, each with the one that
    the state has in its place (`moved`).
    """

    layout: Literal["modules", "keyed"] = "modules"
    shared: dict[str, bool] = field(default_factory=dict)
    replaced_volumes: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    creates_first: bool = False
    data_disk: bool = False
    tangled: bool = False
    removed: set[str] = field(default_factory=set)
    restless: bool = False
    renamed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planner:
    """Plans from the state, the cloud and the wishes; a failure to reach either is the port's to tell."""

    sim: SimWorld
    wishes: Wishes

    def address(self, kind: str, key: str) -> str:
        """Return where a node's resource is."""
        name = "this" if kind == INSTANCE else "data"
        if self.wishes.layout == "modules":
            return f'module.server["{key}"].{kind}.{name}'
        return f'{kind}.{"server" if kind == INSTANCE else name}["{key}"]'

    def rows(self, targets: Sequence[str]) -> list[Change]:
        """Return every row of a plan with these targets; none is all."""
        wanted = self._targeted(targets)
        rows = [row for key in self.sim.keys for row in self._node(key) if wanted is None or row.address in wanted]
        shared = [self._shared(address) for address in self.wishes.shared] + [
            row for row in self.moves() if row.address not in self.wishes.shared
        ]
        if wanted is None:
            return [*shared, *rows]
        return [*(row for row in shared if self._comes_along(row.address, targets)), *rows]

    def moves(self) -> list[Change]:
        """Return a row for each move that is still to be recorded."""
        return [self._shared(address, "no-op") for address in self.wishes.renamed]

    def _comes_along(self, address: str, targets: Sequence[str]) -> bool:
        """Return whether a shared change is in a targeted plan: it is named, or the nodes depend on it."""
        return address in targets or (address in self.wishes.shared and not (self.wishes.shared[address] or self.wishes.restless))

    def all_gone(self) -> list[Change]:
        """Return the rows of a destroy: everything that the state has."""
        return [self._row(row.kind, row.node, ("delete",)) for row in self.sim.state.values()]

    def _targeted(self, targets: Sequence[str]) -> set[str] | None:
        everything = {self.address(kind, key): (kind, key) for kind in NEEDS for key in self.sim.keys}
        if not targets:
            return None
        if any(self.wishes.shared.get(target) for target in targets):
            return set(everything)
        hit = {address for address in everything for target in targets if address == target or address.startswith(f"{target}.")}
        if self.wishes.layout == "modules":
            return set(everything) if hit and self.wishes.tangled else hit
        named = {everything[address][0] for address in hit}
        pulled = {need for kind in named for need in NEEDS[kind]} - named
        return hit | {address for address, (kind, _) in everything.items() if kind in pulled}

    def _shared(self, address: str, action: str = "update") -> Change:
        kind, _, name = address.rpartition("]")[2].removeprefix(".").partition(".")
        return Change(address, "", kind, name, None, "managed", (action,), previous=self.wishes.renamed.get(address, ""))

    def _row(self, kind: str, key: str, actions: tuple[str, ...], *, reason: str = "", after: dict[str, object] | None = None) -> Change:
        address, modules = self.address(kind, key), self.wishes.layout == "modules"
        known = self.sim.state.get(address)
        return Change(
            address=address,
            module=f'module.server["{key}"]' if modules else "",
            type=kind,
            name=address.partition("[")[0].rpartition(".")[2] if not modules else address.rpartition(".")[2],
            index=None if modules else key,
            mode="managed",
            actions=actions,
            reason=reason,
            replace_paths=("ami",) if reason == "replace_because_cannot_update" else (),
            before={"id": known.identity, **self._before(known)} if known else {},
            after=after or {},
        )

    def _before(self, known: Row) -> dict[str, object]:
        item = self.sim.instances.get(known.identity)
        return {"ami": item.image, "instance_type": TYPE} if known.kind == INSTANCE and item else {}

    def _node(self, key: str) -> list[Change]:
        if key in self.wishes.removed:
            return [self._row(kind, key, ("delete",), reason="delete_because_each_key") for kind in NEEDS]
        instance = self._instance(key)
        return [instance, self._volume(key), self._attachment(key, instance)]

    def _instance(self, key: str) -> Change:
        known = self.sim.state.get(self.address(INSTANCE, key))
        item = self.sim.instances.get(known.identity) if known else None
        after: dict[str, object] = {"ami": self.sim.wanted, "availability_zone": self.wishes.moved.get(key, self.sim.zone(key))}
        after |= {"instance_type": TYPE, "private_ip": self.sim.address(key)}
        if self.wishes.data_disk:
            after["ebs_block_device"] = [{"device_name": "/dev/sdg", "delete_on_termination": True}]
        replace = ("create", "delete") if self.wishes.creates_first else ("delete", "create")
        if known is None or item is None or item.state in GONE[1:]:
            return self._row(INSTANCE, key, ("create",), after=after)
        if known.tainted:
            return self._row(INSTANCE, key, replace, reason="replace_because_tainted", after=after)
        if item.image != self.sim.wanted or key in self.wishes.moved:
            return self._row(INSTANCE, key, replace, reason="replace_because_cannot_update", after=after)
        return self._row(INSTANCE, key, ("no-op",), after=after)

    def _volume(self, key: str) -> Change:
        if self.address(VOLUME, key) not in self.sim.state:
            return self._row(VOLUME, key, ("create",))
        replaced = key in self.wishes.replaced_volumes
        return self._row(
            VOLUME, key, ("delete", "create") if replaced else ("no-op",), reason="replace_because_cannot_update" if replaced else ""
        )

    def _attachment(self, key: str, instance: Change) -> Change:
        known = self.sim.state.get(self.address(ATTACHMENT, key))
        volume = self.sim.volumes.get(known.volume) if known else None
        there = known is not None and volume is not None and volume.owner == known.identity
        if not there:
            # An attachment that was made behind Terraform's back is planned as "create" too, and adopted by the apply.
            volume_id = self.sim.state[self.address(VOLUME, key)].identity if self.address(VOLUME, key) in self.sim.state else None
            return self._row(ATTACHMENT, key, ("create",), after={"volume_id": volume_id, "device_name": "/dev/xvdf"})
        return self._row(ATTACHMENT, key, ("delete", "create") if not instance.is_noop else ("no-op",))
