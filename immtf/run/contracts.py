"""The contracts between blocks, asked before anything is changed: what this one requires is deployed, in a version that it accepts.

Asked with the full plan that a run begins with, which holds what Terraform read of the other blocks' states a moment ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import PlanRefused, VersionsUnresolved
from immtf.plan.contracts import judge_requires
from immtf.plan.judge import REFUSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from immtf.model.block import Block
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.gates import Patience


def refuse_contracts(block: Block, plan: PlanData, patience: Patience, known: Collection[str] = (), later: Collection[str] = ()) -> None:
    """Raise `VersionsUnresolved` where a block that this one requires is not known to be of a version in range.

    `known` are required blocks whose states were looked at before the plan was made, `later` those that will be others by its turn.
    """
    refuse_unmet(judge_requires(block, plan, known, later), block, patience)


def refuse_unmet(refusals: Iterable[Refusal], block: Block, patience: Patience, *, early: bool = False) -> None:
    """Raise `VersionsUnresolved` for what of a contract isn't met, but for what a person lets pass. `early`: before there is a plan."""
    try:
        patience.refuse(refusals, f"block {block.name}")
    except PlanRefused as refused:  # the same sentence; that versions don't fit has an exit code of its own
        what = f"nothing was touched: {refused.what.removeprefix(REFUSED)}" if early else refused.what
        raise VersionsUnresolved(what, where=refused.where, next=refused.next) from None
