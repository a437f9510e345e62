"""The example infrastructure in a lab: base, consul and service as one environment, whose definition keeps the states in S3."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, Request, build_opener

from tests.lab.cloud import Cloud
from tests.lab.rehearsal import copied
from tests.lab.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.child import Child, Ended
    from tests.lab.rehearsal import Rehearsal

BUCKET, PREFIX = "rehearsed-states", "three"
LIMIT_S = 10.0
DEFINITION = """environment: staging
class: test
region: eu-west-1
backend: { s3: { bucket: %s, prefix: %s } }
blocks:
  consul: { variables: { nodes: %s } }
"""


def changed(file: Path, *changes: tuple[str, str]) -> None:
    """Change a block's file, which must hold each old text once."""
    text = file.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    file.write_text(text)


class Infrastructure:
    """Copies of the repository's blocks by a name, and commands on them in the environment `staging`."""

    def __init__(self, rehearsal: Rehearsal, *, servers: str = "abc") -> None:
        """Define the environment; Consul has a server for each of these letters."""
        self.rehearsal = rehearsal
        self._environments = rehearsal.directory / "environments"
        self._environments.mkdir(parents=True)
        (self._environments / "staging.yaml").write_text(DEFINITION % (BUCKET, PREFIX, json.dumps(list(servers))))

    def blocks(self, name: str) -> Path:
        """Copy the blocks, to be changed; return the directory that holds them."""
        return copied(self.rehearsal.directory / name / "terraform", alone=False).parent

    def older(self, name: str = "before") -> Path:
        """Copy the blocks as they were before: consul and service at version 1.0.0, with the image of that version."""
        blocks = self.blocks(name)
        for block in ("consul", "service"):
            changed(
                blocks / block / "immtf.yaml", ("\nversion: 1.1.0\n", "\nversion: 1.0.0\n"), ('version: "~> 1.1"', 'version: "~> 1.0.0"')
            )
        return blocks

    def begin(self, command: str, blocks: Path, *arguments: str) -> Child:
        """Start a command on the blocks of a directory, or on one of them."""
        self.rehearsal.block = blocks
        place = ("--environment", "staging", "--environments", str(self._environments))
        return self.rehearsal.begin(command, *place, *(("--yes",) if command not in {"plan", "status"} else ()), *arguments)

    def run(self, command: str, blocks: Path, *arguments: str, limit_s: float = 1500.0) -> Ended:
        """Run a command to its end."""
        return self.begin(command, blocks, *arguments).ended(limit_s)

    @property
    def cloud(self) -> Cloud:
        """The lab's cloud; a node is named `block/cluster/key`."""
        return Cloud(self.rehearsal.lab, many=True)

    def addresses(self, cluster: str) -> dict[str, str]:
        """Return the addresses of those that run in `block/cluster`, by key."""
        found = [item for item in self.cloud.machines() if item.state == "running" and item.node.startswith(f"{cluster}/")]
        return {item.node.rpartition("/")[2]: item.address for item in found}

    @property
    def store(self) -> Store:
        """Consul's store."""
        return Store(self.addresses("consul/server").values())

    def states(self) -> dict[str, dict[str, Any]]:
        """Return the states in the bucket by block."""
        found = {}
        for key in self.cloud.objects(BUCKET):
            if key.endswith("/terraform.tfstate"):
                assert key.startswith(f"{PREFIX}/"), key
                found[key.split("/")[-2]] = json.load(self.cloud.s3.get_object(Bucket=BUCKET, Key=key)["Body"])
        return found

    def versions(self) -> dict[str, str]:
        """Return the blocks that are deployed, by their own output."""
        return {name: state["outputs"]["block"]["value"]["version"] for name, state in self.states().items() if state["outputs"]}


def ask(place: str, content: dict[str, str] | None = None) -> Any:
    """Ask a server at `address:port/path` for JSON; with `content`, by POST."""
    data = json.dumps(content).encode() if content is not None else None
    with build_opener(ProxyHandler({})).open(Request(f"http://{place}", data=data), timeout=LIMIT_S) as answer:
        return json.load(answer)


def put(address: str, key: str, value: str) -> None:
    """Write a key into etcd."""
    ask(
        f"{address}:2379/v3/kv/put",
        {name: base64.b64encode(text.encode()).decode() for name, text in (("key", key), ("value", value))},
    )


def get(address: str, key: str) -> str:
    """Read a key of etcd, with the word of a quorum."""
    answer = ask(f"{address}:2379/v3/kv/range", {"key": base64.b64encode(key.encode()).decode()})
    return base64.b64decode(answer["kvs"][0]["value"]).decode()


def begun(ended: Ended) -> list[str]:
    """Return the blocks whose runs were begun, in order."""
    return [event["block"] for event in ended.of("block_started")]
