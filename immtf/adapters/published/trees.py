"""The content of a block in a directory: of everything that its root module reads, wherever that lies; its digest, and a copy of it.

The block's own directory counts, and with it local modules and files beside them that it refers to (`../../modules/node`). What Terraform
keeps there for itself doesn't: `.terraform`, states, plans, and `.terraform.lock.hcl`, which `terraform init` writes into. Of a link that
leads out of all that, or by an absolute path, what it leads to counts: the link's text says nothing of it, and a copy would lead back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

from immtf.adapters.docker.block_image import files_of, needed_by
from immtf.errors import ImmtfError, UsageError
from immtf.plan.block_image import make_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.model.block import Block
    from immtf.plan.block_image import Recipe

_PINS = ".terraform.lock.hcl"


def content_digest(block: Block) -> str:
    """Return the digest of a block's content. Raises `ImmtfError` where any of it can't be read, `UsageError` where it can't be whole."""
    recipe = make_recipe(block, "", needed_by(block))
    digest = hashlib.sha256()
    for path in files_of(recipe):
        if path.name == _PINS or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            kind, content = _content(path, recipe)
        except OSError as error:
            raise ImmtfError(f"can't be read: {error.strerror}", where=str(path), next="let this user read it") from error
        digest.update(f"{path.relative_to(recipe.tree).as_posix()}\0{kind}\0{len(content)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def copied(block: Block, tree: Path) -> str:
    """Copy the block's content into a tree, its empty directories too; return the block's directory there. Raises `OSError`."""
    recipe = make_recipe(block, "", needed_by(block))
    for path in files_of(recipe):
        copy = tree / path.relative_to(recipe.tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and not _leads_out(path, recipe):
            copy.symlink_to(path.readlink())
        elif path.is_dir():
            copy.mkdir(exist_ok=True)
        elif path.name != _PINS:
            shutil.copy(path, copy)
    return str(block.file.parent.relative_to(recipe.tree))


def copy_pins(block: Block, copy: Block) -> None:
    """Copy which versions of providers are taken (`.terraform.lock.hcl`), where that changed: it is no part of the content.

    Raises `ImmtfError` where it can't be.
    """
    pins, there = block.terraform / _PINS, copy.terraform / _PINS
    try:
        if pins.is_file() and not (there.is_file() and there.read_bytes() == pins.read_bytes()):
            draft = there.with_name(f"{_PINS}.{os.getpid()}")
            shutil.copyfile(pins, draft)
            draft.replace(there)
    except OSError as error:
        raise ImmtfError(f"can't be copied: {error.strerror}", where=str(pins)) from error


def _content(path: Path, recipe: Recipe) -> tuple[str, bytes]:
    """Return what a file is (a link, to be run, or plain) and what it holds."""
    if path.is_symlink() and not _leads_out(path, recipe):
        return "link", os.fsencode(path.readlink())
    return "run" if path.stat().st_mode & 0o100 else "file", path.read_bytes()


def _leads_out(link: Path, recipe: Recipe) -> bool:
    """Return whether a link leads to a file that doesn't come along. Raises `UsageError` for a directory that doesn't."""
    target, inside = link.resolve(), {part.resolve() for part in recipe.parts}
    within = bool(inside & {target, *target.parents})
    absolute = link.readlink().is_absolute()
    if not target.exists() or (within and not absolute):
        return False
    if target.is_dir():
        raise UsageError(
            f"is a link to a directory {'by an absolute path' if within else 'outside of the block'}, which its digest can't be of",
            where=str(link),
            next="make it relative" if within else "call it as a module instead",
        )
    return True
