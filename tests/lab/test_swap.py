"""Strategy `swap` for real: the next instance beside the present one, and the node over to it with its volume and its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.points import at
from tests.lab.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

NODES = ["server/a", "server/b", "server/c"]
MOVED = ["StopOld", "MoveToSlot", "ProveVolumes", "SettleNode", "ApplyNode"]


@pytest.mark.lab(minutes=6)
def test_a_cluster_is_swapped_through_a_kill_in_the_middle_of_a_move(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """F5: killed when the volume and the address of a node are between two instances; the next run ends that move first.

    Every node keeps its volume, its address and its place in Raft, and no two instances of a node serve at once.
    """
    rehearsal.swap()
    rehearsal.create("1.0.0")
    cloud = rehearsal.cloud
    before, volumes, old = cloud.interfaces(), cloud.volumes(), cloud.instances()
    store = Store([address for address, _ in before.values()])
    keys = store.write(50)
    killed = rehearsal.kill_at(at("step_started", step="MoveToSlot"), "upgrade", "--yes", tree=True)
    node = [event["node"] for event in killed.of("node_started")][-1]
    assert killed.one("step_finished", step="StopOld", node=node)

    with rehearsal.watched() as watch:
        ended = rehearsal.run("upgrade", "--yes").expect(0)

    started = [event["node"] for event in ended.of("node_started") if event["action"] == "swap"]
    assert (started[0], sorted(started)) == (node, NODES), "the node that is away goes first"
    assert not [event for event in ended.of("step_finished") if event["node"] == node and event["step"] in {"RaiseSlot", "StopOld"}]
    assert [event["step"] for event in ended.of("step_finished") if event["node"] == started[-1]][-5:] == MOVED
    show(f"away: {ended.last['away_s']}")
    assert (watch.problems, watch.most_of_one_node) == ([], 2)
    now = cloud.instances()
    assert sorted(now) == sorted(old)
    assert not set(now.values()) & set(old.values())
    assert len(cloud.machines()) == 3, "the old instances are gone"
    assert cloud.interfaces() == {key: (address, now[key]) for key, (address, _) in before.items()}
    assert cloud.volumes() == {key: (volume, now[key]) for key, (volume, _) in volumes.items()}
    assert store.read() == keys
    rehearsal.run("plan").expect(0)
    rehearsal.run("destroy", "--yes", "--confirm", "default").expect(0)
    assert cloud.machines() == []


@pytest.mark.lab(minutes=5)
def test_servers_without_an_interface_of_their_own_leave_before_they_are_stopped(rehearsal: Rehearsal, show: Callable[[str], None]) -> None:
    """Each comes back at another address, as the server that it was; no write that was acknowledged is lost."""
    rehearsal.swap()
    rehearsal.addressless()

    ended = rehearsal.run("test-upgrade", "--yes").expect(0)

    last = ended.last
    assert (last["outcome"], last["nodes_replaced"], last["volumes_kept"], last["writes_lost"]) == ("done", 3, 3, 0)
    left = {event["node"]: event["what"] for event in ended.of("step_started", step="StopOld") if "leaves" in event["what"]}
    assert sorted(left) == NODES
    assert len({what.split()[3] for what in left.values()}) == 3
    reports = ended.of("probe_reported")
    assert last["writes_acknowledged"] > 100
    assert reports[-1]["since_ack_s"] < 5, "the probe found the servers where they are at the end"
    show(f"away: {last['away_s']}, longest gap {last['longest_write_gap_s']} s, {reports[-1]['failed']} writes failed")
    assert rehearsal.left() == []
