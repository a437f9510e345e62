"""The way back of one node: to which image, whether its data can be read there, and whether a machine may go it alone.

A rollback is a replacement like any other: the same plan judge, the same gates, the same proofs. What is decided here comes on top.
The cluster has to be well but for this node, because going back takes a node away as going on does. And the data: an old image may
not read what a new one has written, so images carry the tag `immtf:data-format`; only equal formats go back. Where a node's data are
doubtful (a mark that is gone or contradicts), nothing is rolled over them: that is for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from immtf.errors import UsageError, VersionsUnresolved
from immtf.model.snapshot import ChangeKind, NodeChange
from immtf.plan.custody import judge_image
from immtf.plan.image import previous
from immtf.plan.judge import Refusal
from immtf.plan.upgrade import is_away, is_sick
from immtf.plan.versions import Version, VersionInvalid

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from immtf.model.names import NodeId
    from immtf.model.snapshot import NodeNow, Snapshot
    from immtf.model.verdict import Verdict
    from immtf.plan.image import Image

FORMAT_TAG = "immtf:data-format"


def image_before(node: NodeId, runs: Mapping[NodeId, str], known: Collection[Image], family: str) -> str:
    """Return the id of the image that a node goes back to where none is named: one that others of its cluster run.

    It is what all of them run, where that isn't the node's own; else the highest version among theirs that is below its own. Never
    another one: a rollback that was killed when its instance had been made is asked for again, and must not go back further. `runs`
    has each node's image id, "" where it has no instance. Raises `UsageError` with the version below where nothing tells the image.

    What the others run counts whether it is promoted or not; what only lies there counts when it is promoted.
    """
    own = runs.get(node, "")
    others = {image for other, image in runs.items() if other != node and other.cluster == node.cluster}
    if len(others) == 1 and others.isdisjoint({"", own}):
        return others.pop()
    version = next((image.version for image in known if image.image_id == own), "")
    theirs = _below([image for image in known if image.image_id in others], family, version, promoted=False)
    if theirs:
        return theirs.image_id
    lower = _below(known, family, version)
    way = f"say it with --image ID|VERSION{f', e.g. --image={lower.version}' if lower else ''}"
    what = f"no other node runs an image below its own ({version or own or 'it has no instance'})"
    raise UsageError(f"which image was before is not known: {what}", where=str(node), next=way)


def _below(images: Collection[Image], family: str, version: str, *, promoted: bool = True) -> Image | None:
    """Return the newest of these images below a version; None where there is none, or the version isn't known."""
    try:
        return previous(images, family, version, promoted=promoted) if version else None
    except VersionsUnresolved:
        return None


def judge_format(node: NodeId, ran: Image | None, to: Image | None) -> tuple[list[Refusal], str]:
    """Judge by the images' tags whether the old image can read the node's data; return the refusals, and a note where nobody told.

    `ran` is the image that the node ran or was to run, None where it can't be seen any more. A format told by one of the two only
    differs: what is not known is not taken for equal.
    """
    present, wanted = _format(ran), _format(to)
    if present != wanted:
        told = [f"the format {text}" if text else "a format that it does not tell" for text in (present, wanted)]
        what = f"ran or was to run an image with {told[0]}, and the image to go back to has {told[1]} (tag {FORMAT_TAG})"
        mend = "go on to a mended image of the same format, or restore the data from a backup that the old image can read"
        return [Refusal("data-format", (str(node),), what, mend)], ""
    return [], "" if present else f"neither image tells its data's format (tag {FORMAT_TAG}): taken for the same"


def judge_downgrade(node: NodeId, ran: Image | None, to: Image | None) -> list[Refusal]:
    """Judge an upgrade whose image is older than the node's own: a rollback by another name, with the same rule for its data."""
    return judge_format(node, ran, to)[0] if ran and to and _is_older(to, ran) else []


def _is_older(to: Image, ran: Image) -> bool:
    try:
        return to.family == ran.family and Version.parse(to.version) < Version.parse(ran.version)
    except VersionInvalid:
        return False


def _format(image: Image | None) -> str:
    return image.tags.get(FORMAT_TAG, "").strip() if image else ""


def judge_others(snapshot: Snapshot, node: NodeId) -> list[Refusal]:
    """Refuse to take a node back while another one of its cluster is away or sick; the node itself isn't counted."""
    there = NodeChange(ChangeKind.NONE)
    others = sorted(other for other in snapshot.nodes if other.cluster == node.cluster and other != node)
    unwell = [str(other) for other in others if is_away(snapshot.nodes[other], there) or is_sick(other, snapshot)]
    mend = "mend these first: `immtf status` shows what they lack"
    return [Refusal("spare", tuple(unwell), "not well, and a rollback takes one more node away", mend)] if unwell else []


def doubts(now: NodeNow, wanted: str, custody: Verdict) -> str:
    """Say why a failed node is for a person, whatever image it gets: what its volumes or its instance say contradicts; "" if nothing does.

    `custody` is what its volumes say now, `wanted` the image that it was given. A node that can't be asked contradicts nothing: its
    volumes are proven on the old image all the same.
    """
    verdicts = [custody, judge_image(now, wanted)]
    return "; ".join(verdict.reason for verdict in verdicts if verdict.final)


def was_replaced(before: NodeNow, now: NodeNow) -> bool:
    """Return whether the instance that a node had is gone from it: another stands in its place, or none, or it has come to its end."""
    if before.instance is None or now.instance is None or not now.alive:
        return before.instance is not None
    return now.instance.instance_id != before.instance.instance_id


def image_of(now: NodeNow) -> str:
    """Return the id of the image that a node's instance is made from; "" where it has none."""
    return now.instance.image_id if now.instance else ""
