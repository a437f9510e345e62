"""From a graph and what is deployed of it to what is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from immtf.errors import ImmtfError
from immtf.model.drawing import DrawnBlock, DrawnNode, Need, Standing
from immtf.model.environment import Deployed
from immtf.plan.drawing import draw, only, standing_of, unread
from immtf.plan.graph import Graph
from immtf.report.graph_picture import graph_svg
from tests.fakes.infrastructure import make_infrastructure, make_part
from tests.unit.report.examples import make_node_row

PARTS = {"base": make_part("base", "2.0.0"), "consul": make_part("consul", "1.1.0", {"base": "~> 1.0"})}


def test_blocks_stand_in_their_stages_with_what_they_require_and_whether_it_fits() -> None:
    drawing = draw(Graph(PARTS), title="mine")
    assert drawing.title == "mine"
    assert drawing.stages() == (
        (DrawnBlock("base", "2.0.0", 0),),
        (DrawnBlock("consul", "1.1.0", 1, (Need("base", "~> 1.0", "2.0.0", fits=False),)),),
    )


def test_in_an_environment_each_block_is_deployed_or_not() -> None:
    drawing = draw(Graph(PARTS), {"base": standing_of(Deployed("base", "1.2.0"))})
    assert [block.standing for block in drawing.blocks] == [Standing(is_deployed=True, version="1.2.0"), Standing(is_deployed=False)]


def test_what_is_deployed_without_a_file_here_is_drawn_too_and_counts_for_what_is_required() -> None:
    graph = Graph(make_infrastructure(consul="base"), elsewhere={"base"})
    base, consul = draw(graph, {"base": Standing(is_deployed=True, version="2.0.0")}).blocks
    assert (base.name, base.version, base.stage) == ("base", "", 0)
    assert consul.needs == (Need("base", "~> 1.0", "2.0.0", fits=False),)


def test_of_what_nobody_knows_nothing_is_said() -> None:
    (consul,) = draw(Graph(make_infrastructure(consul="base"), elsewhere={"base"})).blocks
    assert consul.needs == (Need("base", "~> 1.0", "", fits=True),)


def test_what_is_not_known_of_a_deployed_block_is_told() -> None:
    found = standing_of(Deployed("base", problem="publishes no output `block`"), problem="its nodes could not be looked at: locked")
    assert found == Standing(is_deployed=True, problem="publishes no output `block`; its nodes could not be looked at: locked")


def test_a_state_that_can_not_be_read_is_neither_of_a_deployed_block_nor_of_one_that_is_not() -> None:
    found = unread(ImmtfError("can't be read: locked", where="the state of block base"))
    assert found == Standing(is_deployed=None, problem="the state of block base can't be read: locked")
    assert DrawnBlock("base", "1.0.0", 0, (), found).mood == "unknown"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, DrawnNode("server/a", "good")),
        ({"state": "stopped"}, DrawnNode("server/a", "bad", "instance stopped")),
        ({"mounted": "no: data is not there"}, DrawnNode("server/a", "bad", "not mounted: data is not there")),
        ({"mounted": "?"}, DrawnNode("server/a", "bad", "not mounted: ?")),
        ({"health": "unhealthy: no leader"}, DrawnNode("server/a", "bad", "unhealthy: no leader")),
        ({"health": "?"}, DrawnNode("server/a", "unknown", "?")),
        ({"health": "unknown: not told"}, DrawnNode("server/a", "unknown", "unknown: not told")),
    ],
    ids=["well", "stopped", "not mounted", "nobody knows whether mounted", "unhealthy", "nobody knows", "not told"],
)
def test_a_node_is_well_only_where_everything_is(changes: dict[str, str], expected: DrawnNode) -> None:
    well = {"node": "server/a", "state": "running", "mounted": "yes", "health": "healthy"}
    row = replace(make_node_row(), **{**well, **changes})  # type: ignore[arg-type]
    assert standing_of(Deployed("consul", "1.0.0"), [row]).nodes == (expected,)


GOOD, BAD, UNKNOWN = DrawnNode("a", "good"), DrawnNode("b", "bad", "down"), DrawnNode("c", "unknown", "?")


@pytest.mark.parametrize(
    ("standing", "mood"),
    [
        (None, "plain"),
        (Standing(is_deployed=False), "plain"),
        (Standing(is_deployed=True, version="1"), "plain"),
        (Standing(is_deployed=True, version="1", nodes=(GOOD,)), "good"),
        (Standing(is_deployed=True, version="1", nodes=(GOOD, UNKNOWN)), "unknown"),
        (Standing(is_deployed=True, version="1", nodes=(GOOD, UNKNOWN, BAD)), "bad"),
        (Standing(is_deployed=True, nodes=(GOOD,)), "unknown"),
        (Standing(is_deployed=True, version="1", problem="locked"), "unknown"),
    ],
    ids=["not looked at", "not deployed", "without nodes", "well", "one unknown", "one bad", "no version", "a problem"],
)
def test_a_block_is_as_the_worst_of_it(standing: Standing | None, mood: str) -> None:
    """Unknown is never taken for healthy."""
    assert DrawnBlock("x", "1", 0, (), standing).mood == mood


def test_of_a_part_what_it_needs_of_the_rest_is_kept() -> None:
    whole = draw(Graph(make_infrastructure(web="base", base="")), title="x")
    part = only(whole, {"web"})
    assert ([block.name for block in part.blocks], part.title) == (["web"], "x")
    assert part.blocks[0].needs == (Need("base", "~> 1.0", "1.0.0", fits=True, is_drawn=False),)
    assert "requires base ~&gt; 1.0" in graph_svg(part)
