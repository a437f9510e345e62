"""The contracts between blocks, asked before anything is changed: what this one requires is deployed, in a version that it accepts.

Asked with the full plan that a run begins with, which holds what Terraform read of the other blocks' states a moment ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import PlanRefused, VersionsUnresolved
from immtf.plan.contracts import judge_requires

if TYPE_CHECKING:
    from immtf.model.block import Block
    from immtf.model.terraform import PlanData
    from immtf.run.gates import Patience


def refuse_contracts(block: Block, plan: PlanData, patience: Patience) -> None:
    """Raise `VersionsUnresolved` where a block that this one requires is not known to be of a version in range."""
    try:
        patience.refuse(judge_requires(block, plan), f"block {block.name}")
    except PlanRefused as refused:  # the same sentence; that versions don't fit has an exit code of its own
        raise VersionsUnresolved(refused.what, where=refused.where, next=refused.next) from None
