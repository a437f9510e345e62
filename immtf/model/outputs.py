"""What the state of another block tells: whether it is deployed, and what it publishes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Presence = Literal["none", "empty", "there"]


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a root module; `type` is Terraform's own, as its state has it: `"string"`, `["list", "string"]`.

    The value is left out of every repr, sensitive or not.
    """

    name: str
    value: Any = field(default=None, repr=False)
    type: Any = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a block, as its state had them a moment ago; `where` says in words where that state is.

    `presence`: "none" where there is no state, "empty" where there is one that nothing is in (the block was destroyed, or nothing of it
    was ever made). A state that could not be read is never one of these. `resources` is how many objects are in it.
    """

    block: str
    where: str
    presence: Presence
    values: Mapping[str, Output] = field(default_factory=dict)
    resources: int = 0

    @property
    def is_deployed(self) -> bool:
        """Return whether there is anything of the block."""
        return self.presence == "there"
