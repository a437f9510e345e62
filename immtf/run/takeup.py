"""What an interrupted apply left is taken up: the instance is there already and must not be made a second time.

Nothing in the world is changed here, only Terraform's state. Whether the instance is any good is proven afterwards, by the same
steps as for one that was just made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import PersonNeeded
from immtf.model.events import StepStarted

if TYPE_CHECKING:
    from immtf.model.names import NodeId
    from immtf.run.gates import Patience
    from immtf.run.world import World


def adopt_instance(world: World, node: NodeId, patience: Patience) -> tuple[str, bool]:
    """Take the node's stray instance into the state; return the evidence and whether there was one."""
    now = world.node(node, strays=True)
    if now.alive:
        return f"{now.place.instance_id} is in the state", False
    if len(now.strays) != 1:
        found = ", ".join(stray.instance_id for stray in now.strays) or "none"
        raise PersonNeeded(f"one instance outside the state was expected, found {found}", where=str(node), next="run `immtf upgrade` again")
    stray = now.strays[0]
    patience.emit(StepStarted(str(node), "AdoptInstance", f"take {stray.instance_id} into the state as {now.place.instance}"))
    if now.place.instance_id:
        world.terraform.forget(now.place.instance)  # a remote state names the old instance still, and its address is taken
    world.terraform.adopt(now.place.instance, stray.instance_id)
    world.survey()
    return f"{stray.instance_id} is in the state", True


def untaint_instance(world: World, node: NodeId, patience: Patience) -> tuple[str, bool]:
    """Take the mark of an unfinished creation from the node's instance; return the evidence and whether it was there."""
    place = world.layout.nodes[node]
    if not place.tainted:
        return f"{place.instance_id} is not tainted", False
    patience.emit(StepStarted(str(node), "UntaintInstance", f"keep {place.instance_id}, which runs the wanted image"))
    world.terraform.untaint(place.instance)
    world.survey()
    return f"{place.instance_id} is no longer tainted", True
