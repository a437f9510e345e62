"""The way back of one node, in earnest: gone by the run itself (`on_failure: rollback-node`), and by a person after a halt."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.lab.rehearsal import GOOD_IMAGE
from tests.lab.test_bad_image import BROKEN, GATES, HASTY, made_whole

if TYPE_CHECKING:
    from tests.lab.child import Ended
    from tests.lab.rehearsal import Rehearsal

AUTOMATIC, BY_HAND = "on_failure: rollback-node\nclusters:", "on_failure: halt\nclusters:"
COMMAND = re.compile(r"`immtf (rollback [^`]+)`")


@pytest.mark.lab(minutes=7)
def test_a_node_goes_back(rehearsal: Rehearsal) -> None:
    """F36: the canary of a bad image goes back to the image before with the same volume; no other node is touched, no write is lost."""
    rehearsal.copy_block()
    rehearsal.change(GATES, HASTY)
    rehearsal.change("clusters:", AUTOMATIC)
    rehearsal.create("1.1.0")
    rehearsal.add_image("1.2.0", BROKEN)
    keys, volumes, before = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()

    with rehearsal.watched() as watch:
        failed = rehearsal.run("upgrade", "--yes").expect(20)
    canary = gone_back(failed)
    made_whole(rehearsal, canary, before, volumes)
    assert {row["image"] for row in rehearsal.nodes().values()} == {"1.1.0"}
    assert (watch.fewest_running, watch.most_of_one_node, watch.problems) == (2, 1, [])
    assert rehearsal.store.read() == keys
    keys |= rehearsal.store.write(10, value="afterwards")

    rehearsal.change(AUTOMATIC, BY_HAND)
    before = rehearsal.cloud.instances()
    halted = rehearsal.run("upgrade", "--yes").expect(20).one("run_halted")
    canary = halted["where"].removeprefix("server/")
    words = shlex.split(COMMAND.search(halted["next"])[1])  # type: ignore[index]  # a command that isn't there fails the test
    image = words.pop(5)
    assert image.startswith("--image=ami-")
    assert words == ["rollback", str(rehearsal.block), "--lab", "--node", f"server/{canary}", f"--home={rehearsal.home}"]

    (rehearsal.add_image("1.0.1", GOOD_IMAGE) / "etc/data-format").write_text("0\n")
    broken, node = rehearsal.cloud.instances(), ("--node", f"server/{canary}", "--yes")
    refused = rehearsal.run("rollback", *node, "--image", "1.0.1").expect(24).one("run_halted")
    assert "[data-format]" in refused["what"]
    assert rehearsal.cloud.instances() == broken, "refused before anything is touched"

    back = rehearsal.run("rollback", *node).expect(0)
    assert back.last["nodes_replaced"] == 1
    made_whole(rehearsal, canary, before, volumes)
    assert rehearsal.store.read() == keys


def gone_back(failed: Ended) -> str:
    """See that a run failed at its first node and took that one back, with a judged plan and all its gates; return the node."""
    started = failed.of("node_started")
    assert len({event["node"] for event in started}) == 1, "never another node"
    assert len(started) == 2, "one attempt"
    node = str(started[0]["node"])
    halted = failed.one("run_halted")
    assert halted["what"].endswith(f"{node} was rolled back to 1.1.0 and is healthy")
    assert halted["safe"].startswith("all 3 nodes are up; no node is touched any more")
    assert [event["step"] for event in failed.of("step_finished")][-2:] == ["ProveVolumes", "SettleNode"]
    assert [event["stage"] for event in failed.of("stage_finished")][-1] == "rollback"
    return node.removeprefix("server/")
