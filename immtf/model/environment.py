"""An environment: where blocks are deployed together. Its definition says where their states are and with which variables they run.

States are told apart by environment and block, so that no two ever share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

EnvironmentClass = Literal["test", "production"]
CLASS, EXPIRES = "immtf:class", "immtf:expires"  # the tags that a test environment's resources bear besides block and environment


@dataclass(frozen=True)
class Backend:
    """A place of a Terraform state: the kind of backend and its settings, all of them texts, numbers and truth values or maps of such."""

    kind: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A definition as its file has it.

    `backend` may hold `{environment}` and `{block}` in its texts; `variables` go to each block that declares them, `blocks` has
    those of single blocks by name, which go before.
    """

    name: str
    kind: EnvironmentClass
    file: Path
    region: str = ""
    backend: Backend = field(default_factory=lambda: Backend("s3"))
    variables: Mapping[str, Any] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_test(self) -> bool:
        """Return whether what is in it may be thrown away."""
        return self.kind == "test"


@dataclass(frozen=True)
class States:
    """The states of an environment: `backend_of` says where that of a block is, `there` which blocks have one (None: can't be listed).

    `template` is the backend of the definition that it is made by, with its placeholders; None where there is no definition.
    """

    backend_of: Callable[[str], Backend]
    there: Callable[[], tuple[str, ...] | None]
    template: Backend | None = None


@dataclass(frozen=True)
class Deployed:
    """A block as it is deployed, by its own output `block`.

    What it requires is None where it doesn't tell; `problem` says why it tells nothing at all.
    """

    name: str
    version: str = ""
    requires: Mapping[str, str] | None = None
    problem: str = ""


@dataclass(frozen=True)
class Neighbours:
    """What a run over many blocks tells the run of one of them of the others, so that each needn't read the states of all.

    `consumers` are the blocks that may require it, and no other does; `listed` is whether all deployed blocks were known where that was
    found out. In a plan, `before` are those of its producers and consumers that an upgrade has done by its turn, as they are then, and
    `publishes` the outputs that these declare then.
    """

    consumers: tuple[str, ...] = ()
    listed: bool = True
    before: Mapping[str, Deployed] = field(default_factory=dict)
    publishes: Mapping[str, frozenset[str]] = field(default_factory=dict)
