"""What is looked at before a run that will have nodes tested: whether the tests can be run from here at all.

A missing program, a key that isn't there or a file that is no Python would else be found at the first node that is back, when it
has its new image already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import UsageError
from immtf.model.block import TestinfraGate

if TYPE_CHECKING:
    from immtf.run.gates import Patience
    from immtf.run.world import World


def refuse_untestable(world: World, patience: Patience) -> None:
    """Raise `UsageError` where a gate's tests can't be run; a gate that a person lets pass is not looked at."""
    for cluster in world.block.clusters.values():
        for gate in cluster.gates:
            if not isinstance(gate, TestinfraGate) or world.checks is None or patience.overrides.reason(gate.id):
                continue
            verdict = world.checks.ready(gate)
            if not verdict.held:
                raise UsageError(f"the tests can't be run: {verdict.reason}", where=f"gate {gate.id} of {cluster.name}", next=verdict.next)
