"""What a run amounts to, measured from its events. Moments and lengths are seconds; a moment counts from the run's first event.

An owner is whose something is: a node (`server/a`, or `consul server/a` in a run over many blocks), a block, or "" for the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from immtf.model.block_events import BlockEnded
    from immtf.model.events import RunFinished, RunHalted

How: TypeAlias = Literal["done", "halted"]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stage, a step or a block's own run; `halted` is one that did not come to its end."""

    kind: str
    owner: str
    name: str
    begin_s: float
    seconds: float
    how: str = "done"


@dataclass(frozen=True, slots=True)
class PhaseSum:
    """All phases of one name together: how many, how long, and the longest with its owner."""

    kind: str
    name: str
    count: int
    total_s: float
    longest_s: float
    longest: str


@dataclass(frozen=True, slots=True)
class NodeLine:
    """How a node went; `away_s` is null where it is not told. `end_s` is when it was at its target, or left."""

    node: str
    how: str
    seconds: float | None
    away_s: float | None
    end_s: float | None
    words: str


@dataclass(frozen=True, slots=True)
class GateLine:
    """A gate's questions together: how often it was asked, how often it did not hold, how long was waited, and its last words."""

    owner: str
    gate: str
    asked: int
    refused: int
    waited_s: float
    holds: bool
    words: str


@dataclass(frozen=True, slots=True)
class Streak:
    """Answers of an owner's gates in a row that all held, or of which none did."""

    owner: str
    begin_s: float
    end_s: float
    held: bool
    asked: int


@dataclass(frozen=True, slots=True)
class Writes:
    """One report of a client's writes so far; `gap_s` is the longest time without one so far, `since_ack_s` the present one.

    `recent_gap_s` is the longest one that ended since the report before, or goes on.
    """

    owner: str
    at_s: float
    acknowledged: int
    failed: int
    gap_s: float
    since_ack_s: float
    recent_gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Calls:
    """The AWS calls and Terraform runs up to a moment, of the run and those of its blocks together."""

    at_s: float
    aws_calls: int
    terraform_runs: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What an owner's steps took of both."""

    owner: str
    aws_calls: int
    terraform_runs: int


@dataclass(frozen=True, slots=True)
class Skip:
    """What was not done, and why."""

    owner: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What a person should look at, with its owner; `times` it was told, the first time at `at_s`."""

    sort: str
    owner: str
    at_s: float
    what: str
    next: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Account:
    """One run. `told_s` is from its first event to its last; `end` and `halt` are those events themselves.

    `asked` and `refused` count the questions of all gates, and those answers that did not hold.
    """

    run: str
    command: str = ""
    block: str = ""
    version: str = ""
    environment: str = ""
    cloud: str = ""
    who: str = ""
    image: str = ""
    began: str = ""
    told_s: float = 0.0
    events: int = 0
    end: RunFinished | None = None
    halt: RunHalted | None = None
    blocks: tuple[BlockEnded, ...] = ()
    asked: int = 0
    refused: int = 0
    sums: tuple[PhaseSum, ...] = ()
    nodes: tuple[NodeLine, ...] = ()
    gates: tuple[GateLine, ...] = ()
    problems: tuple[Problem, ...] = ()
    skips: tuple[Skip, ...] = ()
    phases: tuple[Phase, ...] = ()
    streaks: tuple[Streak, ...] = ()
    writes: tuple[Writes, ...] = ()
    calls: tuple[Calls, ...] = ()
    costs: tuple[Cost, ...] = ()
    left_out: tuple[str, ...] = ()
