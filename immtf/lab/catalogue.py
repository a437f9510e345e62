"""The images that a lab was given: each directory tree is registered once per family, version and content.

Registering goes through the gateway, as anybody's call would, so that the image has an id and tags that Terraform finds.
"""

from __future__ import annotations

import hashlib
import os
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from immtf.errors import LabFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


DATA_FORMAT = "etc/data-format"
SOURCE_NAME = "debian-12-amd64-lab"  # Debian names its own images so, with a date at the end
UNPROMOTED = "etc/unpromoted"


class Catalogue:
    """Images by family, version and content."""

    def __init__(self, call: Callable[[dict[str, str]], str]) -> None:
        """Register by `call`, which sends a form to EC2 and returns the answer's XML."""
        self._call = call
        self._lock = Lock()
        self._known: dict[tuple[str, str, str], str] = {}

    def register(self, family: str, version: str, tree: Path) -> str:
        """Make `tree` an image, or find that it is one; its id. Refused: `LabFailed`."""
        if not tree.is_dir():
            raise LabFailed("the image's tree is not there", where=str(tree))
        key = (family, version, digest(tree))
        with self._lock:
            if key not in self._known:
                self._known[key] = _image_id(self._call(_form(family, version, key[2], tree)), tree)
            return self._known[key]

    def register_source(self, location: str) -> str:
        """Make a Docker image of the engine's what stands for Debian's own machine image, which Packer builds from; its id."""
        with self._lock:
            return _image_id(self._call(_named(SOURCE_NAME, location, {"Name": SOURCE_NAME})), location)

    def rows(self) -> list[dict[str, str]]:
        """All that were registered."""
        with self._lock:
            return [{"family": family, "version": version, "image_id": image} for (family, version, _), image in self._known.items()]


def digest(tree: Path) -> str:
    """Give a number for the content of a tree: names, modes, links and bytes."""
    sum_ = hashlib.sha256()
    for folder, folders, files in os.walk(tree):
        folders.sort()
        for name in sorted([*files, *folders]):
            path = tree / os.path.relpath(folder, tree) / name
            entry = f"{path.relative_to(tree)}\0{path.lstat().st_mode:o}\0{path.readlink() if path.is_symlink() else ''}\0"
            sum_.update(entry.encode())
            if path.is_file() and not path.is_symlink():
                sum_.update(hashlib.sha256(path.read_bytes()).digest())
    return sum_.hexdigest()


def _form(family: str, version: str, content: str, tree: Path) -> dict[str, str]:
    name = f"{family}-{version}-{content[:12]}"
    tags = {"Name": f"{family}-{version}", "immtf:family": family, "immtf:version": version, **_data_format(tree), **_promotion(tree)}
    return _named(name, str(tree.resolve()), tags)


def _named(name: str, location: str, tags: dict[str, str]) -> dict[str, str]:
    form = {
        "Action": "RegisterImage",
        "Version": "2016-11-15",
        "Name": name,
        "ImageLocation": location,
        "Architecture": "x86_64",
        "VirtualizationType": "hvm",
        "RootDeviceName": "/dev/xvda",
        "TagSpecification.1.ResourceType": "image",
    }
    for number, (key, value) in enumerate(tags.items(), start=1):
        form |= {f"TagSpecification.1.Tag.{number}.Key": key, f"TagSpecification.1.Tag.{number}.Value": value}
    return form


def _data_format(tree: Path) -> dict[str, str]:
    """Return the tag that tells in which format the image keeps its data, where its tree tells one."""
    told = tree / DATA_FORMAT
    return {"immtf:data-format": told.read_text().strip()} if told.is_file() else {}


def _promotion(tree: Path) -> dict[str, str]:
    """Return the tag that lets the image out: a tree is written by a person who wants it run, unless a file in it says otherwise."""
    return {} if (tree / UNPROMOTED).exists() else {"immtf:promoted": "registered by the lab"}


def _image_id(answer: str, where: Path | str) -> str:
    root = ET.fromstring(answer)  # noqa: S314 - the lab's own answer
    texts = {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
    if "imageId" not in texts:
        raise LabFailed(texts.get("Message", "RegisterImage was refused"), where=str(where))
    return texts["imageId"]


def encoded(form: dict[str, str]) -> bytes:
    """Write a form as the body of a request."""
    return urlencode(form).encode()
