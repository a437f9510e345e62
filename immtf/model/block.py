"""A block as its file describes it: what a person decides, and nothing that Terraform can tell.

Everything is frozen and complete: paths are absolute, times are seconds, defaults are filled in, and what is here has been
checked (`immtf.plan.config`). Nodes, instances, volumes and addresses are not here; they are read from Terraform's JSON.

Gates are a closed union, so that a reader of them is told by the type checker when a kind is added. Each has an `id`, by which
it is printed, recorded and overridden; it is unique within a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.model.checking import Way

Strategy = Literal["replace", "swap"]
Spread = Literal["any", "zone"]
MAX_LAG = 250  # entries of the log; a server further behind has not caught up
OnFailure = Literal["halt", "rollback-node"]
OutputKind = Literal["any", "string", "number", "bool", "list", "map"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a gate is asked, and how long: it holds after `passes` good answers in a row, `interval_s` apart.

    The one bad answer starts the count again; after `deadline_s` seconds the gate has failed. `timeout_s` bounds one question. Of a
    node that is just back the passes have to last `healthy_for_s` seconds at least.
    """

    passes: int = 3
    interval_s: float = 1.0
    deadline_s: float = 600.0
    timeout_s: float = 5.0
    healthy_for_s: float = 1.0
    name: str = ""

    def _id(self, kind: str, subject: str = "") -> str:
        """Make the id: the kind, and what tells two gates of one kind apart."""
        label = self.name or subject
        return f"{kind}:{label}" if label else kind


@dataclass(frozen=True, kw_only=True)
class MountedGate(Pace):
    """Every volume of the node is attached to its present instance and mounted at its place."""

    timeout_s: float = 30.0

    @property
    def id(self) -> str:
        return self._id("mounted")


@dataclass(frozen=True, kw_only=True)
class ConsulGate(Pace):
    """Consul's servers are those expected, with a leader that each of them names, all healthy and caught up.

    `expect` is the number of voters; without it, it is the number of the cluster's nodes. `max_lag` is in entries of the Raft
    log. `token_env` names the environment variable that holds the token; the token itself is never in a file.
    """

    expect: int | None = None
    port: int = 8500
    scheme: Literal["http", "https"] = "http"
    token_env: str | None = None
    max_lag: int = MAX_LAG

    @property
    def id(self) -> str:
        return self._id("consul")

    @property
    def secret_env(self) -> str | None:
        """Return the environment variable of the gate's own that holds a secret, if there is one."""
        return self.token_env


@dataclass(frozen=True, kw_only=True)
class EtcdGate(Pace):
    """etcd's members are those expected, with a leader that each of them names, no alarm, all answering for themselves and caught up.

    `expect` is the number of voters; without it, it is the number of the cluster's nodes. `max_lag` is in entries of the Raft log.
    `user_env` names the environment variable that holds `user:password`; neither is ever in a file.
    """

    expect: int | None = None
    port: int = 2379
    scheme: Literal["http", "https"] = "http"
    user_env: str | None = None
    max_lag: int = MAX_LAG

    @property
    def id(self) -> str:
        return self._id("etcd")

    @property
    def secret_env(self) -> str | None:
        """Return the environment variable of the gate's own that holds a secret, if there is one."""
        return self.user_env


ServiceGate = ConsulGate | EtcdGate
"""The gates that speak to a clustered service as a whole, which tells its own quorum."""


@dataclass(frozen=True, kw_only=True)
class HttpGate(Pace):
    """A page answers with `status`, and holds the text `contains` where that is given.

    `url` may hold `{address}` (the private address of the node's instance) and `{node}` (the node's key).
    """

    url: str
    status: int = 200
    contains: str | None = None

    @property
    def id(self) -> str:
        parts = urlsplit(self.url)
        return self._id("http", str(parts.port or (443 if parts.scheme == "https" else 80)))


@dataclass(frozen=True, kw_only=True)
class TcpGate(Pace):
    """A connection to `port` of the node's instance is accepted."""

    port: int
    timeout_s: float = 3.0

    @property
    def id(self) -> str:
        return self._id("tcp", str(self.port))


@dataclass(frozen=True, kw_only=True)
class CommandGate(Pace):
    """A shell script that is run on the node ends with 0 within `timeout_s`."""

    run: str
    timeout_s: float = 30.0

    @property
    def id(self) -> str:
        return self._id("command")


@dataclass(frozen=True, kw_only=True)
class TestinfraGate(Pace):
    """The user's own tests of a node pass: files for pytest and testinfra at `tests`, an absolute path, within `timeout_s` together.

    `user`, `port` and `key_env` (the environment variable that holds the path of the private key's file) are of the connection `ssh`,
    `container` is of `docker`: its name, in which `{instance_id}`, `{address}` and `{node}` are filled in; without it, it is the
    lab's container of that instance. A run of tests takes its time, so one pass is enough.
    """

    __test__ = False  # pytest would take it for a class of tests, by its name

    tests: Path
    connection: Way = "ssm"
    user: str = ""
    port: int = 22
    key_env: str | None = None
    container: str | None = None
    passes: int = 1
    timeout_s: float = 120.0
    healthy_for_s: float = 0.0

    @property
    def id(self) -> str:
        return self._id("testinfra")


Gate = MountedGate | ConsulGate | EtcdGate | HttpGate | TcpGate | CommandGate | TestinfraGate


@dataclass(frozen=True)
class VolumeSpec:
    """A data volume that each node of a cluster has: `name` is the key in the file, `mount` an absolute path on the node.

    `snapshots` is how many snapshots of it are kept; with 0 none is taken.
    """

    name: str
    mount: str
    snapshots: int = 0


@dataclass(frozen=True)
class Cluster:
    """The nodes of a block that form one stateful service.

    `nodes` is the Terraform address of what there is one of for each node, without an index: `module.server` or
    `aws_instance.server`. `max_unavailable` is a wish; quorum may allow less. With `spread` "zone" nodes that are
    away at the same time are of one zone.
    """

    name: str
    nodes: str
    gates: tuple[Gate, ...]
    strategy: Strategy = "replace"
    max_unavailable: int = 1
    spread: Spread = "any"
    volumes: Mapping[str, VolumeSpec] = field(default_factory=dict)

    @property
    def takes_snapshots(self) -> bool:
        """Return whether any volume is to be snapshotted when its node's instance was stopped."""
        return any(volume.snapshots for volume in self.volumes.values())


@dataclass(frozen=True)
class ImageSpec:
    """Where the image goes (a Terraform variable) and which may go there (a family, a constraint on its version)."""

    variable: str
    family: str
    version: str = ">= 0"


@dataclass(frozen=True)
class LabSpec:
    """What the lab needs to know: the directory of the images' trees, and the Terraform variable of the network's range.

    None and "" where a block has none: one without machines has no images, one in another block's network has no range.
    """

    images: Path | None = None
    network: str = ""


@dataclass(frozen=True)
class OutputNeed:
    """An output of a required block that this one uses.

    `kind` is what its value must be. `variable` is the Terraform variable that gets it; "" where it goes with the others into the variable
    of the producer's name, or is read through `terraform_remote_state`. `mock` stands for it in a `plan` where the producer isn't
    deployed, and nowhere else; None where there is none.
    """

    name: str
    kind: OutputKind = "any"
    variable: str = ""
    mock: Any = None


@dataclass(frozen=True)
class RestoreSpec:
    """How the data of a test environment are filled: a shell script that is run here, or a snapshot that its volumes are made from.

    `variable` is the Terraform variable that takes the snapshot's id. One of `run` and `snapshot` is given.
    """

    run: str = ""
    snapshot: str = ""
    variable: str = "snapshot_id"
    timeout_s: float = 600.0


@dataclass(frozen=True)
class Block:
    """One unit of infrastructure with its own Terraform root module, its own state, a name and a version.

    `directory` holds `file`; `terraform` is the root module. The three are absolute. `requires` are constraints on the versions of other
    blocks by name, `uses` the outputs that are used of them, `lines` where in the file each of them stands, from 1.
    """

    name: str
    version: str
    directory: Path
    file: Path
    terraform: Path
    requires: Mapping[str, str] = field(default_factory=dict)
    uses: Mapping[str, tuple[OutputNeed, ...]] = field(default_factory=dict)
    image: ImageSpec | None = None
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    lab: LabSpec | None = None
    on_failure: OnFailure = "halt"
    restore: RestoreSpec | None = None
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
