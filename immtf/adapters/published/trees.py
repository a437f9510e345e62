"""The digest of a block's content in a directory: of everything that its root module reads, wherever that lies.

The block's own directory counts, and with it local modules and files beside them that it refers to (`../../modules/node`). What Terraform
keeps there for itself doesn't: `.terraform`, states, plans, and `.terraform.lock.hcl`, which `terraform init` writes into.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from immtf.adapters.docker.block_image import files_of, needed_by
from immtf.errors import ImmtfError
from immtf.plan.block_image import make_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.model.block import Block

_WRITTEN = ".terraform.lock.hcl"


def content_digest(block: Block) -> str:
    """Return the digest of a block's content. Raises `ImmtfError` where any of it can't be read."""
    recipe = make_recipe(block, "", needed_by(block))
    digest = hashlib.sha256()
    for path in files_of(recipe):
        if path.name == _WRITTEN or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            kind, content = _content(path)
        except OSError as error:
            raise ImmtfError(f"can't be read: {error.strerror}", where=str(path), next="let this user read it") from error
        digest.update(f"{path.relative_to(recipe.tree).as_posix()}\0{kind}\0{len(content)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def _content(path: Path) -> tuple[str, bytes]:
    """Return what a file is (a link, to be run, or plain) and what it holds."""
    if path.is_symlink():
        return "link", os.fsencode(path.readlink())
    return "run" if path.stat().st_mode & 0o100 else "file", path.read_bytes()
