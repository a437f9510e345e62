"""What the cloud says of instances and volumes, in AWS's own words, as read at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = frozenset({"terminated", "shutting-down"})


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance; `state` is one of AWS's: pending, running, stopping, stopped, shutting-down, terminated."""

    instance_id: str
    state: str
    image_id: str
    zone: str
    address: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume's tie to an instance; `state` is attaching, attached, detaching or busy."""

    instance_id: str
    device: str
    state: str
    delete_on_termination: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume; `state` is creating, available, in-use, deleting, deleted or error; sizes are GiB."""

    volume_id: str
    state: str
    zone: str
    size_gib: int
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """The image a run rolls out: its id, and the version that its tags tell ("" where an id was given)."""

    image_id: str
    version: str
