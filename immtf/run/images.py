"""The images that a plan wants, looked at in the cloud before the first node is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.model.snapshot import Snapshot
from immtf.plan.fitness import judge_images, wanted_images
from immtf.plan.sort import sort_plan

if TYPE_CHECKING:
    from immtf.model.terraform import PlanData
    from immtf.plan.judge import Refusal
    from immtf.run.world import World


def refuse_images(world: World, snapshot: Snapshot) -> list[Refusal]:
    """Return what speaks against the images that the snapshot's changes want; one call for each image."""
    return judge_images(snapshot, {image_id: world.cloud.image(image_id) for image_id in wanted_images(snapshot)})


def refuse_images_of(world: World, plan: PlanData) -> list[Refusal]:
    """Return the same for a plan that is not an upgrade's, as that of `create`; the world is laid out already."""
    wanted = Snapshot({}, sort_plan(plan, world.layout).nodes)
    return refuse_images(world, replace(wanted, nodes=world.nodes())) if wanted_images(wanted) else []
