"""The plan that records moves: these, no others, and nothing else."""

from __future__ import annotations

import pytest

from immtf.model.snapshot import Move
from immtf.model.terraform import PlanData
from immtf.plan.judge import judge_moves, refuse_moved
from immtf.plan.sort import sort_plan
from tests.fakes.builders import make_change, make_layout

VPC, OLD = 'module.network["own"].aws_vpc.this', "module.network.aws_vpc.this"
EIP, OTHER = 'module.server["a"].aws_eip.new', 'module.server["b"].aws_eip.new'
LAYOUT = make_layout()
MOVED = make_change(VPC, previous=OLD)


def drifted(address: str, *actions: str, previous: str = "") -> PlanData:
    return PlanData((), (), errored=False, drift=(MOVED, make_change(address, *actions, previous=previous)))


@pytest.mark.parametrize(
    ("plan", "checks"),
    [
        (PlanData((), (), errored=False, drift=(MOVED,)), []),
        (drifted("aws_eip.x", "update"), []),
        (drifted("aws_eip.x", previous="aws_eip.y"), ["moves-only"]),
        (drifted("aws_eip.x", "delete"), ["moves-only"]),
        (drifted("aws_eip.x", "forget"), ["moves-only"]),
        (PlanData((make_change(VPC, "update", previous=OLD),), (), errored=False), ["moves-only"]),
        (PlanData((), (), errored=True), ["plan-errored"]),
    ],
)
def test_what_may_be_recorded(plan: PlanData, checks: list[str]) -> None:
    assert [refusal.check for refusal in judge_moves(plan, [Move(VPC, OLD)], LAYOUT)] == checks


@pytest.mark.parametrize(
    ("address", "previous", "refused"),
    [
        (VPC, OLD, False),
        (EIP, 'module.server["a"].aws_eip.old', False),
        (EIP, OTHER, True),
        (EIP, "aws_eip.old", True),
        ("aws_eip.new", EIP, True),
        ('module.server["a"].aws_ebs_volume.new', 'module.server["a"].aws_ebs_volume.data', True),
    ],
)
def test_a_node_keeps_its_addresses_and_what_is_its_own(address: str, previous: str, refused: bool) -> None:
    """F38."""
    row = make_change(address, previous=previous)
    for plan in (PlanData((row,), (), errored=False), PlanData((), (), errored=False, drift=(row,))):
        assert [refusal.check for refusal in refuse_moved(plan, LAYOUT)] == ["moved"] * refused


def test_moves_are_told_once_also_of_what_is_gone() -> None:
    plan = PlanData(
        (MOVED, make_change("aws_eip.x", "update")), (), errored=False, drift=(MOVED, make_change("b.c", "delete", previous="b.d"))
    )
    parts = sort_plan(plan, LAYOUT)
    assert parts.moves == (Move(VPC, OLD), Move("b.c", "b.d"))
    assert [change.address for change in parts.shared] == ["aws_eip.x"]
