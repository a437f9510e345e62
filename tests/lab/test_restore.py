"""Test environments with data: from a snapshot of another environment's volume, and by a script, before anything is tested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab.rehearsal import Rehearsal

ONE = ("--var", 'nodes=["a"]')
HERE = ("--lab-name", "default")  # a test's own lab would have no such snapshot
GATES = "    gates:\n"
DATA_THERE = '      - http: { url: "http://{address}:8500/v1/kv/rehearsal/value/0001?raw", contains: "value 1" }\n'
FILL = """import json, os, urllib.request
for node, address in json.loads(os.environ["IMMTF_NODES"]).items():
    request = urllib.request.Request(f"http://{address}:8500/v1/kv/filled", data=b"by the script", method="PUT")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(os.environ["IMMTF_BLOCK_NAME"], node, "took it:", opener.open(request, timeout=30).read().decode().strip())
"""


@pytest.mark.lab(minutes=4)
def test_an_environment_gets_its_data_from_a_snapshot_or_by_a_script(rehearsal: Rehearsal) -> None:
    """F21: the volume's foreign mark is proven and written anew; what was written in the first environment is read in the second."""
    block = rehearsal.copy_block()
    rehearsal.create("1.1.0", *ONE)
    rehearsal.store.write(2)
    snapshot = snapshot_of(rehearsal, "a")
    volume, _ = rehearsal.cloud.volumes()["a"]
    rehearsal.run("destroy", "--yes").expect(0)

    plain = (block / "immtf.yaml").read_text()
    (block / "immtf.yaml").write_text(f"{plain}restore: {{ snapshot: {snapshot} }}\n".replace(GATES, GATES + DATA_THERE))
    restored = rehearsal.run("test-create", "--yes", *HERE, *ONE).expect(0)
    notes = [event["message"] for event in restored.of("noted")]
    assert any(note.endswith(f"has the data of server/a's {volume}, from {snapshot}") for note in notes), notes
    assert not any("gets its filesystem" in note for note in notes), "nothing of it was formatted"
    assert restored.of("gate_asked", gate="http:8500", held=True), "the key of the first environment was read in the second"

    (block / "fill.py").write_text(FILL)
    (block / "immtf.yaml").write_text(f"{plain}restore: {{ run: exec python3 fill.py, timeout: 2m }}\n")
    filled = rehearsal.run("test-create", "--yes", *HERE, *ONE).expect(0)
    assert [event["message"] for event in filled.of("noted") if event["message"].startswith("restore: ")] == [
        "restore: consul server/a took it: true"
    ]
    assert rehearsal.cloud.machines() == []


def snapshot_of(rehearsal: Rehearsal, node: str) -> str:
    """Stop a node, so that its data are whole on the volume, and take a snapshot of that."""
    volume, instance = rehearsal.cloud.volumes()[node]
    ec2 = rehearsal.cloud.ec2
    ec2.stop_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    snapshot = str(ec2.create_snapshot(VolumeId=volume)["SnapshotId"])
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return snapshot
