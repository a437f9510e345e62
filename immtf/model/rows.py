"""The rows of what an event tells as a table: one node of a plan, one node of a status, one finding of `doctor`.

They are words for a reader, made where the facts are known. A row has no fields but texts and lists of texts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One node's line of a plan: what it is now, what becomes of it, and why in this order."""

    node: str
    now: str
    target: str
    action: str
    why: str
    volumes: tuple[str, ...]
    gates: tuple[str, ...]
    quorum_left: str


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node's line of a status, as observed; "?" where something could not be known."""

    node: str
    instance: str
    state: str
    image: str
    zone: str
    volumes: tuple[str, ...]
    mounted: str
    role: str
    health: str


@dataclass(frozen=True, slots=True)
class FindingRow:
    """Something wrong with an environment: its evidence, the harm of it, and what would be done about it, `by` `repair` or a `person`."""

    id: str
    evidence: str
    harm: str
    fix: str
    by: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image as a list shows it, every field a text; `fate` is `keep` or `remove` with the reason `why`, both "" in a plain list."""

    family: str
    version: str
    image_id: str
    state: str
    built: str
    revision: str
    verified: str
    promoted: str
    used_by: tuple[str, ...] = ()
    fate: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block of a run over many: `now` is the version that is deployed, "" where that was not asked or there is none.

    `after` are the blocks of this run that must have ended well before it begins, `command` is the command line of its own run. `why` are
    the reasons for its place: who accepts what.
    """

    block: str
    version: str
    now: str
    after: tuple[str, ...]
    command: str = ""
    why: tuple[str, ...] = ()
