"""What Terraform's own JSON says, as data: the changes of a plan, the resources of a state.

Values that Terraform marks as sensitive are never in here: `immtf.plan.changes` puts `SENSITIVE` in their place before the
first of these objects is made. As marks get lost on the way through some resources, values are left out of every repr as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SENSITIVE: Final = "(sensitive)"


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a plan: what Terraform would do with one object.

    `module` is the module's address (`module.server["a"]`, empty for the root module). `actions` are Terraform's own words in
    their order: `("delete", "create")` is a replacement, `("create", "delete")` one that makes the new object first. `deposed`
    is the key of an object that a replacement left behind, `previous` the address the object had before a move.
    """

    address: str
    module: str
    type: str
    name: str
    index: str | int | None
    mode: Literal["managed", "data"]
    actions: tuple[str, ...]
    reason: str = ""
    replace_paths: tuple[str, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict, repr=False)
    after: Mapping[str, Any] = field(default_factory=dict, repr=False)
    deposed: str = ""
    previous: str = ""

    @property
    def is_noop(self) -> bool:
        """Whether nothing in the world would change: no action, or only a read."""
        return set(self.actions) <= {"no-op", "read"}

    @property
    def is_create(self) -> bool:
        """Whether an object is made where there is none."""
        return self.actions == ("create",)

    @property
    def is_update(self) -> bool:
        """Whether the object is changed in place."""
        return self.actions == ("update",)

    @property
    def is_delete(self) -> bool:
        """Whether the object is destroyed and none takes its place."""
        return self.actions == ("delete",)

    @property
    def is_replace(self) -> bool:
        """Whether another object takes this one's place, in either order."""
        return "delete" in self.actions and "create" in self.actions

    @property
    def creates_first(self) -> bool:
        """Whether the new object is made while the old one still is (`create_before_destroy`)."""
        return self.actions == ("create", "delete")

    @property
    def destroys(self) -> bool:
        """Whether the object that is there now would be gone: deleted or replaced."""
        return "delete" in self.actions

    @property
    def is_forget(self) -> bool:
        """Whether the object would stay in the world and leave the state (a `removed` block)."""
        return "forget" in self.actions


@dataclass(frozen=True, slots=True)
class PlanData:
    """A saved plan. `changes` has every row Terraform gave, also those without an action; `errored`: Terraform failed on the way.

    `remote_states` are the states of other root modules that were read for this plan; one that is to be read later, in the apply, is
    among the changes. `drift` are objects that are not as the state has them: gone, changed by others or, in a plan that only
    records, under a new address.
    """

    changes: tuple[Change, ...]
    outputs_changed: tuple[str, ...]
    errored: bool
    remote_states: tuple[Resource, ...] = field(default=(), repr=False)
    drift: tuple[Change, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Resource:
    """One object in the state. `tainted`: its creation did not finish, so the next plan would replace it."""

    address: str
    module: str
    type: str
    name: str
    index: str | int | None
    values: Mapping[str, Any] = field(repr=False)
    mode: Literal["managed", "data"] = "managed"
    tainted: bool = False
    deposed: str = ""


@dataclass(frozen=True, slots=True)
class StateData:
    """The state. `serial` grows with each write; None where the backend doesn't tell it without a further call."""

    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    serial: int | None = None
