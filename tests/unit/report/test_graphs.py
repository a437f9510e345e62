"""The graph of an infrastructure as text, as DOT and as SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from immtf.model.drawing import Drawing, DrawnBlock, DrawnNode, Need, Standing
from immtf.report.graph_layout import BETWEEN, IN_A_ROW, ROWS, lay_out
from immtf.report.graph_picture import graph_svg
from immtf.report.graphs import graph_dot, graph_text

if TYPE_CHECKING:
    from immtf.report.graph_layout import Spot

SVG = "{http://www.w3.org/2000/svg}"
NODES = (DrawnNode("server/a", "good"), DrawnNode("server/b", "bad", "unhealthy: no leader"), DrawnNode("server/c", "unknown", "?"))
BASE = DrawnBlock("base", "2.0.0", 0, (), Standing(is_deployed=True, version="1.0.0"))
CONSUL = DrawnBlock(
    "consul", "1.1.0", 1, (Need("base", "~> 1.0", "2.0.0", fits=False),), Standing(is_deployed=True, version="1.1.0", nodes=NODES)
)
WEB = DrawnBlock(
    "web", "0.1.0", 2, (Need("base", "~> 2.0", "2.0.0", fits=True), Need("consul", ">= 1", "1.1.0", fits=True)), Standing(is_deployed=False)
)
MAIL = DrawnBlock("mail", "", 0, (), Standing(is_deployed=True, problem="publishes no output `block`"))
WHOLE = Drawing((BASE, MAIL, CONSUL, WEB), "environment staging")
HOSTILE = 'a"b<&>\\\x1b[31m\nc'


def test_text_has_each_stage_with_versions_needs_and_health() -> None:
    assert graph_text(WHOLE) == (
        "environment staging\n"
        "stage 1\n"
        "  base 2.0.0\n"
        "    deployed 1.0.0\n"
        "  mail (no file here)\n"
        "    deployed in an unknown version\n"
        "    publishes no output `block`\n"
        "stage 2\n"
        "  consul 1.1.0\n"
        "    requires base ~> 1.0, which 2.0.0 is not\n"
        "    deployed 1.1.0\n"
        "    1 of 3 nodes healthy\n"
        "    server/b: unhealthy: no leader\n"
        "    server/c: ?\n"
        "stage 3\n"
        "  web 0.1.0\n"
        "    requires base ~> 2.0\n"
        "    requires consul >= 1\n"
        "    not deployed\n"
    )


def test_without_an_environment_nothing_is_said_of_one() -> None:
    assert graph_text(Drawing((DrawnBlock("base", "2.0.0", 0),))) == "stage 1\n  base 2.0.0\n"


def test_dot_has_stages_labels_and_an_edge_from_what_is_required() -> None:
    dot = graph_dot(WHOLE)
    assert '  label="environment staging";' in dot
    assert '  { rank=same; "base"; "mail"; }' in dot
    assert '  "web" [label="web 0.1.0\\nnot deployed", fillcolor="#ffffff"];' in dot
    assert '  "consul" -> "web" [label=">= 1"];' in dot
    assert '  "base" -> "consul" [label="~> 1.0, which 2.0.0 is not", color="#cf222e", fontcolor="#cf222e", penwidth=2];' in dot


def test_nothing_breaks_out_of_a_text_in_dot() -> None:
    dot = graph_dot(Drawing((DrawnBlock(HOSTILE, "1", 0, (Need("x", HOSTILE, "", fits=True),)),), HOSTILE))
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "TEXT", dot)
    assert '"' not in bare
    assert "\x1b" not in dot
    assert bare.splitlines()[-2:] == ["  TEXT -> TEXT [label=TEXT];", "}"]


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)  # noqa: S314 - made by ourselves a line above
    return [item.text or "" for item in root.iter(f"{SVG}text")]


def test_the_picture_has_every_word_of_the_graph() -> None:
    found = texts(graph_svg(WHOLE))
    assert found[0] == "environment staging"
    for word in (
        "base 2.0.0",
        "deployed 1.0.0",
        "mail (no file here)",
        "~> 1.0, which 2.0.0 is not",
        "server/b: unhealthy: no leader",
        "~> 2.0",
    ):
        assert word in found


def test_colours_tell_health_and_red_edges_what_does_not_fit() -> None:
    svg = graph_svg(WHOLE)
    assert re.findall(r'<rect x=.* fill="(#\w+)"', svg) == ["#ffffff", "#fdf0c8", "#fbdcd9", "#ffffff"]
    assert svg.count('stroke="#cf222e"') == 1


def test_nothing_breaks_out_of_a_text_in_the_picture() -> None:
    svg = graph_svg(Drawing((DrawnBlock(HOSTILE, "1", 0, (Need("x", HOSTILE, "", fits=True),)),), HOSTILE))
    assert texts(svg) == ['a"b<&>\\ c', 'a"b<&>\\ c 1', 'requires x a"b<&>\\ c']


@pytest.mark.parametrize("drawing", [Drawing(()), Drawing((), "environment staging")], ids=["plain", "titled"])
def test_of_nothing_there_is_a_picture(drawing: Drawing) -> None:
    assert texts(graph_svg(drawing)) == ([drawing.title] if drawing.title else [])
    assert graph_text(drawing) == f"{drawing.title}\n".lstrip()


def test_it_needs_nothing_from_elsewhere_and_is_the_same_each_time() -> None:
    svg = graph_svg(WHOLE)
    assert svg == graph_svg(WHOLE)
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")


def apart(one: Spot, other: Spot) -> bool:
    beside = one.x + one.width <= other.x or other.x + other.width <= one.x
    return beside or one.bottom <= other.y or other.bottom <= one.y


def wide() -> Drawing:
    """Many blocks in a stage, all of them needed two stages further down."""
    top = [DrawnBlock(f"p{number}", "1", 0) for number in range(30)]
    between = [DrawnBlock("between", "1", 1, (Need("p0", ">= 1", "1", fits=True),))]
    needs = (*(Need(block.name, ">= 1", "1", fits=True) for block in top), Need("between", ">= 1", "1", fits=True))
    return Drawing((*top, *between, DrawnBlock("bottom", "1", 2, needs)))


@pytest.mark.parametrize("drawing", [WHOLE, wide()], ids=["whole", "wide"])
def test_no_two_boxes_and_no_lane_touch_and_all_of_it_is_in_the_picture(drawing: Drawing) -> None:
    layout = lay_out(drawing)
    boxes = [*layout.boxes.values(), *layout.lanes]
    assert all(apart(one, other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(box.x >= 0 and box.x + box.width <= layout.width and box.y >= 0 and box.bottom <= layout.height for box in boxes)
    assert set(layout.boxes) == {block.name for block in drawing.blocks}


@pytest.mark.parametrize("drawing", [WHOLE, wide()], ids=["whole", "wide"])
def test_edges_lead_from_row_to_row_and_every_need_is_met_once(drawing: Drawing) -> None:
    layout = lay_out(drawing)
    assert all(stretch.end.y - stretch.start.bottom == pytest.approx(BETWEEN) for stretch in layout.stretches)
    met = sorted((stretch.end.name, stretch.need.name) for stretch in layout.stretches if stretch.need)
    assert met == sorted((block.name, need.name) for block in drawing.blocks for need in block.needs)


def test_a_stage_of_many_blocks_is_several_rows() -> None:
    rows = {spot.y for name, spot in lay_out(wide()).boxes.items() if name.startswith("p")}
    assert len(rows) == -(-30 // IN_A_ROW)


def test_a_stage_of_very_many_blocks_is_no_more_rows_than_may_be() -> None:
    layout = lay_out(Drawing(tuple(DrawnBlock(f"p{number}", "1", 0) for number in range(200))))
    assert len({spot.y for spot in layout.boxes.values()}) == ROWS
