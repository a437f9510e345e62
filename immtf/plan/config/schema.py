"""The shape of `immtf.yaml`: its keys, what may stand there, and what each is for.

The descriptions below are what editors show, through the JSON schema that `immtf schema` prints.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema

from immtf.plan.config.fields import (  # noqa: TC001 - pydantic reads annotations at run time
    Address,
    ConstraintText,
    Count,
    Directory,
    Duration,
    Kept,
    Maybe,
    MountPath,
    Name,
    Script,
    SnapshotId,
    Variable,
    VersionText,
)
from immtf.plan.config.gates import KINDS, Closed, GateEntry
from immtf.plan.config.requires import Output, Requirement, RequiresEntry


class Snapshots(Closed):
    """Snapshots of a volume: one each time its node's instance was stopped for an upgrade."""

    keep: Kept
    """How many of them are kept; older ones of the same volume are deleted when the node is back and whole."""


class Volume(Closed):
    """A data volume that belongs to each node and outlives its instances."""

    mount: MountPath
    """Where it is mounted on the node: an absolute path without blanks."""
    snapshot: Maybe[Snapshots] = None
    """Take a snapshot after the clean stop, before the volume is moved; leave it out for none."""


class ClusterEntry(Closed):
    """The nodes that form one stateful service."""

    nodes: Address
    """Terraform address of what there is one of for each node, without an index: a module or an aws_instance."""
    strategy: Literal["replace", "swap"] = "replace"
    """replace: the instance is re-created in its place. swap: the new instance is booted beside the old one first."""
    max_unavailable: Count = 1
    """How many nodes may be away at once; never more than quorum allows, whatever stands here."""
    spread: Literal["any", "zone"] = "any"
    """zone: nodes that are away at once are of one availability zone, so that all others are whole. any: in the order of the plan."""
    volumes: dict[Name, Volume] = Field(default={})
    """The data volumes of each node, by name."""
    gates: Annotated[list[GateEntry], Field(min_length=1)]
    """What must hold before and after each node."""


class Image(Closed):
    """The machine image that the nodes are made from."""

    variable: Variable
    """Terraform variable that takes the image's id."""
    family: Name
    """Which images are meant: the value of their tag `immtf:family`."""
    version: ConstraintText = ">= 0"
    """Constraint on the image's version; the newest that satisfies it is taken."""


class Lab(Closed):
    """What the lab needs to know to rehearse this block."""

    images: Maybe[Directory] = None
    """Directory of the images' trees, relative to this file; leave it out where the block has no machines of its own."""
    network: Maybe[Variable] = None
    """Terraform variable that takes the range of the lab's network, like `127.2.0.0/16`; leave it out where it lives in another block's."""


class Restore(Closed):
    """How the data of a test environment are filled: by a script or from a snapshot, one of them. Test commands alone do so."""

    run: Maybe[Script] = None
    """A shell script that is run here when the environment is whole, in this file's directory."""
    snapshot: Maybe[SnapshotId] = None
    """A snapshot that the data volumes are made from."""
    variable: Variable = "snapshot_id"
    """For a snapshot: Terraform variable that takes its id."""
    timeout: Duration = "10m"
    """For a script: time limit of its run."""


class BlockFile(Closed):
    """A block: one unit of infrastructure with its own Terraform root module, its own state, a name and a version."""

    block: Name
    """The block's name."""
    version: VersionText
    """The block's version."""
    terraform: Directory = "."
    """Directory of the root module, relative to this file."""
    requires: dict[Name, RequiresEntry] = Field(default={})
    """The blocks that this one needs, each with a constraint on its version in Terraform's syntax, or with the outputs used of it too."""
    image: Maybe[Image] = None
    """The machine image; leave it out where the block has no machines of its own."""
    clusters: dict[Name, ClusterEntry] = Field(default={})
    """The block's clusters, by name; none for a block without state."""
    on_failure: Literal["halt", "rollback-node"] = "halt"
    """What happens when a node's gates fail: stop there, or re-create that node from its previous image and then stop."""
    lab: Maybe[Lab] = None
    """How the lab rehearses this block; leave it out where it never does."""
    restore: Maybe[Restore] = None
    """How test commands fill the data, so that an upgrade is rehearsed on data like production's; leave it out for empty ones."""


_SECTIONS: dict[tuple[str | int, ...], type[Closed]] = {(): BlockFile, ("image",): Image, ("lab",): Lab, ("restore",): Restore}


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a block's file, closed, with descriptions and defaults."""
    made: dict[str, Any] = tidy(BlockFile.model_json_schema())
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "immtf.yaml"} | made


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that may stand in the mapping at `path`; empty where any name may."""
    match path:
        case () | (str(),) if path in _SECTIONS:
            model: type[Closed] = _SECTIONS[path]
        case ("requires", _):
            model = Requirement
        case ("requires", _, "outputs", _):
            model = Output
        case ("clusters", _):
            model = ClusterEntry
        case ("clusters", _, "volumes", _):
            model = Volume
        case ("clusters", _, "volumes", _, "snapshot"):
            model = Snapshots
        case ("clusters", _, "gates", int(), str(kind)) if kind in KINDS:
            model = KINDS[kind]
        case _:
            return []
    return list(model.model_fields)


def tidy(value: Any) -> Any:
    """Make the schema an author's: no titles made of names, no `null` for what may be left out, names that don't fit refused."""
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: tidy(item) for key, item in value.items() if not (key == "title" and isinstance(item, str)) and key != "discriminator"}
    forms = kept.get("anyOf", [])
    if {"type": "null"} in forms:
        del kept["anyOf"]
        kept = next(form for form in forms if form != {"type": "null"}) | kept
    if "patternProperties" in kept:
        kept = {key: item for key, item in kept.items() if key != "propertyNames"} | {"additionalProperties": False}
    return {key: item for key, item in kept.items() if key != "default" or item is not None}
