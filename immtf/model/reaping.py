"""What tests leave: the record of a test environment, and the kinds of things in a cloud that may bear its tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from immtf.model.cloud import Stray
    from immtf.model.environment import Backend

Kind = Literal[
    "instance",
    "launch-template",
    "key-pair",
    "volume",
    "snapshot",
    "network-interface",
    "security-group",
    "internet-gateway",
    "subnet",
    "route-table",
    "vpc",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which they can go: what hangs on another thing before it."""

DISKS: tuple[Kind, ...] = ("instance", "volume", "snapshot")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stands beside the states of an environment: what it is, and when it is over. Times are ISO 8601 in UTC, as they were written.

    `blocks` are the directories of the blocks that the test was of; `definition` is the environment's definition that it was made from, ""
    for none. `kept`: its test failed and was told to leave it for a look.
    """

    kind: str
    environment: str = ""
    created: str = ""
    expires: str = ""
    blocks: tuple[str, ...] = ()
    definition: str = ""
    kept: bool = False


@dataclass(frozen=True)
class Found:
    """A thing in the cloud that was found by its tags."""

    kind: Kind
    stray: Stray

    def __str__(self) -> str:
        """Name it as people do."""
        return f"{self.kind.replace('-', ' ')} {self.stray.identity}"


@dataclass(frozen=True)
class Left:
    """An environment that a record was found of: where that is, and what can be asked of it and done to it.

    `states` reads which blocks have a state there. `at_work` tells, by a look and in words, who may be at work in it, "" for nobody. `hold`
    takes its leases for a while, and gives what confirms them; it raises `LeaseHeld` where somebody is at work. `free` removes Terraform's
    locks that nobody can hold any more, and tells which; it raises for one that somebody may. `forget` removes states, locks, leases and,
    last of all, the record. `problem` says why the record can't be read.
    """

    environment: str
    where: str
    record: Record | None
    states: Callable[[], tuple[StoredState, ...]]
    at_work: Callable[[], str]
    hold: Callable[[], AbstractContextManager[Callable[[], None]]]
    forget: Callable[[], None]
    free: Callable[[], tuple[str, ...]] = tuple
    problem: str = ""


@dataclass(frozen=True)
class StoredState:
    """The state of one block: where it is for Terraform, and what stands in it."""

    block: str
    backend: Backend
    text: str
