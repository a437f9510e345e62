"""The images that a plan wants, looked at in the cloud before the first node is touched."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from immtf.model.snapshot import Snapshot
from immtf.plan.fitness import judge_images, wanted_images
from immtf.plan.rollback import image_of, judge_downgrade
from immtf.plan.sort import sort_plan

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.names import NodeId
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.world import World


def refuse_images(world: World, snapshot: Snapshot, only: Collection[NodeId] = ()) -> list[Refusal]:
    """Return what speaks against the images that the snapshot's changes want; one call for each image.

    Of the chosen nodes (all, where `only` is empty) also what speaks against one that is older than their own.
    """
    look = cache(world.cloud.image)
    images = {image_id: look(image_id) for image_id in wanted_images(snapshot)}
    found = judge_images(snapshot, images)
    for image_id, nodes in wanted_images(snapshot).items():
        chosen = {node: runs for node in nodes if (not only or node in only) and (runs := image_of(snapshot.nodes[node]))}
        wanted = images[image_id]
        if wanted and wanted.version:  # without one it is neither older nor newer
            found += [refusal for node, runs in chosen.items() for refusal in judge_downgrade(node, look(runs), wanted)]
    return found


def refuse_images_of(world: World, plan: PlanData) -> list[Refusal]:
    """Return the same for a plan that is not an upgrade's, as that of `create`; the world is laid out already."""
    wanted = Snapshot({}, sort_plan(plan, world.layout).nodes)
    return refuse_images(world, replace(wanted, nodes=world.nodes())) if wanted_images(wanted) else []
