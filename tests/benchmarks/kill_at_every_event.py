"""SIGKILL at every event of a roll of three nodes, in the lab: by hand, as it takes the better part of an hour.

    python -m tests.benchmarks.kill_at_every_event DIRECTORY

Each run is killed at the first event at which none was killed before it, so each gets one event further than all before; every second
kill takes all that the run started along, Terraform in mid-apply too. After each kill the volumes have to be the same, no node may have
two instances that run, and what was written is written to. The first run that ends by itself has to have finished the roll.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.lab.rehearsal import Rehearsal

UPGRADE = ("upgrade", "--yes", "--var", 'client_cidrs=["192.0.2.0/24"]')
FIELDS = ("event", "node", "stage", "step", "kind", "address", "action", "gate", "held", "passes", "level")
MOST_KILLS = 500
RUN_LIMIT_S = 900.0


def key(event: dict[str, Any]) -> str:
    """Return what tells an event from the others of a run, whenever it comes: no times, no ids, no words."""
    return " ".join(f"{name}={event[name]}" for name in FIELDS if event.get(name) not in (None, ""))


def walk(rehearsal: Rehearsal) -> None:
    """Kill one run after the other, and see after each kill and at the end that nothing was lost or made twice."""
    rehearsal.create("1.0.0")
    keys, volumes, old = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()
    killed: list[str] = []
    with rehearsal.watched() as watch:
        while len(killed) < MOST_KILLS:
            child = rehearsal.begin(*UPGRADE)
            try:
                event = child.until(lambda event: key(event) not in killed, RUN_LIMIT_S)
            except AssertionError:
                last = child.ended(RUN_LIMIT_S).expect(0).last
                break
            killed.append(key(event))
            child.kill(tree=len(killed) % 2 == 0)
            kept = {node: volume for node, (volume, _) in rehearsal.cloud.volumes().items()}
            assert kept == {node: volume for node, (volume, _) in volumes.items()}, killed[-1]
            keys |= rehearsal.store.write(2, value=f"kill-{len(killed):03}")
            sys.stdout.write(f"{time.strftime('%H:%M:%S')} {len(killed):3} {killed[-1]}\n")
            sys.stdout.flush()
    new = rehearsal.cloud.instances()
    assert last["outcome"] in {"done", "nothing_to_do"}, last
    assert watch.problems == [], watch.problems
    assert (watch.fewest_running, watch.most_of_one_node) == (2, 1), (watch.fewest_running, watch.most_of_one_node)
    assert sorted(new) == sorted(old)
    assert not set(new.values()) & set(old.values())
    assert rehearsal.cloud.volumes() == {node: (volume, new[node]) for node, (volume, _) in volumes.items()}
    assert rehearsal.store.read() == keys
    assert rehearsal.run(*UPGRADE).expect(0).last["outcome"] == "nothing_to_do"
    sys.stdout.write(json.dumps({"kills": len(killed), "keys_written_and_read": len(keys)}) + "\n")


def main(directory: Path) -> None:
    """Walk in a lab of its own, which is down at the end whatever happened."""
    directory.mkdir(parents=True)
    rehearsal = Rehearsal(directory.resolve())
    try:
        walk(rehearsal)
    finally:
        rehearsal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
