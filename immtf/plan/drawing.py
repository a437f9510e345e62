"""From a graph, and how its blocks stand in an environment, to what is drawn of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.model.drawing import Drawing, DrawnBlock, DrawnNode, Need, Standing
from immtf.plan.consumers import allows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from immtf.errors import ImmtfError
    from immtf.model.environment import Deployed
    from immtf.model.rows import NodeRow
    from immtf.plan.graph import Graph

_ABSENT = Standing(is_deployed=False)


def draw(graph: Graph, standings: Mapping[str, Standing] | None = None, title: str = "") -> Drawing:
    """Return the drawing of a graph; `standings` are those of the blocks that are deployed, None where no environment was looked at.

    A block that is deployed and that no file here is of stands in the first stage: what it requires is not asked.
    """
    there = standings or {}
    versions = {name: item.version for name, item in there.items()} | {name: block.version for name, block in graph.blocks.items()}
    blocks = [DrawnBlock(name, "", 0, (), item) for name, item in sorted(there.items()) if name not in graph.blocks]
    for stage, names in enumerate(graph.stages()):
        for name in names:
            block = graph.blocks[name]
            needs = tuple(_need(item, text, versions) for item, text in sorted(block.requires.items()))
            blocks.append(DrawnBlock(name, block.version, stage, needs, None if standings is None else there.get(name, _ABSENT)))
    return Drawing(tuple(blocks), title)


def only(drawing: Drawing, names: Collection[str]) -> Drawing:
    """Return a drawing of these blocks alone; what they need of the others is told with them."""
    blocks = (block for block in drawing.blocks if block.name in names)
    return Drawing(tuple(replace(block, needs=tuple(_kept(need, names) for need in block.needs)) for block in blocks), drawing.title)


def standing_of(deployed: Deployed, rows: Sequence[NodeRow] = (), problem: str = "") -> Standing:
    """Return how a deployed block stands: by what it publishes, and by the rows of its status; `problem` is why there are none."""
    return Standing(
        is_deployed=True,
        version=deployed.version,
        problem="; ".join(filter(None, (deployed.problem, problem))),
        nodes=tuple(map(_node, rows)),
    )


def unread(why: ImmtfError) -> Standing:
    """Return how a block stands whose state can't be read."""
    return Standing(is_deployed=None, problem=f"{why.where} {why.what}")


def _kept(need: Need, names: Collection[str]) -> Need:
    return replace(need, is_drawn=need.name in names)


def _need(name: str, constraint: str, versions: Mapping[str, str]) -> Need:
    version = versions.get(name, "")
    return Need(name, constraint, version, fits=not version or allows(constraint, version) is True)


def _node(row: NodeRow) -> DrawnNode:
    """Return a node by the row of its status; it is well only where everything that is known of it is, and nothing is unknown."""
    if row.state != "running":
        return DrawnNode(row.node, "bad", f"instance {row.state}")
    if row.mounted != "yes":
        return DrawnNode(row.node, "bad", f"not mounted: {row.mounted.removeprefix('no: ')}")
    if row.health.startswith("unhealthy"):
        return DrawnNode(row.node, "bad", row.health)
    return DrawnNode(row.node, "good") if row.health == "healthy" else DrawnNode(row.node, "unknown", row.health)
