"""A mirror of a root module's surroundings in which generated files stand beside the user's configuration, which is never edited.

```
common ancestor/                 destination/
  terraform/                       terraform/            a directory of its own, as it lies on the way
    modules/                         modules -> …        a link
    blocks/consul/                   blocks/consul/      a directory of its own: Terraform works here
      main.tf                          main.tf -> …
                                       immtf_override.tf.json
```
The common ancestor is the git top level, or higher where the configuration's local modules reach higher. Several root modules may share
a destination: where another one's directory stands in place of a link, it stays. What Terraform makes in the mirror (`.terraform`,
state) is no link and is never touched. A mirror that was cut off in the middle is completed by making it again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.hcl import local_sources
from immtf.adapters.terraform.overrides import ADDITION, OVERRIDE, generated_files
from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEVER = frozenset({".terraform", ".git", ".immtf", OVERRIDE, ADDITION})
_LOCK = ".terraform.lock.hcl"


def mirror(root_module: Path, destination: Path, *, override: Mapping[str, Any] | None) -> Path:
    """Make or refresh the mirror of a root module and return the directory to run Terraform in.

    `override` is the content of the override file (see `overrides.lab_override`); None makes a mirror without one. May be repeated.
    Raises `ImmtfError` where the root module is no directory or something that is no link stands where a link belongs.
    """
    root = root_module.resolve()
    if not root.is_dir():
        raise ImmtfError("there is no such root module", where=str(root_module))
    top = common_ancestor(root)
    place = destination.resolve()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = top
    for step in root.relative_to(top).parts:
        _refresh(source, place, keep=step)
        source, place = source / step, place / step
        _own_directory(place)
    _refresh(root, place, keep="")
    _copy_lock(root, place)
    _generate(root, place, override)
    return place


def common_ancestor(root_module: Path) -> Path:
    """Return the lowest directory that holds the root module, its git top level and every local module it calls, directly or not."""
    root = root_module.resolve()
    git = next((directory for directory in (root, *root.parents) if (directory / ".git").exists()), root)
    return Path(os.path.commonpath([git, *_modules(root)]))


def _modules(root: Path) -> set[Path]:
    """Return the root module's directory and those of all local modules below it."""
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        module = waiting.pop()
        if module not in seen and module.is_dir():
            seen.add(module)
            waiting.extend((module / source).resolve() for source in local_sources(module))
    return seen


def _wanted(source: Path) -> dict[str, Path]:
    return {entry.name: entry for entry in source.iterdir() if entry.name not in _NEVER and ".tfstate" not in entry.name}


def _refresh(source: Path, place: Path, *, keep: str) -> None:
    """Link every entry of `source` but `keep` and the lock file, and remove links whose original is gone."""
    wanted = {name: entry for name, entry in _wanted(source).items() if name not in {keep, _LOCK}}
    for name, entry in wanted.items():
        _link(entry, place / name)
    for entry in place.iterdir():
        if entry.is_symlink() and entry.name not in wanted:
            entry.unlink()


def _link(original: Path, link: Path) -> None:
    if link.is_symlink():
        if link.readlink() == original:
            return
    elif link.is_dir():  # another root module's own directory in the same destination
        return
    elif link.exists():
        raise ImmtfError(
            "a file stands where the mirror wants a link", where=str(link), next="move it away; a mirror holds nothing of one's own"
        )
    fresh = link.with_name(f".immtf-{link.name}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(original)
    fresh.replace(link)


def _own_directory(place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    place.mkdir(exist_ok=True)


def _copy_lock(root: Path, place: Path) -> None:
    """Copy the lock file where the original is newer: `init` in the mirror may add to its own."""
    original, copy = root / _LOCK, place / _LOCK
    if original.is_file() and (not copy.exists() or original.stat().st_mtime_ns > copy.stat().st_mtime_ns):
        fresh = place / f".immtf-{_LOCK}"
        shutil.copyfile(original, fresh)
        fresh.replace(copy)


def _generate(root: Path, place: Path, override: Mapping[str, Any] | None) -> None:
    documents = generated_files(root, override) if override is not None else {}
    for name in (OVERRIDE, ADDITION):
        if name in documents:
            _write(place / name, documents[name])
        else:
            (place / name).unlink(missing_ok=True)


def _write(path: Path, document: Mapping[str, Any]) -> None:
    fresh = path.with_name(f".immtf-{path.name}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as to:
        json.dump(document, to, indent=2, sort_keys=True)
    fresh.replace(path)
