"""What an instance does with the volume that it finds, by the contract of images: it formats nothing unless it is told to.

A blank volume waits for a first-boot mark that names it; one whose filesystem has to be checked takes its time first. The image kind
`formats` is one that breaks the contract. What the image says of the volume (`status`) and the marks lie in `/run`: gone with the boot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.simulation import SimInstance, SimVolume, SimWorld

BLANK, RECOVERING = "blank", "recovering"


@dataclass
class RunDirectory:
    """What lies in an instance's `/run/immtf`: its word for the volume that it doesn't mount, and the marks given to it."""

    status: str = ""
    first_boot: set[str] = field(default_factory=set)


@dataclass
class SimSnapshot:
    """A snapshot: what stood on its volume, and what the API tells of it."""

    snapshot_id: str
    volume_id: str
    started: float
    filesystem: str
    tags: dict[str, str]
    state: str = "pending"

    def complete(self) -> None:
        """Be whole, unless it went wrong meanwhile."""
        self.state = "completed" if self.state == "pending" else self.state


def take_in(sim: SimWorld, item: SimInstance, volume: SimVolume, *, formats: bool) -> bool:
    """Mount the volume if that may be; return whether it is mounted."""
    told = not volume.filesystem and volume.volume_id in item.run.first_boot
    if formats or told:
        volume.filesystem, volume.mark, volume.identity = sim.new_id("fs"), "", sim.new_id("server")
        item.run.first_boot.discard(volume.volume_id)
    if not volume.filesystem:
        item.run.status = BLANK
    elif volume.fsck_s and item.run.status != RECOVERING:
        item.run.status, run = RECOVERING, item.run
        sim.clock.after(volume.fsck_s, lambda: _checked(item, volume, run))
    elif not volume.fsck_s:
        item.run.status, item.mounted = "", True
    return item.mounted


def _checked(item: SimInstance, volume: SimVolume, run: RunDirectory) -> None:
    """End a check, unless the instance was stopped in the middle of it."""
    if item.run is run:
        volume.fsck_s = 0.0
