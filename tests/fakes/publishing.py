"""Published blocks for tests: as values, as directories, as a git repository with tags."""

from __future__ import annotations

import json
import subprocess
from random import Random
from typing import TYPE_CHECKING

from immtf.model.published import Place, Published
from immtf.plan.shelf import stock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from immtf.plan.shelf import Shelf

MAIN = 'resource "terraform_data" "this" {}\n'


def make_published(what: str, **requires: str) -> Published:
    """Return what is published as `NAME VERSION`."""
    name, version = what.split()
    return Published(name, version, requires, Place("directory", f"infra/{name}/{version}"))


def make_shelf(*published: Published) -> Shelf:
    return stock(published, places=["infra"])


def many(blocks: int, versions: int, *, seed: int = 1, needs: int = 4) -> list[Published]:
    """Return an infrastructure in which each block's later versions need later versions of blocks before it, most of which fit."""
    chance = Random(seed)  # noqa: S311 - nothing secret
    found = []
    for number in range(blocks):
        for version in range(versions):
            requires = {f"b{other}": f"~> 1.{chance.randint(0, version)}" for other in chance.sample(range(number), min(number, needs))}
            found.append(make_published(f"b{number} 1.{version}.0", **requires))
    return found


def write_block(directory: Path, what: str, requires: Mapping[str, str] | None = None, main: str = MAIN) -> Path:
    """Write a block's directory and return it."""
    name, version = what.split()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "immtf.yaml").write_text(f"block: {name}\nversion: {version}\nrequires: {json.dumps(requires or {})}\n")
    (directory / "main.tf").write_text(main)
    return directory


def git(directory: Path, *arguments: str) -> str:
    """Run git with nobody's settings, and return what it says."""
    settings = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(directory),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    identity = ("-c", "user.name=eve", "-c", "user.email=eve@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, env=settings, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def commit(directory: Path, *tags: str) -> str:
    """Commit everything, tag it, and return the commit."""
    git(directory, "add", "-A")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "more")
    for tag in tags:
        git(directory, "tag", tag)
    return git(directory, "rev-parse", "HEAD").strip()
