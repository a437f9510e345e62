"""The plain way to roll a cluster, as a competent engineer writes it in an afternoon: the benchmark's measure, no part of immtf.

    python -m tests.benchmarks.plain roll DIRECTORY IMAGE_ID NODE=ADDRESS...

Node by node: the instance is stopped (the provider can't detach a volume that is in use), `terraform apply -target` makes the node anew,
and a loop asks Consul once a second until all servers vote and are healthy. It has no checks of its own and doesn't know who leads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any
from urllib.request import ProxyHandler, build_opener

import boto3

PAUSE_S = 1.0
LIMIT_S = 600.0


def tell(**fields: Any) -> None:
    """Say what was done, as a line of JSON."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def stop(ec2: Any, node: str) -> None:
    """Stop the node's instance and wait until it is stopped."""
    filters = [{"Name": "tag:immtf:node", "Values": [node]}, {"Name": "instance-state-name", "Values": ["running"]}]
    answer = ec2.describe_instances(Filters=filters)
    ids = [row["InstanceId"] for reservation in answer["Reservations"] for row in reservation["Instances"]]
    ec2.stop_instances(InstanceIds=ids)
    ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def apply(directory: str, image: str, node: str) -> None:
    """Have Terraform make the node anew."""
    terraform = os.environ["IMMTF_TERRAFORM"]
    target = f'-target=module.server["{node}"]'
    argv = [terraform, f"-chdir={directory}", "apply", "-auto-approve", "-input=false", "-no-color", target, f"-var=image_id={image}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"apply of {node} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def healthy(addresses: list[str]) -> bool:
    """Ask the servers one after the other whether all of them vote and are healthy."""
    for address in addresses:
        try:
            with build_opener(ProxyHandler({})).open(f"http://{address}:8500/v1/operator/autopilot/health", timeout=2) as answer:
                said = json.load(answer)
        except OSError:
            continue
        good = [server for server in said["Servers"] if server["Healthy"] and server["Voter"]]
        return len(good) == len(said["Servers"]) == len(addresses)
    return False


def roll(directory: str, image: str, nodes: dict[str, str]) -> None:
    """Roll all nodes, one after the other."""
    ec2 = boto3.client("ec2")
    for node, address in nodes.items():
        marks = [time.monotonic()]
        stop(ec2, node)
        marks.append(time.monotonic())
        apply(directory, image, node)
        marks.append(time.monotonic())
        deadline = time.monotonic() + LIMIT_S
        while not healthy([address, *(other for name, other in nodes.items() if name != node)]):
            if time.monotonic() > deadline:
                raise SystemExit(f"not healthy {LIMIT_S:g} s after {node} was made")
            time.sleep(PAUSE_S)
        marks.append(time.monotonic())
        stop_s, apply_s, wait_s = (later - sooner for sooner, later in pairwise(marks))
        tell(node=node, stop_s=stop_s, apply_s=apply_s, wait_s=wait_s)


if __name__ == "__main__":
    roll(sys.argv[2], sys.argv[3], dict(word.split("=", 1) for word in sys.argv[4:]))
