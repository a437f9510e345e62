"""What the run of one block tells, as an event of the run over many: its nodes and stages bear the block's name, so none is another's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.model import events as e
from immtf.model.block_events import BlockTold

if TYPE_CHECKING:
    from immtf.model.events import Event

Noded = (
    e.NodeStarted
    | e.NodeFinished
    | e.NodeSkipped
    | e.StepStarted
    | e.StepFinished
    | e.StepSkipped
    | e.StepWaited
    | e.GateAsked
    | e.TerraformTold
    | e.PlanJudged
    | e.CheckOverridden
)


def owned(event: Event) -> Event:
    """Return what progress and thinning go by: nodes as `block node`, a stage as a step of its block; other events as they are."""
    if not isinstance(event, BlockTold):
        return event
    told, block = event.told, event.block
    if isinstance(told, e.StageStarted):
        return e.StepStarted(block, f"stage {told.stage}", told.what)
    if isinstance(told, e.StageFinished):
        return e.StepFinished(block, f"stage {told.stage}", told.seconds, "", told.aws_api_calls, told.terraform_runs)
    if isinstance(told, Noded):
        return replace(told, node=f"{block} {told.node}".strip())
    return event
