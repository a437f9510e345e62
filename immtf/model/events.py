"""What a run tells, as it happens: a closed union of frozen events, past tense, one JSON object a line in the journal.

The journal is for people and reports. It never decides what is done: reality is observed again for that. Every event is
written with an envelope: `v` (the schema's version), `seq` (from 1, without gaps), `at` (UTC, ISO 8601, from the runner's clock),
`run` and `event` (the snake-case name below). Fields ending in `_s` are seconds. A node is written `cluster/key`, or "" where an
event belongs to the whole cluster or block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from immtf.model.block_events import BlockEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.rows import FindingRow, ImageRow, NodeRow, PlanRow


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A command began its work."""

    command: str
    block: str
    version: str
    environment: str
    cloud: str
    who: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    """The whole change was cut into steps; `shared` is what changes outside the nodes (`address: action`), `outputs` which outputs do."""

    rows: tuple[PlanRow, ...]
    shared: tuple[str, ...]
    image: str
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the run began.

    Stages are `observe`, `create`, `settle`, `shared`, `nodes`, `rest`, `rollback`, `repair`, `stop`, `destroy`, `clean-up` and `previous`,
    of images `build` and `verify`. Stages within `previous` are those of the container that makes the previous version.
    """

    stage: str
    what: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage ended well. Calls and Terraform runs are those of the run so far, as in its last event; null where nobody counted."""

    stage: str
    seconds: float
    aws_api_calls: int | None = None
    terraform_runs: int | None = None


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """The work on one node began; `index` of `total`."""

    node: str
    index: int
    total: int
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node is at its target and proven; `away_s` from the stop until its gates held again."""

    node: str
    seconds: float
    away_s: float
    instance: str


@dataclass(frozen=True, slots=True)
class NodeSkipped:
    """Nothing had to be done for a node, with the evidence."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step acts, and why."""

    node: str
    step: str
    what: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step reached what it is for, with the evidence. Calls and Terraform runs are those of the run so far; null where nobody counted."""

    node: str
    step: str
    seconds: float
    evidence: str
    aws_api_calls: int | None = None
    terraform_runs: int | None = None


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """What a step is for held already."""

    node: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepWaited:
    """A step waits for the world, and for what."""

    node: str
    step: str
    reason: str
    elapsed_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class GateAsked:
    """A gate was asked once: whether it held, why (not), and how many passes in a row of those needed."""

    node: str
    gate: str
    held: bool
    reason: str
    passes: int
    needed: int
    elapsed_s: float
    limit_s: float


@dataclass(frozen=True, slots=True)
class TerraformTold:
    """Terraform said something while it ran; `kind` is the type of its own JSON line."""

    node: str
    kind: str
    address: str
    action: str
    elapsed_s: float
    message: str


@dataclass(frozen=True, slots=True)
class PlanJudged:
    """A Terraform plan was judged; `allowed` are the changes its step may make (`address: action`)."""

    node: str
    step: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckOverridden:
    """A check spoke against going on, and was let pass because a person said so beforehand, for this reason."""

    node: str
    check: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProbeReported:
    """The probe's count so far; `gap_s` is the longest time without an acknowledged write, `since_ack_s` the present one.

    `recent_gap_s` is the longest one that ended since the report before this, or goes on.
    """

    acknowledged: int
    failed: int
    gap_s: float
    since_ack_s: float
    recent_gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Noted:
    """Something a reader should know; `level` is `info` or `warning`."""

    level: str
    message: str


@dataclass(frozen=True, slots=True)
class StatusTaken:
    """The cluster as it was observed; `unfinished` names what an earlier run left."""

    rows: tuple[NodeRow, ...]
    unfinished: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The environment was looked at; `findings` is everything that is wrong, in the order in which it is mended."""

    findings: tuple[FindingRow, ...]


@dataclass(frozen=True, slots=True)
class ImagesListed:
    """The images of a family, or of all, the newest version of each first; of `image gc` with what becomes of each."""

    rows: tuple[ImageRow, ...]


@dataclass(frozen=True, slots=True)
class RunHalted:
    """The run stopped before its end: what, where, what is safe, and the exact next command."""

    what: str
    where: str
    safe: str
    next: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event of a run. `outcome`: `done`, `nothing_to_do`, `pending` (of a plan), `halted`, `interrupted`, `paused` or `failed`.

    `terraform_s` is time inside Terraform runs, `servers_s` time waiting for instances and gates, `own_s` what immtf itself added.
    `writes_*` and `longest_write_gap_s` are null where no probe ran. `aws_api_calls` counts immtf's own calls, and in the lab
    those of Terraform's provider too.
    """

    outcome: str
    nodes_replaced: int
    volumes_kept: int
    writes_acknowledged: int | None
    writes_lost: int | None
    longest_write_gap_s: float | None
    away_s: Mapping[str, float] = field(default_factory=dict)
    aws_api_calls: int = 0
    terraform_runs: int = 0
    duration_s: float = 0.0
    terraform_s: float = 0.0
    servers_s: float = 0.0
    own_s: float = 0.0
    exit_code: int = 0


Event: TypeAlias = (
    RunStarted
    | PlanMade
    | StageStarted
    | StageFinished
    | NodeStarted
    | NodeFinished
    | NodeSkipped
    | StepStarted
    | StepFinished
    | StepSkipped
    | StepWaited
    | GateAsked
    | TerraformTold
    | PlanJudged
    | CheckOverridden
    | ProbeReported
    | Noted
    | StatusTaken
    | Diagnosed
    | ImagesListed
    | RunHalted
    | RunFinished
    | BlockEvent
)
