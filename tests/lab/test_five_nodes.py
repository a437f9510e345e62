"""Five nodes, two at a time and zone by zone, every kind of gate, and the previous version of the block in a directory of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

pytestmark = pytest.mark.lab(minutes=9)

NODES = ["server/a", "server/b", "server/c", "server/d", "server/e"]
ZONES = {"server/a": 0, "server/d": 0, "server/b": 1, "server/e": 1, "server/c": 2}
GATES = """      - mounted
      - consul: { expect: 5 }
      - http: { url: "http://{address}:8500/v1/status/leader", contains: ":8300" }
      - tcp: { port: 8500 }
      - command: { run: 'test "$(cat "${IMMTF_ROOT:-}/etc/image-version")" = 1.1.0', name: image-version }
"""
IDS = ["mounted", "consul", "http:8500", "tcp:8500", "command:image-version"]


def test_five_nodes_from_a_directory(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """Each gate holds on each new instance; one availability zone after the other, the leader alone and last."""
    before = rehearsal.copy_block("before")
    rehearsal.change("version: 1.1.0", "version: 1.0.3")
    rehearsal.change('version: "~> 1.1"', 'version: "~> 1.0.0"')
    rehearsal.copy_block("now")
    rehearsal.change("      - mounted\n      - consul\n", GATES)
    rehearsal.change("    max_unavailable: 1\n", "    max_unavailable: 2\n    spread: zone\n")

    ended = rehearsal.run("test-upgrade", "--yes", "--from", str(before), "--var", 'nodes=["a","b","c","d","e"]').expect(0)

    last = ended.last
    show(f"{last['own_s']} s of {last['duration_s']} s are immtf's own ({last['own_s'] / last['duration_s']:.1%})")
    assert (last["outcome"], last["nodes_replaced"], last["volumes_kept"], last["writes_lost"]) == ("done", 5, 5, 0)
    assert last["writes_acknowledged"] > 100
    assert sorted(last["away_s"]) == NODES
    rows = ended.one("plan_made")["rows"]
    assert {row["quorum_left"] for row in rows} == {"3 of 5 (quorum 3)"}
    assert [row["gates"] for row in rows] == [IDS] * 5
    assert "leads" in rows[-1]["why"]
    zones = [ZONES[row["node"]] for row in rows[:-1]]
    assert zones == sorted(zones)
    applied = [event["node"] for event in ended.of("plan_judged", step="ApplyNode")]
    assert "server/a, server/d" in applied or "server/b, server/e" in applied, applied
    assert sorted(", ".join(applied).split(", ")) == NODES
    for gate in IDS:
        held = {event["node"] for event in ended.of("gate_asked", gate=gate, held=True)}
        assert held >= ({""} if gate == "consul" else set(NODES)), f"{gate} held of {held}"
    assert rehearsal.left() == []
