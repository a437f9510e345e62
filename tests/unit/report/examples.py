"""One example of each event, and a small run in order; a made-up cluster of two nodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from immtf.model.block_events import BlockEnded, BlocksEnded, BlocksPlanned, BlockStarted, BlockTold
from immtf.model.events import (
    CheckOverridden,
    Diagnosed,
    GateAsked,
    ImagesListed,
    NodeFinished,
    NodeSkipped,
    NodeStarted,
    Noted,
    PlanJudged,
    PlanMade,
    ProbeReported,
    RunFinished,
    RunHalted,
    RunStarted,
    StageFinished,
    StageStarted,
    StatusTaken,
    StepFinished,
    StepSkipped,
    StepStarted,
    StepWaited,
    TerraformTold,
)
from immtf.model.rows import BlockRow, FindingRow, ImageRow, NodeRow, PlanRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.events import Event

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NODE = "server/a"
INSTANCE = 'module.server["a"].aws_instance.this'


def make_plan_row(node: str = NODE, *, why: str = "follower, zone a") -> PlanRow:
    return PlanRow(node, "1.0.0", "1.1.0", "replace", why, ("data",), ("mounted", "consul"), "2 of 3")


def make_node_row(node: str = NODE, *, health: str = "passing") -> NodeRow:
    return NodeRow(node, "i-0a1", "running", "1.0.0", "eu-west-1a", ("vol-0a1",), "/var/lib/consul", "follower", health)


def make_image_row(version: str = "1.1.0", *, fate: str = "", why: str = "") -> ImageRow:
    state = ("available", "2026-11-20 08:00", "1a2b3c", "2026-11-20T09:00:00Z r1", "2026-11-20T10:00:00Z r2")
    return ImageRow("consul", version, f"ami-{version}", *state, ("i-0a1 (running)",), fate, why)


def make_gate(*, held: bool = False, reason: str = "2 voters of 3", passes: int = 0, node: str = NODE) -> GateAsked:
    return GateAsked(node, "consul", held, reason, passes, 3, 4.0, 600.0)


def make_told(kind: str, elapsed_s: float = 0.0, *, address: str = INSTANCE, message: str = "") -> TerraformTold:
    return TerraformTold(NODE, kind, address, "create", elapsed_s, message)


def make_finished(outcome: str = "done", exit_code: int = 0) -> RunFinished:
    return RunFinished(outcome, 1, 2, 1204, 0, 1.4, {NODE: 47.3}, 412, 11, 200.0, 100.0, 90.0, 10.0, exit_code)


HALT = RunHalted("no capacity for a new instance", NODE, "the other nodes serve", "immtf upgrade terraform/blocks/consul --yes", 20)

FAILED = BlockEnded("etcd", "failed", 20, "server/a: the gate did not hold", "immtf upgrade blocks/etcd --yes", 130.0)
EXAMPLES: list[Event] = [
    RunStarted("upgrade", "consul", "1.1.0", "test-1", "lab", "ann@build"),
    PlanMade((make_plan_row(), make_plan_row("server/b", why="leader, goes last")), ("aws_security_group.this",), "ami-1 (1.1.0)"),
    StageStarted("nodes", "one at a time"),
    StageFinished("nodes", 130.0),
    NodeStarted(NODE, 1, 2, "replace", "follower, zone a"),
    NodeFinished(NODE, 71.2, 47.3, "i-0a2"),
    NodeSkipped("server/b", "runs 1.1.0 and is healthy"),
    StepStarted(NODE, "stop_node", "stop i-0a1"),
    StepFinished(NODE, "stop_node", 4.1, "i-0a1 stopped"),
    StepSkipped(NODE, "hand_over_leadership", "this node does not lead"),
    StepWaited(NODE, "stop_node", "instance is stopping", 2.0, 300.0),
    make_gate(),
    make_told("apply_progress", 10.0, message=f"{INSTANCE}: Still creating... [10s elapsed]"),
    PlanJudged(NODE, "plan_node", (f"{INSTANCE}: replace",)),
    CheckOverridden(NODE, "http:8080", "http:8080: answered 404", "the page is new in 1.1"),
    ProbeReported(1204, 2, 1.4, 0.1),
    Noted("warning", "the volume is optimizing"),
    Diagnosed((FindingRow("stopped-node:server/a", "i-0a1 is stopped", "the node is away", "start i-0a1", "repair"),)),
    ImagesListed((make_image_row(), make_image_row("1.0.0", fate="remove", why="nothing needs it"))),
    StatusTaken((make_node_row(), make_node_row("server/b", health="?")), ("server/a is stopped",)),
    BlocksPlanned((BlockRow("base", "1.1.0", "1.0.0", ()), BlockRow("etcd", "1.1.0", "1.0.0", ("base",), "immtf upgrade blocks/etcd")), 2),
    BlockStarted("base", "1.1.0", 1, 2),
    BlockTold("etcd", NodeFinished(NODE, 71.2, 47.3, "i-0a2")),
    FAILED,
    BlocksEnded((BlockEnded("base", "done", 0, "", "", 61.0), FAILED)),
    HALT,
    make_finished(),
]


def make_run() -> list[tuple[Event, datetime]]:
    """Return a short run that ends well, one event a second."""
    events: Sequence[Event] = [
        EXAMPLES[0],
        EXAMPLES[1],
        StageStarted("nodes", "one at a time"),
        NodeStarted(NODE, 1, 2, "replace", "follower, zone a"),
        StepStarted(NODE, "apply_node", "the plan that was judged"),
        make_told("apply_start"),
        make_told("apply_progress", 10.0),
        ProbeReported(1204, 0, 1.4, 0.1),
        make_told("apply_complete", 11.0),
        StepFinished(NODE, "apply_node", 12.0, "now i-0a2"),
        StepStarted(NODE, "gates_after", "the node is back"),
        make_gate(),
        make_gate(held=True, reason="3 voters", passes=1),
        make_gate(held=True, reason="3 voters", passes=3),
        StepFinished(NODE, "gates_after", 3.0, "consul held 3 times"),
        NodeFinished(NODE, 71.2, 47.3, "i-0a2"),
        NodeSkipped("server/b", "runs 1.1.0 and is healthy"),
        StageFinished("nodes", 130.0),
        make_finished(),
    ]
    return [(event, START + timedelta(seconds=second)) for second, event in enumerate(events)]
