"""What a run over many blocks tells: its order, whose turn it is, what each block's own run tells, and how each ended.

Each block is run by a process of its own, whose events come in a `block_told` each, with the block's name. So nothing that one block
tells is ever taken for another's, and the events of the whole run (`run_started`, `run_finished`) stay the only ones of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from immtf.model.events import Event
    from immtf.model.rows import BlockRow


@dataclass(frozen=True, slots=True)
class BlocksPlanned:
    """The blocks of the run, in the order in which they begin; at most `parallel` of them are under way at once."""

    rows: tuple[BlockRow, ...]
    parallel: int


@dataclass(frozen=True, slots=True)
class BlockStarted:
    """The run of a block began; `index` of `total`."""

    block: str
    version: str
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class BlockTold:
    """The run of a block told something: one of the other events, without their envelope."""

    block: str
    told: Event


@dataclass(frozen=True, slots=True)
class BlockEnded:
    """The run of a block ended, or was never begun.

    `ending`: `done`, `nothing_to_do`, `pending` (of a plan), `failed`, `skipped` (what it waits for did not end well) or `interrupted`.
    `problem` is why, in words, and `next` what its own run says to do.
    """

    block: str
    ending: str
    exit_code: int
    problem: str
    next: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BlocksEnded:
    """How every block ended, in the order of the plan."""

    rows: tuple[BlockEnded, ...]


BlockEvent: TypeAlias = BlocksPlanned | BlockStarted | BlockTold | BlockEnded | BlocksEnded
