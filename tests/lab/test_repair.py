"""`doctor` and `repair` in earnest: what people and killed runs leave is named, and mended without a node being made anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.rehearsal import rename_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.rehearsal import Rehearsal

HASTY = "      - mounted: { deadline: 60s }\n      - consul: { deadline: 60s }\n"
GATES = "      - mounted\n      - consul\n"


@pytest.mark.lab(minutes=6)
def test_what_was_left_is_named_and_mended(rehearsal: Rehearsal) -> None:
    """F5, F6, F7, F40: a stopped node without its volume, a tainted one, a left-over one, and then the leader, which the state lost.

    A `moved` block came meanwhile: Terraform makes no plan for one node before that is recorded.
    """
    rehearsal.copy_block()
    rehearsal.change(GATES, HASTY)
    rehearsal.create("1.1.0")
    keys, volumes, before = rehearsal.store.write(50), rehearsal.cloud.volumes(), rehearsal.cloud.instances()
    rehearsal.run("doctor").expect(0)

    stop_and_detach(rehearsal, "b")
    left = leave_behind(rehearsal, before["a"])
    change_state(rehearsal, lambda rows: (rows["c"][0].update(status="tainted"), rows["a"].append(deposed(rows["a"][0], left))))
    address = 'deposed:module.server["a"].aws_instance.this'
    rename_group(rehearsal.block)
    assert found(rehearsal, 10) == [address, "detached-volume:server/b/data", "stopped-node:server/b", "tainted:server/c"]
    refused = rehearsal.run("repair").expect(2)
    assert "there is no terminal to ask at" in refused.one("run_halted")["what"]
    mended = rehearsal.run("repair", "--yes").expect(0)
    assert [event["stage"] for event in mended.of("stage_finished")].count("repair") == 3
    assert mended.one("plan_judged", step="RecordMoves")["allowed"] == ["aws_security_group.servers: moved from aws_security_group.server"]
    assert found(rehearsal, 0) == []
    assert (rehearsal.cloud.instances(), rehearsal.cloud.volumes()) == (before, volumes)
    assert rehearsal.cloud.state_of(left) == "terminated"

    lost = next(item.node for item in rehearsal.cloud.machines() if item.address == rehearsal.store.leader())
    change_state(rehearsal, lambda rows: rows.pop(lost))
    orphan = f"orphan-instance:{before[lost]}"
    assert found(rehearsal, 10) == [orphan]
    rehearsal.run("repair", orphan, "--yes").expect(0)
    assert found(rehearsal, 0) == []
    assert (rehearsal.cloud.instances(), rehearsal.cloud.volumes()) == (before, volumes)
    rehearsal.run("plan", "--image", "1.1.0").expect(0)
    assert rehearsal.store.read() == keys


def found(rehearsal: Rehearsal, exit_code: int) -> list[str]:
    """Return the ids of what `doctor` finds, and see that each tells what was seen and what would be done."""
    told = rehearsal.run("doctor").expect(exit_code).one("diagnosed")["findings"]
    assert all(row["evidence"] and row["fix"] and row["harm"] and row["by"] == "repair" for row in told)
    return [row["id"] for row in told]


def stop_and_detach(rehearsal: Rehearsal, node: str) -> None:
    """Be the person who stops a node and takes its volume off, and goes home."""
    ec2, (volume, instance) = rehearsal.cloud.ec2, rehearsal.cloud.volumes()[node]
    ec2.stop_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ec2.detach_volume(VolumeId=volume, InstanceId=instance)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def leave_behind(rehearsal: Rehearsal, like: str) -> str:
    """Make an instance like this one, and stop it; return its id."""
    ec2 = rehearsal.cloud.ec2
    (row,) = ec2.describe_instances(InstanceIds=[like])["Reservations"][0]["Instances"]
    kind = {"ImageId": row["ImageId"], "InstanceType": row["InstanceType"], "SubnetId": row["SubnetId"]}
    tags = [{"ResourceType": "instance", "Tags": row["Tags"]}]
    made = str(ec2.run_instances(MinCount=1, MaxCount=1, TagSpecifications=tags, **kind)["Instances"][0]["InstanceId"])
    ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    ec2.stop_instances(InstanceIds=[made])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[made], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return made


def deposed(row: dict[str, Any], instance: str) -> dict[str, Any]:
    """Return a row of the state as an interrupted replacement leaves it, for this instance."""
    return {**row, "deposed": "8c1a2b3d", "attributes": {**row["attributes"], "id": instance}}


def change_state(rehearsal: Rehearsal, change: Callable[[dict[str, list[dict[str, Any]]]], object]) -> None:
    """Change the nodes' instances in the state's file, as a killed Terraform leaves them; `change` gets their rows by node."""
    file = rehearsal.lab.environments / "consul/terraform.tfstate"
    state = json.loads(file.read_text())
    rows = {item["module"].split('"')[1]: item for item in state["resources"] if item["type"] == "aws_instance"}
    left = {node: item["instances"] for node, item in rows.items()}
    change(left)
    state["resources"] = [item for item in state["resources"] if item not in [rows[node] for node in rows.keys() - left.keys()]]
    state["serial"] += 1
    file.write_text(json.dumps(state))
