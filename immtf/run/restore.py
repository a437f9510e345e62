"""The data that came with a snapshot are taken over: proven, and marked as this environment's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import GuestFailed, PersonNeeded
from immtf.model.events import Noted
from immtf.plan.facts import remark_script
from immtf.plan.restore import foreign_marks, from_snapshot, judge_restored
from immtf.run.firstboot import volumes_question
from immtf.run.gates import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.names import NodeId
    from immtf.model.verdict import Verdict
    from immtf.run.gates import Patience
    from immtf.run.world import World

REMARK_TIMEOUT_S = 30.0


def take_over(world: World, snapshot_id: str, patience: Patience, *, made: Collection[NodeId]) -> None:
    """Wait until the volumes of the nodes that this run `made` are proven to hold the snapshot's data, and mark them as these nodes'.

    Raises `GateFailed` where they hold other data, `PersonNeeded` where no volume was made from the snapshot.
    """
    for node in sorted(made):
        _wait(world, node, snapshot_id, patience)
    nodes = [world.node(node, facts=True) for node in sorted(made)]
    if not any(from_snapshot(now, snapshot_id) for now in nodes):
        raise PersonNeeded(
            f"no volume of the block was made from {snapshot_id}",
            where=f"block {world.block.name}",
            next="give the variable that `restore` names to the `snapshot_id` of the block's aws_ebs_volume",
        )
    for now in nodes:
        for place, old, new in foreign_marks(world.block.name, now, snapshot_id):
            world.guard()
            script = remark_script(place.mount, old, new)
            code, _, errors = world.guest.run(now.place.instance_id, script, timeout_s=REMARK_TIMEOUT_S)
            if code != 0:
                raise GuestFailed(f"the mark could not be written anew: {errors.strip() or code}", where=f"{now.node} {place.mount}")
            told = f"{now.node}: {place.volume_id} has the data of {old.cluster}/{old.node}'s {old.volume}, from {snapshot_id}"
            patience.emit(Noted("info", told))


def _wait(world: World, node: NodeId, snapshot_id: str, patience: Patience) -> None:
    def judged() -> Verdict:
        return judge_restored(world.block.name, world.node(node, facts=True), snapshot_id)

    wait_for([volumes_question(world, node, judged)], patience, where=str(node), settling=True)
