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
    Count,
    Duration,
    EnvironmentName,
    Maybe,
    Name,
    Phrase,
    Port,
    Script,
    Url,
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


class MountedEntry(Closed):
    """Gate `mounted`."""

    mounted: Mounted


class ConsulEntry(Closed):
    """Gate `consul`."""

    consul: Consul


class HttpEntry(Closed):
    """Gate `http`."""

    http: Http


class TcpEntry(Closed):
    """Gate `tcp`."""

    tcp: Tcp


class CommandEntry(Closed):
    """Gate `command`."""

    command: Command


KINDS: dict[str, type[Settings]] = {"mounted": Mounted, "consul": Consul, "http": Http, "tcp": Tcp, "command": Command}
TIMES = ("interval", "deadline", "timeout", "healthy_for")  # the settings that are times


def _tag(value: Any) -> str | None:
    """Tell pydantic which form an entry has, so that mistakes are told of that form only."""
    if isinstance(value, str):
        return "word"
    if isinstance(value, dict) and len(value) == 1:
        return next((kind for kind in KINDS if kind in value), None)
    return None


GateEntry = Annotated[
    Annotated[Literal["mounted", "consul"], Tag("word")]
    | Annotated[MountedEntry, Tag("mounted")]
    | Annotated[ConsulEntry, Tag("consul")]
    | Annotated[HttpEntry, Tag("http")]
    | Annotated[TcpEntry, Tag("tcp")]
    | Annotated[CommandEntry, Tag("command")],
    Discriminator(_tag),
]
