"""The lease of a block in an environment, as it stands beside a remote state: who has it, and how it is known to be alive.

`since` is for people. No time in here is compared with a clock: the machines that read it have clocks of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a lease: the run, `user@host`, the command, its process on that host, and since when (for display only)."""

    run: str
    who: str
    command: str
    pid: int
    since: str

    def __str__(self) -> str:
        """Tell who it is, from where, and since when."""
        return f"run {self.run} ({self.command}) of {self.who}, pid {self.pid}, since {self.since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """What the lease's object says.

    `token` belongs to one process alone. `ttl_s` is what this holder promised: it renews far more often. `generation` grows each time
    the lease changes hands. `beat` grows with each renewal, so that no two contents, and no two etags, are the same.
    """

    holder: Holder
    token: str
    ttl_s: float
    generation: int = 1
    beat: int = 0
    free: bool = False


class Standing(Enum):
    """What a lease is to one who wants it."""

    OURS = "ours"
    FREE = "free"
    HELD = "held"
    DEAD = "dead"
    UNREADABLE = "unreadable"
