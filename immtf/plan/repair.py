"""What a repair may do: which steps mend which finding of a node, and the one plan that takes a left-over object away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.plan.diagnose import Kind
from immtf.plan.judge import Refusal, acting, takes_data_along
from immtf.plan.layout import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.terraform import PlanData
    from immtf.plan.diagnose import Finding

ACTIONS: Mapping[Kind, frozenset[str]] = {
    Kind.ORPHAN: frozenset({"adopt"}),
    Kind.TAINTED: frozenset({"untaint"}),
    Kind.DETACHED: frozenset({"attach"}),
    Kind.STOPPED: frozenset({"start", "attach"}),
}
"""The actions of a plan that mend a finding and do nothing else."""

BY_TERRAFORM = frozenset({*ACTIONS, Kind.DEPOSED})
"""What is mended by applies with targets: Terraform makes none of them while a move is not recorded."""


def judge_deposed(plan: PlanData, address: str, key: str) -> list[Refusal]:
    """Judge the plan that removes a deposed instance: it may delete that very object, and nothing else at all."""
    rows = acting(plan)
    wanted = [row for row in rows if (row.address, row.deposed, row.type, row.is_delete) == (address, key, INSTANCE, True) and key]
    others = tuple(dict.fromkeys(row.address for row in rows if row not in wanted))
    mend = "`immtf plan` shows what else is pending: it comes after the left-over object; remove that one by hand"
    refusals = (
        [Refusal("plan-errored", (), "Terraform says that this plan failed", "read Terraform's own messages above")] if plan.errored else []
    )
    if others:
        refusals.append(Refusal("other-node", others, "would be changed by the removal of a left-over object", mend))
    if any(takes_data_along(row) for row in wanted):
        refusals.append(Refusal("data-disk", (address,), "has a block device of its own that is deleted with it", "look at its data first"))
    return refusals


def chosen(findings: Sequence[Finding], named: Sequence[str]) -> list[Finding]:
    """Return the findings that are to be mended: those named, else all that a machine mends but for snapshots, which have to be named."""
    if named:
        return [finding for finding in findings if finding.id in named]
    return [finding for finding in findings if finding.repairable and finding.kind is not Kind.SNAPSHOT]
