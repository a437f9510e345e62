"""Moves: objects that the configuration has under a new address (`moved`) get it in the state before anything else is done.

Terraform makes no plan with targets while a move is left out of them, and every step here is one with targets. So the moves are recorded
first, by a plan that can change nothing in the world (`-refresh-only`): what moves and is to be changed as well is changed later, in
the step whose it is, and judged there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import StalePlan
from immtf.model.events import PlanJudged, StepFinished, StepStarted
from immtf.plan.judge import judge_moves
from immtf.run.apply import ATTEMPTS
from immtf.run.gates import check_cancel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.model.snapshot import Move
    from immtf.run.gates import Patience
    from immtf.run.world import World

WHERE, STEP = "moves", "RecordMoves"


def record_moves(world: World, patience: Patience, moves: Sequence[Move]) -> None:
    """Record the moves that were shown. Raises `PlanRefused` before anything is applied; a plan that went stale is made and judged anew."""
    check_cancel(patience, WHERE)
    start = patience.clock.monotonic()
    attempt = 1
    while not _record(world, patience, moves, last=attempt == ATTEMPTS):
        attempt += 1
    patience.emit(StepFinished(WHERE, STEP, round(patience.clock.monotonic() - start, 3), f"recorded: {len(moves)} moves"))


def _record(world: World, patience: Patience, moves: Sequence[Move], *, last: bool) -> bool:
    """Plan, judge and apply once; return whether it is done: not where the state moved meanwhile, and this wasn't the `last` attempt."""
    targets = [address for move in moves for address in (move.previous, move.address)]
    saved = world.terraform.plan(targets=targets, records=True)
    patience.refuse(judge_moves(saved.data, moves, world.layout), WHERE)
    if not any(row.previous for row in saved.data.drift):
        return True  # somebody else has recorded them
    patience.emit(PlanJudged(WHERE, STEP, tuple(map(str, moves))))
    patience.emit(StepStarted(WHERE, STEP, f"record {len(moves)} moves"))
    try:
        world.terraform.apply(saved)
    except StalePlan:
        if last:
            raise
        world.survey()
        return False
    world.survey()
    return True
