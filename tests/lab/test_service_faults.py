"""Servers that hang: before a node is taken, and another one's while a node is away."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.points import at

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes")
LIMIT_S = 600.0


@pytest.mark.lab(minutes=6)
def test_another_server_hangs(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """F32, F34: a server that doesn't answer keeps others from being taken; one that stays so while a node is away halts the run.

    Before the stop the run waits, and goes on by itself when the server answers again. After it, with another node back on its way, the
    halt names the one that hangs; the next run begins with that one.
    """
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(30), rehearsal.cloud.volumes(), rehearsal.cloud.instances()
    child = rehearsal.begin(*UPGRADE)
    order = [row["node"] for row in child.until(at("plan_made"), LIMIT_S)["rows"]]
    first, other = order[:2]
    child.until(at("node_started", node=first), LIMIT_S)

    server = server_of(rehearsal, other)
    os.kill(server, signal.SIGSTOP)
    asked = child.until(lambda event: event["event"] == "gate_asked" and "no answer in time" in event["reason"], LIMIT_S)
    assert not asked["held"]
    assert f"{other} does not answer (no answer in time)" in asked["reason"]
    assert rehearsal.cloud.instances() == old, "nobody is taken meanwhile"
    os.kill(server, signal.SIGCONT)
    child.until(at("step_finished", step="ApplyNode", node=first), LIMIT_S)

    os.kill(server, signal.SIGSTOP)
    halted = child.ended(LIMIT_S).expect(20)
    told = halted.one("run_halted")
    show(f"halted {told['at']}: {told['what']}; next: {told['next']}")
    assert f"{other} is down: it does not answer (no answer in time)" in told["what"]
    assert told["where"] == first
    assert f"mend {other} first" in told["next"]
    assert len(halted.of("node_started")) == 1
    assert halted.last["duration_s"] < 400, "the gate's own limit is ten minutes"

    again = rehearsal.run(*UPGRADE).expect(0)
    started = [event["node"] for event in again.of("node_started")]
    assert started[0] == other, "the one that hangs is mended first"
    assert again.one("plan_made")["rows"][0]["why"].startswith("first: not healthy")
    new = rehearsal.cloud.instances()
    assert not set(new.values()) & set(old.values())
    assert len(rehearsal.cloud.machines()) == 3
    assert rehearsal.cloud.volumes() == {node: (volume, new[node]) for node, (volume, _) in volumes.items()}
    assert rehearsal.store.read() == keys


def server_of(rehearsal: Rehearsal, node: str) -> int:
    """Return the process of a node's server: one of this rehearsal's own, at that node's address."""
    (address,) = (item.address for item in rehearsal.cloud.machines() if f"server/{item.node}" == node)
    found = [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if is_server(entry, str(rehearsal.directory), address)]
    assert len(found) == 1, f"the server of {node}: {found}"
    return found[0]


def is_server(entry: Path, directory: str, address: str) -> bool:
    try:
        words = (entry / "cmdline").read_text().split("\0")
    except OSError:
        return False
    return "agent" in words and address in words and any(word.startswith(directory) for word in words)
