"""The guest's base image: built once per content, found again by a tag that carries the content's digest.

What is built is this package's `base` directory, and beside it the modules that the guest runs as its generator, so that a boot file is
read by the same code in both runtimes. Labs that start side by side build it once: who builds holds a lock. Debian's own image is what
it starts from; where the engine can't pull that, the error names the ways to get it.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import requests

from immtf.errors import LabFailed
from immtf.lab.docker import units
from immtf.lab.guest import boot
from immtf.lab.place import held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FROM = "debian:bookworm-slim"
NAME = "immtf-lab-base"
BASE = Path(__file__).parent / "base"
BUILD_LIMIT_S = 1800.0
SILENCE_LIMIT_S = 300
_TOLD_LINES = 25


def ensure(client: Any, *, progress: Callable[[str], None], clock: Callable[[], float] = time.monotonic, lock: Path | None = None) -> str:
    """Give the tag of the base image, building it if this content's isn't there; `client` is a `docker.DockerClient`.

    Without a boot file it is a bare machine: it also stands for Debian's own machine image, which Packer builds from.

    `progress` is told that a build begins. Not built within `BUILD_LIMIT_S` seconds of `clock`, or at all: `LabFailed` with the end of
    the build's output. `lock` is the file that is held meanwhile (default: one of this user's); whoever waits for it has that time too.
    """
    tag = f"{NAME}:{digest()[:12]}"
    if not _is_there(client, tag):
        progress(f"building the lab's guest image {tag} (once, a minute or two)")
        place = lock or Path(tempfile.gettempdir()) / f"{NAME}-{os.getuid()}.lock"
        try:
            with held(place, BUILD_LIMIT_S, time.monotonic, time.sleep):
                if not _is_there(client, tag):
                    _build(client, tag, clock)
        except TimeoutError:
            what = f"another command has been building the lab's guest image for {BUILD_LIMIT_S:g} s"
            raise LabFailed(what, where=tag, next=f"see who does: fuser {place}") from None
    return tag


def digest() -> str:
    """Give a number for all that the base image is made of but Debian itself."""
    sum_ = hashlib.sha256()
    for name, content in _context_files():
        sum_.update(f"{name}\0{len(content)}\0".encode() + content)
    return sum_.hexdigest()


def _context_files() -> Iterator[tuple[str, bytes]]:
    """Give each file of the build's context; the guest's packages are bare, so that nothing else is imported there."""
    for path in sorted(BASE.rglob("*")):
        if path.is_file():
            yield path.relative_to(BASE).as_posix(), path.read_bytes()
    for module in (boot, units):
        yield "guest/" + module.__name__.replace(".", "/") + ".py", Path(str(module.__file__)).read_bytes()


def _context() -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in _context_files():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _is_there(client: Any, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise LabFailed(f"the Docker engine doesn't tell its images: {error}", next="docker info") from error
    return True


def _build(client: Any, tag: str, clock: Callable[[], float]) -> None:
    until = clock() + BUILD_LIMIT_S
    told: list[str] = []
    output = client.api.build(
        fileobj=_context(),
        custom_context=True,
        tag=tag,
        rm=True,
        forcerm=True,
        decode=True,
        timeout=SILENCE_LIMIT_S,
        labels={"immtf": NAME},
    )
    try:
        for item in output:
            told.append(str(item.get("stream", "") or item.get("error", "")).rstrip())
            if "error" in item:
                raise _failed(client, tag, item["error"], told)
            if clock() > until:
                raise _failed(client, tag, f"it was not done within {BUILD_LIMIT_S:g} s", told)
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise _failed(client, tag, str(error), told) from error
    finally:
        output.close()  # the engine ends a build that nobody listens to


def _failed(client: Any, tag: str, why: str, told: list[str]) -> LabFailed:
    if not _is_there(client, FROM):
        return LabFailed(
            f"the lab's guest image needs {FROM}, which the Docker engine has not and can't pull: {why}",
            where=tag,
            next=f"docker pull {FROM}, or make it where no image registry can be reached:"
            f" debootstrap --variant=minbase bookworm ROOT && tar -C ROOT -c . | docker import - {FROM}",
        )
    end = "\n".join([line for line in told if line][-_TOLD_LINES:])
    return LabFailed(
        f"the lab's guest image can't be built: {why}\n{end}", where=tag, next=f"mend what its output names; the image is made of {BASE}"
    )
