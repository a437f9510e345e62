from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from immtf.model.rows import BlockRow
from immtf.report.lists import PLAN_HEAD, STATUS_HEAD, block_lines, plan_cells, plan_lines, status_cells, status_lines
from immtf.report.tables import blocks_table, plan_table, status_table
from tests.unit.report.examples import make_node_row, make_plan_row

if TYPE_CHECKING:
    from rich.console import RenderableType


def drawn(table: RenderableType, width: int = 120) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, _environ={}).print(table)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_plan_has_all_its_columns_at_any_usual_width(width: int) -> None:
    text = drawn(plan_table([make_plan_row(), make_plan_row("server/b")], ["aws_x.this"], "ami-1"), width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("node", "now", "target", "action", "why", "volume", "gates", "quorum", "left", "server/a", "server/b", "1.0.0", "replace"):
        assert word in text
    assert text.index("server/a") < text.index("server/b") < text.index("aws_x.this")


def test_an_empty_plan_says_so() -> None:
    assert "nothing has to change" in drawn(plan_table([], [], ""))
    assert "aws_x.this" in drawn(plan_table([], ["aws_x.this"], ""))


def test_a_status_shows_what_is_not_known_and_what_is_unfinished() -> None:
    text = drawn(status_table([make_node_row(), make_node_row("server/b", health="?")], ["server/a is stopped"]))
    assert "?" in text
    assert "unfinished: server/a is stopped" in text


def test_addresses_in_tables_keep_their_brackets() -> None:
    text = drawn(plan_table([make_plan_row(why="[red]x[/]")], ['module.server["a"].aws_x.this'], ""))
    assert "[red]x[/]" in text
    assert 'module.server["a"].aws_x.this' in text


def test_tables_are_plain_lists_too() -> None:
    assert dict(zip(PLAN_HEAD, plan_cells([make_plan_row()])[0], strict=True))["gates"] == "mounted, consul"
    assert dict(zip(STATUS_HEAD, status_cells([make_node_row()])[0], strict=True))["role"] == "follower"
    assert [line.split()[0] for line in plan_lines([make_plan_row()], ["x.y"], "ami-1")] == ["server/a", "shared", "image"]
    assert [line.split()[0] for line in status_lines([make_node_row()], ["x"])] == ["server/a", "unfinished"]
    assert plan_lines([], [], "") == ["plan nothing has to change"]


def test_a_plan_of_outputs_alone_tells_which() -> None:
    text = drawn(plan_table([], [], "", ["addresses"]))
    assert "addresses" in text
    assert "no node has to change" in text
    assert plan_lines([], [], "", ["addresses", "block"]) == ["output addresses", "output block"]


def test_the_order_of_blocks_has_its_reasons_where_there_are_any_and_not_all_of_many() -> None:
    plain, reasoned = BlockRow("a", "2", "1", ()), BlockRow("b", "2", "1", ("a",), "", ("one", "two", "three", "four", "five"))
    assert block_lines([plain]) == ["a: now 1; version 2; after -"]
    assert block_lines([plain, reasoned]) == [
        "a: now 1; version 2; after -; why -",
        "b: now 1; version 2; after a; why one; two; three; 2 more",
    ]
    assert "why" in drawn(blocks_table([plain, reasoned]))
    assert "why" not in drawn(blocks_table([plain]))
