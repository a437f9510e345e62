"""Volumes as directories, where loop devices can't be had: an attached one is moved to what its instance sees, and moved away again.

A guest finds a node of a block device that nothing drives, and before its tools for devices the lab's own (`shim`), which know what lies
behind it: a file that they judge, check and make filesystems in with the system's tools, and a directory that they mount by binding it. So
an image's own script runs as it is, and a blank volume, another filesystem and a damaged one are what they are on a device.

Whether a volume is in use is asked in its guest: a mount of it in any namespace, or anything of it that a process has open.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from immtf.lab.docker import devices
from immtf.lab.docker.devices import Attached
from immtf.lab.docker.directories import GIVEN
from immtf.lab.docker.volumes import SIZE, Furnishing, Teller

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

MAJOR = 60
"""One of the numbers that are kept free for local use: no driver of the machine's answers for the nodes."""
MINORS = 1 << 16
SEEN = "/run/immtf-lab/volumes"
SHIM = Path(__file__).parent / "shim" / "volume-tool"
PLACE = "usr/local/bin"
TOOLS = ("blkid", "dd", "dumpe2fs", "e2fsck", "findmnt", "fsck.ext4", "head", "lsblk", "mkfs.ext4", "mount")
CLEANED = f"for n in {' '.join(TOOLS)}; do ! grep -qs immtf-lab-volume-tool /{PLACE}/$n || rm /{PLACE}/$n; done"
"""Takes the lab's tools out of an image that is made of an instance."""


class Shelves(Protocol):
    """Where the directories are; see `immtf.lab.docker.store.Store`."""

    def source(self, instance_id: str) -> str:
        """Make the directory of what an instance sees; its path for the engine."""

    def act(self, name: str, *words: str) -> None:
        """Do one act of `immtf.lab.docker.directories`."""


class Guests(Teller, Protocol):
    """The running guests."""

    def paused(self, instance_id: str) -> AbstractContextManager[None]:
        """Nothing runs in the guest meanwhile."""


class DirectoryMedium:
    """Volumes as directories that are moved."""

    def __init__(self, shelves: Shelves, guests: Guests) -> None:
        """Keep the content on `shelves`; `guests` are asked whether they use it."""
        self._shelves = shelves
        self._guests = guests
        self._minors: dict[str, int] = {}

    def furnish(self, instance_id: str) -> Furnishing:
        """Let a guest see the directory that its volumes are moved to, and have the lab's tools."""
        tool = SHIM.read_bytes()
        return Furnishing((f"{self._shelves.source(instance_id)}:{SEEN}",), {f"{PLACE}/{name}": tool for name in TOOLS})

    def make(self, name: str) -> None:
        """Make a blank volume."""
        self._shelves.act("make", name, str(SIZE))

    def copy(self, source: str, target: str) -> None:
        """Copy a volume's content."""
        self._shelves.act("copy", source, target)

    def remove(self, name: str) -> None:
        """Remove a volume; absent is good."""
        self._shelves.act("remove", name)

    def give(self, volume_id: str, instance_id: str, device: str) -> Attached:
        """Move the volume to an instance."""
        self._shelves.act("give", volume_id, instance_id)
        minor = self._minors.setdefault(volume_id, len(self._minors) % MINORS)
        root = f"/{GIVEN}/{instance_id}/{volume_id}/"
        return Attached(volume_id, instance_id, device, node=f"/dev/{volume_id}", major=MAJOR, minor=minor, root=root)

    def take(self, attached: Attached, *, force: bool) -> bool:
        """Move the volume away; false where it is in use, or nobody can tell, and that isn't forced. One that is torn out is copied."""
        if not self._guests.tell(attached.instance_id, left_script(attached)):
            self._shelves.act("take", attached.volume_id)
            return True
        if not force:
            self._guests.tell(attached.instance_id, devices.appear_script(attached))
            return False
        self._guests.tell(attached.instance_id, devices.torn_out_script(attached))
        self._shelves.act("carry_off", attached.volume_id)
        return True

    @contextmanager
    def at_rest(self, attached: Attached) -> Iterator[None]:
        """Keep the volume as of one moment: nothing of its guest runs meanwhile. It can't be halted: `RuntimeFailed`."""
        with self._guests.paused(attached.instance_id):
            yield


def left_script(attached: Attached) -> str:
    """Return the script that makes a volume's node vanish and ends with 0, where nothing in the guest uses the volume; else with 9."""
    links = " ".join(f"/proc/[0-9]*/{name}" for name in ("fd/*", "cwd", "exe", "root"))
    lines = [
        "used() {",
        f"  cat /proc/[0-9]*/mountinfo 2>/dev/null | awk '{attached.condition} {{ found = 1 }} END {{ exit !found }}' && return 0",
        f"  [ -d {SEEN}/{attached.volume_id} ] || return 1",
        f"  files=$(find {SEEN}/{attached.volume_id} -printf '%D:%i\\n') || return 0",
        f'  {{ printf "%s\\n--\\n" "$files"; find -L {links} -maxdepth 0 -printf "%D:%i\\n" 2>/dev/null; }} |',
        "    awk '/^--$/ { open = 1; next } !open { of[$0] = 1 } open && of[$0] { found = 1 } END { exit !found }'",
        "}",
        "if used; then exit 9; fi",
        devices.vanish_script(attached) + "if used; then exit 9; fi",
    ]
    return "\n".join([*lines, ""])
