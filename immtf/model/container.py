"""A block's own container image, and a container of it: what is asked for, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN = "immtf.run"
HOME = "immtf.home"
TETHER = "immtf.tether"
BLOCK = "immtf.block"
VERSION = "immtf.version"
REQUIRES = "immtf.requires"
DIRECTORY = "immtf.block.directory"
ROOT = "immtf.block.root"
DIGEST = "immtf.block.digest"
BASE = "immtf.block.base"


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """An image that the engine has: as it was named, its id, the labels on it and the environment it sets."""

    reference: str
    image_id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> str:
        """Return the block's directory in the image: by its label, else by IMMTF_BLOCK; "" where the image holds no block."""
        return self.labels.get(DIRECTORY) or self.environment.get("IMMTF_BLOCK") or ""

    @property
    def root(self) -> str:
        """Return the directory in the image that holds the block and all that it refers to: by its label, else the block's own."""
        return self.labels.get(ROOT) or self.directory


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOrder:
    """A container to be run. `environment` may hold secrets and is never shown; `mounts` are paths here, each at the same path there.

    `read_only` are mounts that are only read. `host_network`: it uses this machine's network, else one of its own. `stop_timeout_s`
    is the patience of an engine that is told by others to stop it.
    """

    image_id: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str = ""
    mounts: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    host_network: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_timeout_s: int = 300


@dataclass(frozen=True, slots=True)
class ContainerEnd:
    """How a container ended: its exit code, whether it ran out of memory, and the engine's own words where it could not run at all."""

    exit_code: int
    out_of_memory: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """A container that is there, whether it runs or has ended."""

    container_id: str
    labels: Mapping[str, str]
    running: bool
