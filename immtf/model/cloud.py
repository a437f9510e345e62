"""What the cloud says of instances and volumes, in AWS's own words, as read at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = frozenset({"terminated", "shutting-down"})


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance; `state` is one of AWS's: pending, running, stopping, stopped, shutting-down, terminated.

    `launched` is when it was last started, in seconds since 1970 by the API's own clock. `architecture` is AWS's word
    for what it runs (`x86_64`, `arm64`), "" where it was not told.
    """

    instance_id: str
    state: str
    image_id: str
    zone: str
    address: str
    tags: Mapping[str, str] = field(default_factory=dict)
    launched: float = 0.0
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume's tie to an instance; `state` is attaching, attached, detaching or busy."""

    instance_id: str
    device: str
    state: str


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume; `state` is creating, available, in-use, deleting, deleted or error; sizes are GiB; `kind` is AWS's type, e.g. gp3.

    `created` is when it was made (as `launched`), `snapshot_id` what from, "" for an empty one.
    """

    volume_id: str
    state: str
    zone: str
    size_gib: int
    attachments: tuple[Attachment, ...] = ()
    kind: str = ""
    created: float = 0.0
    snapshot_id: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface; `state` is AWS's: available, associated, attaching, in-use or detaching.

    `instance_id` and `attachment_id` are "" where it is attached to nothing; `tie` is the attachment's own state, as a volume's.
    """

    interface_id: str
    state: str
    zone: str
    address: str
    instance_id: str = ""
    attachment_id: str = ""
    tie: str = ""


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """A snapshot of a volume: what stood on it when it was `started` (as `launched`); `state` is pending, completed or error."""

    snapshot_id: str
    volume_id: str
    state: str
    started: float
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stray:
    """An instance, a volume or a snapshot, known by nothing but its tags; `state` is AWS's word for it."""

    identity: str
    state: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """The image a run rolls out: its id, and the version that its tags tell, "" for none.

    `promoted` is false for one that was named by its id and was never let out.
    """

    image_id: str
    version: str
    promoted: bool = True
