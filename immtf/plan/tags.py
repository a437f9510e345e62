"""What the names of tags and the labels of images tell of blocks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from immtf.model.container import BLOCK, DIGEST, REQUIRES, VERSION
from immtf.model.published import Published, Unread
from immtf.plan.versions import Version, VersionInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.model.published import Place


def tagged(tag: str) -> tuple[str, str] | None:
    """Return the block's name and version that a git tag tells; None where it is no version's.

    `consul/1.2.0`, `consul-1.2.0` and `consul-v1.2.0` are consul 1.2.0; `v1.2.0` and `1.2.0` name no block (""). What stands before the
    block's name and a slash is nobody's business here.
    """
    head, _, last = tag.rpartition("/")
    name = head.rpartition("/")[2]
    if _is_version(last):
        return name, last.removeprefix("v")
    for place, mark in enumerate(last):
        if mark == "-" and _is_version(last[place + 1 :]):
            return last[:place], last[place + 1 :].removeprefix("v")
    return None


def meant(tag: str) -> str:
    """Return the block that a tag without a readable version may be of: what stands before its last slash, or before its last dash."""
    head, slash, last = tag.rpartition("/")
    return head.rpartition("/")[2] if slash else last.rpartition("-")[0]


def labelled(labels: Mapping[str, str], place: Place, digest: str) -> Published | Unread | None:
    """Return what the labels of an image tell of the block in it; None where they say that there is none."""
    name, version = labels.get(BLOCK, ""), labels.get(VERSION, "")
    if not name:
        return None
    if not version:
        return Unread(str(place), f"has no label {VERSION}", name)
    if REQUIRES not in labels and DIGEST not in labels:  # immtf's own builder leaves it out where nothing is required
        return Unread(str(place), f"doesn't tell what it requires: it has no label {REQUIRES}", name, version)
    try:
        requires = json.loads(labels.get(REQUIRES) or "{}")
    except ValueError:
        requires = None
    if not isinstance(requires, dict) or not all(isinstance(text, str) for text in requires.values()):
        return Unread(str(place), f"its label {REQUIRES} is no JSON of names and constraints", name, version)
    told = tagged(place.revision)
    if told is not None and told[0] in {"", name} and not _same(told[1], version):
        return Unread(str(place), f"its tag says version {told[1]}, and its label {version}", name, version)
    return Published(name, version, requires, place, digest)


def _is_version(text: str) -> bool:
    if not text.removeprefix("v")[:1].isdigit():
        return False
    try:
        Version.parse(text)
    except VersionInvalid:
        return False
    return True


def _same(one: str, other: str) -> bool:
    """Return whether two versions are the same; a tag can't hold the `+` of a version."""
    try:
        return Version.parse(one) == Version.parse(other.partition("+")[0])
    except VersionInvalid:
        return False
