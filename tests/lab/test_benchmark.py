"""The benchmark of the strategies in its shortest form, so that it goes on working: what it finds is printed, no time is judged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from immtf.lab.toolchain import Cache, Toolchain, cache_directory
from tests.benchmarks.strategies import SCHEMA, on_interfaces, tables, whole

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = ["a", "b", "c"]


@pytest.mark.lab(minutes=6)
def test_swap_is_measured_beside_the_floor(tmp_path: Path, show: Callable[[str], None]) -> None:
    """Every node's absence is seen from outside, with what it did to writes and to Raft; costs are those of the whole tree of processes."""
    tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready()
    ways: dict[str, Any] = {}

    on_interfaces(tmp_path, tools, ways)

    show(f"\n{tables(ways, [])}")
    jsonschema.validate(json.loads(json.dumps(whole(ways, [], os.getloadavg()[:2]))), SCHEMA)
    for name in ("swap", "floor", "restart"):
        rows = ways[name]["nodes"]
        assert sorted(row["node"] for row in rows) == NODES, name
        assert all(row["away_s"] for row in rows), f"{name}: a node did not come back"
    assert ways["swap"]["terraform"]["apply"] >= 3
    assert ways["swap"]["aws_calls"] > 0
    assert ways["swap"]["cpu_s"] > 1.0
    assert ways["swap"]["peak_mb"] > 50.0
