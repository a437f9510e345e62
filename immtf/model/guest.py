"""What an instance says of itself from within: its image version, and what is mounted where with which identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Mark:
    """The sentinel on a data volume: which volume and filesystem it was written on, and whose it is.

    It carries its own proof: a mark that names another volume, another filesystem or another node than the one it is
    found on tells that the data are not where they belong. So nothing has to be remembered between two runs.
    """

    block: str
    cluster: str
    node: str
    volume: str
    filesystem: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point's state. `filesystem` is the filesystem's UUID; `serial` the volume behind the device, where the device tells."""

    path: str
    mounted: bool
    source: str = ""
    kind: str = ""
    filesystem: str = ""
    serial: str = ""
    mark: Mark | None = None
    mark_problem: str = ""


@dataclass(frozen=True, slots=True)
class GuestFacts:
    """The facts of one instance; `problem` says why they could not be read, and then nothing else holds.

    `statuses` is what the image says of volumes that it doesn't mount, in a word each, by the volume's serial (its id without dashes).
    """

    problem: str = ""
    mounts: tuple[Mount, ...] = field(default=())
    statuses: Mapping[str, str] = field(default_factory=dict)

    def mount(self, path: str) -> Mount | None:
        """Return the facts of one mount point, or None where it was not asked for."""
        return next((mount for mount in self.mounts if mount.path == path), None)

    def status(self, volume_id: str) -> str:
        """Return the image's word for a volume that it doesn't mount (`blank`, `recovering`), or "" where it says none."""
        return self.statuses.get(volume_id.replace("-", ""), "")
