"""Building a block's own image: its files as the build's context, by their content alone, so that the same block gives the same digest.

Times, owners and a checkout's own modes don't come along: everyone may read what is in the image, whoever it is run as, and
Terraform may be initialised in the root module.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from immtf.adapters.docker.connection import told
from immtf.adapters.terraform.hcl import local_sources
from immtf.errors import ContainerFailed, UsageError
from immtf.model.block import TestinfraGate
from immtf.model.container import BASE, DIGEST
from immtf.plan.block_image import comes_along

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.model.block import Block
    from immtf.plan.block_image import Recipe

DOCKERFILE = ".immtf.Dockerfile"
BUILD_LIMIT_S = 600
WRITABLE = 0o1777
_OUTSIDE = re.compile(r'"\$\{path\.(?:module|root)\}/((?:\.\./)+[^"$*]*)')


def needed_by(block: Block) -> frozenset[Path]:
    """Return what a block refers to: local modules, files that they name beside themselves, the lab's images and tests of nodes."""
    tests = [gate.tests for cluster in block.clusters.values() for gate in cluster.gates if isinstance(gate, TestinfraGate)]
    found = {path for path in [*tests, *([block.lab.images] if block.lab and block.lab.images else [])] if path.exists()}
    modules: set[Path] = set()
    waiting = [block.terraform.resolve()]
    while waiting:
        module = waiting.pop()
        if module in modules:
            continue
        if not module.is_dir():
            raise UsageError("a module of the block is not there", where=str(module), next="`terraform init` in its directory tells which")
        modules.add(module)
        waiting.extend((module / source).resolve() for source in local_sources(module))
        for path in module.glob("*.tf"):
            named = ((module / name).resolve() for name in _OUTSIDE.findall(path.read_text(errors="replace")))
            found.update(place for place in named if place.exists())
    return frozenset(modules | found)


def pack(recipe: Recipe, base_id: str) -> tuple[IO[bytes], str, int]:
    """Return what an image is built from as a tar, the digest of the block in it, and of how many files that is. Close it."""
    made = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
    try:
        digest, count = _fill(made, recipe, base_id)
    except BaseException:
        made.close()
        raise
    made.seek(0)
    return made, digest, count


def _fill(made: IO[bytes], recipe: Recipe, base_id: str) -> tuple[str, int]:
    digest, count = hashlib.sha256(), 0
    with tarfile.open(fileobj=made, mode="w") as tar:
        for path in files_of(recipe):
            entry = _entry(tar, path, str(path.relative_to(recipe.tree)))
            entry.mode = WRITABLE if path == recipe.block.terraform else entry.mode
            content = path.read_bytes() if entry.isreg() else b""
            entry.size = len(content)
            digest.update(f"{entry.name}\0{entry.mode:o}\0{entry.linkname}\0{entry.size}\0".encode() + content)
            tar.addfile(entry, io.BytesIO(content))
            count += entry.isreg()
        text = recipe.dockerfile([(DIGEST, digest.hexdigest()), (BASE, base_id)]).encode()
        last = tarfile.TarInfo(DOCKERFILE)
        last.size = len(text)
        tar.addfile(last, io.BytesIO(text))
    return digest.hexdigest(), count


def build(client: Any, tag: str, packed: IO[bytes]) -> str:
    """Build the image, tag it, and return its id. Raises `ContainerFailed` with the builder's own words."""
    settings = {"custom_context": True, "dockerfile": DOCKERFILE, "rm": True, "forcerm": True, "timeout": BUILD_LIMIT_S, "decode": True}
    with told(f"image {tag} can't be built"), closing(client.build(fileobj=packed, tag=tag, **settings)) as rows:
        for row in rows:
            if "error" in row:
                raise ContainerFailed(f"image {tag} can't be built: {row['error']}")
    with told(f"image {tag} can't be looked at"):
        return str(client.inspect_image(tag)["Id"])


def files_of(recipe: Recipe) -> Iterator[Path]:
    """Go through the files, links and directories that come along, always in the same order."""
    for part in recipe.parts:
        if part.is_file() or part.is_symlink():
            yield part
            continue
        for folder, folders, files in os.walk(part):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            folders[:] = sorted(name for name in folders if comes_along(name) and name not in links)
            yield Path(folder)
            yield from (Path(folder, name) for name in sorted([*files, *links]) if comes_along(name))


def _entry(tar: tarfile.TarFile, path: Path, name: str) -> tarfile.TarInfo:
    try:
        entry = tar.gettarinfo(path, arcname=name)
    except OSError as error:
        raise UsageError(f"can't be read: {error.strerror}", where=str(path)) from error
    if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
        raise UsageError("neither a file nor a directory nor a link", where=str(path), next="take it out of the block's directory")
    if entry.islnk():  # one file under two names: both have its content
        entry.type, entry.linkname = tarfile.REGTYPE, ""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def refuse_other(client: Any, tag: str, digest: str, base_id: str, *, force: bool) -> str | None:
    """Return the id of the image that has this tag and this very content; None where there is none, or it may be replaced.

    Raises `ImmtfError` where another image has the tag, unless `force`.
    """
    from docker.errors import ImageNotFound

    from immtf.errors import ImmtfError

    with told(f"image {tag} can't be looked at"):
        try:
            found = client.inspect_image(tag)
        except ImageNotFound:
            return None
    labels = (found.get("Config") or {}).get("Labels") or {}
    if labels.get(DIGEST) == digest and labels.get(BASE) == base_id:
        return str(found["Id"])
    if force:
        return None
    what = "another block's files" if labels.get(DIGEST) != digest else "the same files on another base image"
    raise ImmtfError(
        f"there is an image {tag} already, with {what}",
        where=found["Id"][:19],
        next="give the block a new version in its immtf.yaml, or replace the image: --force",
    )
