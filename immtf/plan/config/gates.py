"""How gates stand in the file: a plain word, or one key with its settings.

```yaml
gates:
  - mounted
  - consul: { expect: 3 }
```
The models hold for reading and for the JSON schema; `KINDS` is the one list of what there is. A kind is added by its settings, its
entry here, and its place in `immtf.model.block.Gate`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from immtf.plan.config.fields import (  # noqa: TC001 - pydantic reads annotations at run time
    ContainerName,
    Count,
    Duration,
    EnvironmentName,
    Maybe,
    Name,
    Phrase,
    Port,
    Script,
    TestsPath,
    Url,
    UserName,
    Whole,
)


class Closed(BaseModel):
    """A mapping whose keys are all known; values are taken as they are written, never turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Settings(Closed):
    """What every gate has: it holds after `passes` good answers in a row, over at least `healthy_for` where a node is just back."""

    passes: Count = 3
    """How many good answers in a row are needed; a bad one starts the count again."""
    interval: Duration = "1s"
    """Time between two questions."""
    deadline: Duration = "10m"
    """After this time the gate has failed and the run stops at a safe point."""
    timeout: Duration = "5s"
    """Time limit of one question, with all its calls."""
    healthy_for: Duration = "1s"
    """How long a node that is just back has to hold the gate without a break, at least: one that flaps never does."""
    name: Maybe[Name] = None
    """Tells two gates of one kind apart; the gate's id is then `kind:name`."""


class Mounted(Settings):
    """Every volume is attached to the node's present instance and mounted at its place."""

    timeout: Duration = "30s"
    """Time limit of one question."""


class Consul(Settings):
    """Consul's servers are those expected, with a leader whom each of them names, all healthy and caught up."""

    expect: Maybe[Count] = None
    """Number of voters; without it, the number of the cluster's nodes."""
    port: Port = 8500
    """Port of the HTTP API."""
    scheme: Literal["http", "https"] = "http"
    """Protocol of the HTTP API."""
    token_env: Maybe[EnvironmentName] = None
    """Environment variable that holds the token; never the token itself."""
    max_lag: Whole = 250
    """How many entries of the Raft log a server may be behind."""


class Etcd(Settings):
    """etcd's members are those expected, with a leader whom each of them names, no alarm, all answering and caught up."""

    expect: Maybe[Count] = None
    """Number of voters; without it, the number of the cluster's nodes."""
    port: Port = 2379
    """Port for clients, with the JSON gateway."""
    scheme: Literal["http", "https"] = "http"
    """Protocol of that port."""
    user_env: Maybe[EnvironmentName] = None
    """Environment variable that holds `user:password`; never the two themselves. Without it, it is ETCDCTL_USER."""
    max_lag: Whole = 250
    """How many entries of the Raft log a member may be behind with what it has applied."""


class Http(Settings):
    """A page answers as it should."""

    url: Url
    """The page; `{address}` is the private address of the node's instance, `{node}` its key."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    """The status that is wanted."""
    contains: Maybe[Phrase] = None
    """Text that the page has to hold."""


class Tcp(Settings):
    """A connection to the node's instance is accepted."""

    port: Port
    """The port."""
    timeout: Duration = "3s"
    """Time limit of one connection."""


class Command(Settings):
    """A shell script that is run on the node ends with 0."""

    run: Script
    """The script."""
    timeout: Duration = "30s"
    """Time limit of one run."""


class Testinfra(Settings):
    """Your own tests of the node pass: files for pytest and testinfra, which come with the extra `immtf[testinfra]`."""

    tests: TestsPath
    """File or directory of the tests, relative to this file."""
    connection: Literal["ssm", "ssh", "docker"] = "ssm"
    """How the tests reach the node: through its SSM agent, by ssh to its private address, or with `docker exec`."""
    user: Maybe[UserName] = None
    """For ssh: the user there; without it, ssh's own default."""
    port: Port = 22
    """For ssh: the port."""
    key_env: Maybe[EnvironmentName] = None
    """For ssh: environment variable that holds the path of the private key's file; without it, what ssh itself finds."""
    container: Maybe[ContainerName] = None
    """For docker: the container's name, with `{instance_id}`, `{address}` and `{node}` filled in; without it, the lab's own."""
    passes: Count = 1
    """How many good runs in a row are needed: one says enough, and takes its time."""
    timeout: Duration = "2m"
    """Time limit of one run of all the tests."""
    healthy_for: Duration = "0s"
    """How long the tests have to pass without a break, at least; the cluster's other gates have times of their own."""


class MountedEntry(Closed):
    """Gate `mounted`."""

    mounted: Mounted


class ConsulEntry(Closed):
    """Gate `consul`."""

    consul: Consul


class EtcdEntry(Closed):
    """Gate `etcd`."""

    etcd: Etcd


class HttpEntry(Closed):
    """Gate `http`."""

    http: Http


class TcpEntry(Closed):
    """Gate `tcp`."""

    tcp: Tcp


class CommandEntry(Closed):
    """Gate `command`."""

    command: Command


class TestinfraEntry(Closed):
    """Gate `testinfra`."""

    testinfra: Testinfra


KINDS: dict[str, type[Settings]] = {
    "mounted": Mounted,
    "consul": Consul,
    "etcd": Etcd,
    "http": Http,
    "tcp": Tcp,
    "command": Command,
    "testinfra": Testinfra,
}
TIMES = ("interval", "deadline", "timeout", "healthy_for")  # the settings that are times


def _tag(value: Any) -> str | None:
    """Tell pydantic which form an entry has, so that mistakes are told of that form only."""
    if isinstance(value, str):
        return "word"
    if isinstance(value, dict) and len(value) == 1:
        return next((kind for kind in KINDS if kind in value), None)
    return None


GateEntry = Annotated[
    Annotated[Literal["mounted", "consul", "etcd"], Tag("word")]
    | Annotated[MountedEntry, Tag("mounted")]
    | Annotated[ConsulEntry, Tag("consul")]
    | Annotated[EtcdEntry, Tag("etcd")]
    | Annotated[HttpEntry, Tag("http")]
    | Annotated[TcpEntry, Tag("tcp")]
    | Annotated[CommandEntry, Tag("command")]
    | Annotated[TestinfraEntry, Tag("testinfra")],
    Discriminator(_tag),
]
