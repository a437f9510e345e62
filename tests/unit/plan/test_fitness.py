"""Images against the nodes that are to run them: missing, not ready, made for another machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.model.snapshot import ChangeKind, NodeChange, NodeNow, Snapshot
from immtf.plan.fitness import judge_images, wanted_images
from immtf.plan.image import Image
from tests.fakes.builders import A, B, C, make_instance, make_place

if TYPE_CHECKING:
    from immtf.model.names import NodeId
    from immtf.plan.judge import Refusal

NEW = "ami-new"
GOOD = Image(NEW, "consul", "1.1.0", "2026-01-01T00:00:00Z")
ADDRESSES = tuple(f'module.server["{key}"].aws_instance.this' for key in "abc")


def make_snapshot(*, kinds: dict[NodeId, ChangeKind] | None = None, runs: tuple[str, ...] = ("x86_64",) * 3) -> Snapshot:
    """Return three nodes that run on these architectures ("" is without an instance), each to be made from the new image."""
    nodes = {
        node: NodeNow(make_place(node.key), replace(make_instance(), architecture=word) if word else None)
        for node, word in zip((A, B, C), runs, strict=True)
    }
    return Snapshot(nodes, {node: NodeChange((kinds or {}).get(node, ChangeKind.REPLACE), image_id=NEW) for node in nodes})


def judged(image: Image | None, snapshot: Snapshot | None = None) -> list[tuple[str, tuple[str, ...]]]:
    found: list[Refusal] = judge_images(snapshot or make_snapshot(), {NEW: image})
    assert all(refusal.what and refusal.mend for refusal in found)
    return [(refusal.check, refusal.addresses) for refusal in found]


@pytest.mark.parametrize(
    ("image", "check"),
    [
        (None, "image-missing"),
        (replace(GOOD, state="pending"), "image-missing"),
        (replace(GOOD, state="failed"), "image-missing"),
        (replace(GOOD, root="instance-store"), "image-root"),
        (replace(GOOD, root=""), "image-root"),
        (replace(GOOD, architecture="arm64"), "image-architecture"),
    ],
)
def test_an_image_that_can_not_be_run_is_refused_for_every_node(image: Image | None, check: str) -> None:
    """F26."""
    assert judged(image) == [(check, ADDRESSES)]


@pytest.mark.parametrize("image", [GOOD, replace(GOOD, architecture="")])
def test_an_image_that_fits(image: Image) -> None:
    assert judged(image) == []


def test_only_the_nodes_that_differ_are_named() -> None:
    """F26."""
    mixed = make_snapshot(runs=("x86_64", "arm64", "x86_64"))
    assert judged(GOOD, mixed) == [("image-architecture", ADDRESSES[1:2])]


@pytest.mark.parametrize(("runs", "refused"), [(("", "arm64", "arm64"), 3), (("", "arm64", "x86_64"), 1), (("", "", ""), 0)])
def test_a_node_without_an_instance_is_held_against_its_cluster(runs: tuple[str, str, str], refused: int) -> None:
    found = judged(GOOD, make_snapshot(runs=runs))
    assert sum(len(addresses) for _, addresses in found) == refused


def test_only_images_that_something_is_made_from_are_looked_at() -> None:
    kinds = {A: ChangeKind.UPDATE, B: ChangeKind.CREATE, C: ChangeKind.REBUILD}
    assert wanted_images(make_snapshot(kinds=kinds)) == {NEW: [B, C]}
    unknown = Snapshot({}, {A: NodeChange(ChangeKind.REPLACE)})
    assert wanted_images(unknown) == {}
