"""What is published of blocks: a version of one at a place, and what is there that can't be read.

A place is a directory, a git repository, or container images, on the engine of this machine or in a registry. Where it is one that
blocks were asked for in, it names that and no more; where it is a version's own, it names the very revision too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PlaceKind = Literal["directory", "git", "image", "registry"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where blocks are published: a directory, `git:` and a repository's directory, `image:` or `registry:` and an image's name.

    `revision` is a tag; `path` is the block's directory in the repository, "." for its top.
    """

    kind: PlaceKind
    where: str
    revision: str = ""
    path: str = ""

    def __str__(self) -> str:
        """Write it as people do: `terraform/blocks/base`, `git:infra base/1.0.0`, `image:base-block:1.0.0`."""
        prefix = "" if self.kind == "directory" else f"{self.kind}:"
        between = " " if self.kind == "git" else ":"
        return f"{prefix}{self.where}{between}{self.revision}" if self.revision else f"{prefix}{self.where}"


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a block. `digest` is of its content; of a directory it is taken only when that version is chosen, and "" before."""

    name: str
    version: str
    requires: Mapping[str, str]
    place: Place
    digest: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that looks like a published block and can't be read, and why; `name` and `version` as far as its place tells them."""

    where: str
    what: str
    name: str = ""
    version: str = ""
