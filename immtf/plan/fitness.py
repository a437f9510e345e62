"""Is each image that a plan wants fit for the node that is to run it? Asked of every node before the first is touched.

What is missing, is not shared with this account or is made for another architecture shows itself only when the instance is to be
made: then the old one is stopped already. So every image that Terraform's plan names is looked at beforehand, also one that no
command chose (a node's own `ami` in the configuration). The architecture is held against the instances that are there: the node's
own, or else its cluster's. An id that Terraform doesn't know yet can't be looked at.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from immtf.model.snapshot import ChangeKind
from immtf.plan.judge import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow, Snapshot
    from immtf.plan.image import Image

MAKES_INSTANCE = frozenset({ChangeKind.REPLACE, ChangeKind.CREATE, ChangeKind.REBUILD})


def wanted_images(snapshot: Snapshot) -> dict[str, list[NodeId]]:
    """Return the images that instances are to be made from, each with its nodes in order."""
    wanted: dict[str, list[NodeId]] = defaultdict(list)
    for node, change in sorted(snapshot.changes.items()):
        if change.kind in MAKES_INSTANCE and change.image_id:
            wanted[change.image_id].append(node)
    return dict(wanted)


def judge_images(snapshot: Snapshot, images: Mapping[str, Image | None]) -> list[Refusal]:
    """Judge every image that the snapshot's changes want; `images` has each of them by id, None where it can't be seen."""
    return [
        refusal
        for image_id, nodes in sorted(wanted_images(snapshot).items())
        for refusal in _judge(image_id, images[image_id], nodes, snapshot)
    ]


def _judge(image_id: str, image: Image | None, nodes: list[NodeId], snapshot: Snapshot) -> list[Refusal]:
    places = {node: snapshot.nodes[node].place.instance for node in nodes}
    everywhere = tuple(places.values())
    if image is None:
        mend = "check the id and the region, and that the image is shared with this account"
        return [Refusal("image-missing", everywhere, f"would be made from {image_id}, which this account can't see here", mend)]
    if image.state != "available":
        mend = "wait until the image is available, or roll out another one with --image"
        return [Refusal("image-missing", everywhere, f"would be made from {image_id}, which is {image.state}", mend)]
    refusals = []
    if image.root != "ebs":
        what = f"would be made from {image_id}, whose root device is on {image.root or 'nothing that is known'}"
        refusals.append(Refusal("image-root", everywhere, what, "build the image as an EBS-backed one"))
    differing = {node: runs for node in nodes if (runs := _architecture(node, snapshot)) not in {"", image.architecture}}
    if image.architecture and differing:
        what = f"would be made from {image_id} for {image.architecture}, and runs on {', '.join(sorted(set(differing.values())))}"
        mend = "roll out an image that is built for these instances' type"
        refusals.append(Refusal("image-architecture", tuple(places[node] for node in differing), what, mend))
    return refusals


def _architecture(node: NodeId, snapshot: Snapshot) -> str:
    """Return the architecture that a node runs on, or else the one that all of its cluster do; "" where that isn't known."""
    own = _runs(snapshot.nodes[node])
    others = {_runs(now) for other, now in snapshot.nodes.items() if other.cluster == node.cluster} - {""}
    return own or (others.pop() if len(others) == 1 else "")


def _runs(now: NodeNow) -> str:
    return now.instance.architecture if now.instance else ""
