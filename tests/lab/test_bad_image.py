"""Images that must not get further than the first node, and the way back from each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rehearsal import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.lab.child import Ended
    from tests.lab.rehearsal import Rehearsal

BROKEN = REPOSITORY / "tests/data/images/consul/1.2.0-bad"
GATES = "      - mounted\n      - consul\n"
HASTY = "      - mounted: { deadline: 45s }\n      - consul: { deadline: 45s }\n"
WIPE = "test -e {root}/etc/wiped || { find {root}/var/lib/consul/ -mindepth 1 -delete; touch {root}/etc/wiped; }; exec sleep 1000000"


@pytest.mark.lab(minutes=5)
def test_the_service_never_starts(rehearsal: Rehearsal) -> None:
    """F36: the first node is the canary. The run stops there; a rollback re-creates that node, with its volume, from the old image.

    The image was never promoted: by its version nobody takes it, and the id that a person gives forces it past that.
    """
    make_cluster(rehearsal)
    rehearsal.add_image("1.2.0", BROKEN, promoted=False)
    keys, volumes, before = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()
    rehearsal.run("plan").expect(0)  # nothing to do: 1.2.0 is there, and not promoted
    forced = next(row["image_id"] for row in rehearsal.lab.images() if row["version"] == "1.2.0")

    halted = rehearsal.run("upgrade", "--yes", "--image", forced)
    assert any("forced past promotion" in event["message"] for event in halted.of("noted") if event["level"] == "warning")
    canary = halted_at_the_first_node(rehearsal, halted, before)
    assert "consul" in halted.one("run_halted")["what"]
    assert rehearsal.nodes()[f"server/{canary}"]["health"].startswith("unhealthy")
    assert rehearsal.store.read() == keys, "the others serve, and have quorum"
    keys |= rehearsal.store.write(10, value="meanwhile")

    repaired = rehearsal.run("upgrade", "--yes", "--image", "1.1.0").expect(0)
    assert repaired.of("node_started")[0]["node"] == f"server/{canary}"
    assert repaired.last["nodes_replaced"] == 1
    made_whole(rehearsal, canary, before, volumes)
    assert rehearsal.store.read() == keys


@pytest.mark.lab(minutes=5)
def test_the_volume_is_not_mounted(rehearsal: Rehearsal) -> None:
    """F20: the service came up on the root disk, and the cluster calls itself healthy. The node fails by its mount."""
    make_cluster(rehearsal)
    change_boot(rehearsal.add_image("1.2.0"), mounts=[{"device": "/dev/xvdf", "path": "/srv/consul"}], after=["/srv/consul"])
    keys, volumes, before = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()

    halted = rehearsal.run("upgrade", "--yes")
    canary = halted_at_the_first_node(rehearsal, halted, before)
    assert "nothing is mounted at /var/lib/consul" in halted.one("run_halted")["what"]
    assert rehearsal.nodes()[f"server/{canary}"]["mounted"] == "no: nothing is mounted at /var/lib/consul"

    rehearsal.run("upgrade", "--yes", "--image", "1.1.0").expect(0)
    made_whole(rehearsal, canary, before, volumes)
    assert rehearsal.store.read() == keys


@pytest.mark.lab(minutes=3)
def test_the_volume_is_formatted(rehearsal: Rehearsal) -> None:
    """F21: the image empties the volume at boot. The node fails at once, and the next run doesn't take the empty volume for good."""
    make_cluster(rehearsal)
    wipe = {"name": "wipe", "after": ["/var/lib/consul"], "command": ["sh", "-c", WIPE]}
    change_boot(rehearsal.add_image("1.2.0"), after=["/var/lib/consul", "wipe"], more=[wipe])
    keys, before = rehearsal.store.write(50), rehearsal.cloud.instances()

    halted = rehearsal.run("upgrade", "--yes")
    canary = halted_at_the_first_node(rehearsal, halted, before)
    assert "no mark at /var/lib/consul" in halted.one("run_halted")["what"]

    again = rehearsal.run("upgrade", "--yes").expect(24).one("run_halted")
    assert again["where"] == f"server/{canary}"
    assert "formatted" in again["what"]
    back = rehearsal.run("upgrade", "--yes", "--image", "1.1.0").expect(24).one("run_halted")
    assert "formatted" in back["what"], "nor does the old image make the empty volume good"
    assert sum(node != canary and before[node] == now for node, now in rehearsal.cloud.instances().items()) == 2
    assert rehearsal.store.read() == keys


def make_cluster(rehearsal: Rehearsal) -> None:
    """Make a cluster at 1.1.0 whose gates wait not as long as in earnest."""
    rehearsal.copy_block()
    rehearsal.change(GATES, HASTY)
    rehearsal.create("1.1.0")


def change_boot(image: Path, *, after: list[str], mounts: list[dict[str, str]] | None = None, more: Sequence[Any] = ()) -> None:
    """Change what an image does when it boots: what Consul comes after, what is mounted, and further services."""
    file = image / "etc/lab/boot.json"
    boot = json.loads(file.read_text())
    boot["services"][0]["after"] = after
    boot["mounts"] = mounts or boot["mounts"]
    boot["services"] += more
    file.write_text(json.dumps(boot))


def halted_at_the_first_node(rehearsal: Rehearsal, halted: Ended, before: dict[str, str]) -> str:
    """See that a run stopped at its first node with all others as they were; return the node."""
    halted.expect(20)
    node = str(halted.one("node_started")["node"])
    key = node.removeprefix("server/")
    told = halted.one("run_halted")
    assert told["where"] == node
    assert told["safe"].startswith(f"2 of 3 nodes are up and well; not well: {node}; no other node is touched")
    assert "immtf upgrade" in told["next"]
    assert halted.last["outcome"] == "halted"
    after = rehearsal.cloud.instances()
    assert {name for name in before if after[name] != before[name]} == {key}
    return key


def made_whole(rehearsal: Rehearsal, canary: str, before: dict[str, str], volumes: dict[str, tuple[str, str]]) -> None:
    """See that the canary was made anew with its volume, that no other node was touched, and that all are healthy."""
    now = rehearsal.cloud.instances()
    assert {node for node in before if now[node] != before[node]} == {canary}
    assert {node: volume for node, (volume, _) in rehearsal.cloud.volumes().items()} == {
        node: volume for node, (volume, _) in volumes.items()
    }
    rows = rehearsal.nodes().values()
    assert {row["health"] for row in rows} == {"healthy"}
    assert {row["mounted"] for row in rows} == {"yes"}
