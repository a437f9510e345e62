"""The gate `testinfra` in a whole run: the user's tests pass on each node, and an image that fails them halts at the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.lab.child import Ended
    from tests.lab.rehearsal import Rehearsal

GATES = "      - mounted\n      - consul\n"
TESTED = """\
      - testinfra: { tests: tests, deadline: 120s, timeout: 100s }
      - mounted: { deadline: 120s }
      - consul: { deadline: 120s }
"""


@pytest.mark.lab(minutes=5.5)
def test_an_image_that_fails_the_tests_halts_at_the_first_node(rehearsal: Rehearsal) -> None:
    """The tests are the block's own example."""
    rehearsal.copy_block()
    rehearsal.change(GATES, TESTED)
    created = rehearsal.create("1.1.0")
    assert held(created) == {"server/a", "server/b", "server/c"}, "each node was tested"
    assert {event["reason"] for event in created.of("gate_asked", gate="testinfra", held=True)} == {"3 passed"}
    before = rehearsal.cloud.instances()

    (rehearsal.add_image("1.2.0") / "etc/image-version").write_text("1.1.9\n")
    planned = rehearsal.run("plan").expect(10)
    assert "testinfra" in planned.stdout
    halted = rehearsal.run("upgrade", "--yes").expect(20)
    told = halted.one("run_halted")
    node = str(halted.one("node_started")["node"])
    assert told["where"] == node
    assert "testinfra: 1 of 3 failed: test_the_image_is_the_one_that_was_rolled_out: assert '1.1.9' == '1.2.0'" in told["what"]
    assert "the tests in" in told["next"]
    assert "--allow=testinfra" in told["next"]
    after = rehearsal.cloud.instances()
    assert {f"server/{key}" for key in before if after[key] != before[key]} == {node}, "no other node was touched"

    back = rehearsal.run("upgrade", "--yes", "--image", "1.1.0").expect(0)
    assert node in held(back), "the way back is proven by the tests too"
    assert {row["health"] for row in rehearsal.nodes().values()} == {"healthy"}


def held(ended: Ended) -> set[Any]:
    """Return the nodes whose tests passed."""
    return {event["node"] for event in ended.of("gate_asked", gate="testinfra", held=True)}
