"""A block's own image: what it is made of and called, and the Dockerfile that a person would write. Pure.

The image is immtf's with the block's directory in it, and with every other directory that its root module refers to, at the same places to
one another: below `/block`, from the smallest tree that holds all of them. Nothing else of that tree comes along.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from immtf.errors import UsageError
from immtf.model.container import BLOCK, DIRECTORY, REQUIRES, ROOT, VERSION

if TYPE_CHECKING:
    from collections.abc import Collection

    from immtf.model.block import Block

PLACE = PurePosixPath("/block")
_LEFT_OUT = re.compile(
    r"\.terraform|\.git|\.immtf|__pycache__|crash(\..*)?\.log|.*\.tfstate(\..*)?|\.terraform\.tfstate\.lock\.info"
    r"|(.*\.)?tfplan|\.terraformrc|terraform\.rc|\.aws|\.ssh|\.netrc|\.env"
)
IGNORED = "**/.terraform **/.git **/.immtf **/*.tfstate* **/*tfplan **/.terraformrc **/.aws **/.ssh **/.netrc **/.env"
"""What Docker itself has to be told to leave out, in a `.dockerignore`, where a person builds."""

_UNTAGGED = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A block's image as it is to be made: the tree and what of it comes along (both absolute), the block's place in it, its base."""

    block: Block
    base: str
    tree: Path
    parts: tuple[Path, ...]

    @property
    def directory(self) -> PurePosixPath:
        """Return the block's directory in the image."""
        return self.place_of(self.block.file.parent)

    @property
    def labels(self) -> dict[str, str]:
        """Return what the image tells of itself."""
        requires = {REQUIRES: json.dumps(dict(sorted(self.block.requires.items())))} if self.block.requires else {}
        return {BLOCK: self.block.name, VERSION: self.block.version, DIRECTORY: str(self.directory), ROOT: str(PLACE), **requires}

    def place_of(self, path: Path) -> PurePosixPath:
        """Return where a path of the tree is in the image."""
        return PLACE / path.relative_to(self.tree).as_posix()

    def dockerfile(self, more: Collection[tuple[str, str]] = ()) -> str:
        """Return the Dockerfile, to be built in the tree; `more` are further labels."""
        copies = [json.dumps([str(part.relative_to(self.tree)), str(self.place_of(part))]) for part in self.parts]
        labels = " ".join(f"{name}={_quoted(value)}" for name, value in [*self.labels.items(), *more])
        block = f"ENV IMMTF_BLOCK={_quoted(str(self.directory))}"
        lines = [f"FROM {self.base}", *(f"COPY {copy}" for copy in copies), block, f"LABEL {labels}"]
        return "\n".join(lines) + "\n"


def make_recipe(block: Block, base: str, needed: Collection[Path]) -> Recipe:
    """Return how a block's image is made; `needed` are the directories and files that it refers to, absolute.

    Raises `UsageError` where there is no tree that holds them but the whole disk.
    """
    home = block.file.parent
    wanted = {home, block.terraform, *needed}
    tree = Path(os.path.commonpath(wanted))
    if tree == Path(tree.anchor):
        raise UsageError(
            "the block and what it refers to have no directory in common", where=str(home), next="keep its modules in one tree with it"
        )
    outermost = [path for path in wanted if not any(other in path.parents for other in wanted)]
    return Recipe(block, base, tree, tuple(sorted(outermost)))


def default_tag(block: Block) -> str:
    """Return what the image is called where nobody says it: `consul-block:1.1.0`."""
    return f"{block.name.lower()}-block:{_UNTAGGED.sub('-', block.version)}"


def comes_along(name: str) -> bool:
    """Return whether a file or directory of this name belongs to a block; what Terraform and git keep beside it, and keys, doesn't."""
    return not _LEFT_OUT.fullmatch(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")
