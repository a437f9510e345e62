"""Terraform with a left-over in its state: an instance that an interrupted replacement deposed, and that every plan would delete."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from immtf.model.terraform import Change, Resource, StateData
from tests.fakes.simulation import INSTANCE
from tests.fakes.terraform import FakePlan, FakeTerraform

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY = "8c1a"


@dataclass
class DeposedTerraform(FakeTerraform):
    """`left` is the node at whose address the left-over stands, "" where there is none."""

    left: str = ""
    identity: str = "i-left"
    stays: bool = False

    @property
    def address(self) -> str:
        return self.planner.address(INSTANCE, self.left)

    def _state(self) -> StateData:
        found = super()._state()
        if not self.left:
            return found
        module, _, name = self.address.rpartition(f".{INSTANCE}.")
        values = {"id": self.identity}
        return replace(found, resources=(*found.resources, Resource(self.address, module, INSTANCE, name, None, values, deposed=KEY)))

    def _plan(self, targets: Sequence[str], *, destroy: bool = False) -> FakePlan:
        saved = super()._plan(targets, destroy=destroy)
        if not self.left or (targets and not any(self.address.startswith(target) for target in targets)):
            return saved
        module, _, name = self.address.rpartition(f".{INSTANCE}.")
        row = Change(self.address, module, INSTANCE, name, None, "managed", ("delete",), before={"id": self.identity}, deposed=KEY)
        kept = tuple(change for change in saved.data.changes if not targets or change.type == INSTANCE)
        made = replace(saved, data=replace(saved.data, changes=(*kept, row)))
        self.made.append(made)
        return made

    def _carry_out(self, rows: list[Change]) -> None:
        super()._carry_out([row for row in rows if not row.deposed])
        if any(row.deposed for row in rows):
            self.sim.instances[self.identity].state = "stopped" if self.stays else "terminated"
            self.left = self.left if self.stays else ""
