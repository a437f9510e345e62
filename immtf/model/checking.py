"""What a user's own tests of a node are told, how they reach it, and what came of each.

The facts go to the tests as JSON and are the same data there: the fixtures `node` and `block` are `NodeFacts` and `BlockFacts`. No
secret is among them: a private key is named by its file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Way = Literal["ssm", "ssh", "docker"]
Outcome = Literal["passed", "skipped", "failed", "broken"]


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """A data volume of the node: its name in the block's file, its id, and where it belongs on the node."""

    name: str
    volume_id: str
    mount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """The node that is tested, with the instance it has now; `name` is `cluster/key`. "" is what nobody knows.

    `image_version` is what the image's tags say. An image that is tested on its own has no cluster and no key.
    """

    name: str = ""
    cluster: str = ""
    key: str = ""
    instance_id: str = ""
    address: str = ""
    zone: str = ""
    image_id: str = ""
    image_version: str = ""
    volumes: tuple[VolumeFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFacts:
    """The block that the node is of, and the environment it is in."""

    name: str = ""
    version: str = ""
    environment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFacts:
    """All that the tests are told."""

    node: NodeFacts = field(default_factory=NodeFacts)
    block: BlockFacts = field(default_factory=BlockFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the tests reach the instance.

    `ssm` needs nothing more than its id. `ssh` goes to its address, as `user` (ssh's own default where ""), to `port`, with the key in
    the file `identity` or, where that is "", by what ssh itself finds (an agent, its configuration). `docker` runs commands in the
    container named `container` or, where that is "", in the lab's container of the instance.
    """

    way: Way = "ssm"
    user: str = ""
    port: int = 22
    identity: str = ""
    container: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One test: its name with its file (`test_data.py::test_mount`), and why it isn't `passed`, in one line.

    `broken` is a file that can't be read as tests at all: no wait mends it.
    """

    name: str
    outcome: Outcome
    why: str = ""


def facts_to_json(facts: CheckFacts, connection: Connection) -> dict[str, Any]:
    """Return facts and connection as plain data."""
    return {**asdict(facts), "connection": asdict(connection)}


def facts_from_json(told: dict[str, Any]) -> tuple[CheckFacts, Connection]:
    """Return what `facts_to_json` was given. Raises `KeyError` or `TypeError` for anything else."""
    node = dict(told["node"])
    node["volumes"] = tuple(VolumeFacts(**row) for row in node["volumes"])
    return CheckFacts(node=NodeFacts(**node), block=BlockFacts(**told["block"])), Connection(**told["connection"])
