"""The names of an instance's files, as the runtime outside and the init inside both know them.

instance.json   what the runtime made the instance from
interfaces.json further network interfaces: the address by the index, as the runtime gives and takes them
status.json     what the init says of itself: mount table and states of services (replaced atomically)
started-once    there as soon as user data has been begun with: it is never run a second time
root/           the root disk
dev/xvdf/       an attached volume, moved here while it is attached: identity, lock, superblock and fs/
under/          what an image holds at a mount point while a volume covers it
bin/            shims that come first in PATH
jobs/           commands being carried out
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LAB_MARK = "IMMTF_LAB"
INSTANCE_MARK = "IMMTF_INSTANCE"
"""Names in the environment of everything that runs in a lab: by them whatever is left of one is found."""


@dataclass(frozen=True, slots=True)
class Home:
    """An instance's directory."""

    path: Path

    @property
    def root(self) -> Path:
        """Where the guest's `/` is."""
        return self.path / "root"

    @property
    def dev(self) -> Path:
        """The devices that are attached, each a volume's directory under its device's name."""
        return self.path / "dev"

    @property
    def under(self) -> Path:
        """What mounts cover."""
        return self.path / "under"

    @property
    def bin(self) -> Path:
        """The shims."""
        return self.path / "bin"

    @property
    def jobs(self) -> Path:
        """Commands being carried out."""
        return self.path / "jobs"

    @property
    def instance(self) -> Path:
        """What the instance was made from."""
        return self.path / "instance.json"

    @property
    def interfaces(self) -> Path:
        """The further network interfaces."""
        return self.path / "interfaces.json"

    @property
    def user_data(self) -> Path:
        """The user data as it was given."""
        return self.path / "user-data"

    @property
    def started_once(self) -> Path:
        """The mark that user data was begun with."""
        return self.path / "started-once"

    @property
    def status(self) -> Path:
        """What the init says of itself."""
        return self.path / "status.json"

    def guest_path(self, path: str) -> Path:
        """Where a path of the guest is on this machine."""
        return self.root / path.lstrip("/")


def device_name(device: str) -> str:
    """Give the one name a device has in the guest: `/dev/sdf`, `/dev/xvdf` and `xvdf` are all `xvdf`."""
    name = device.removeprefix("/dev/")
    return "xvd" + name[2:] if name.startswith("sd") else name


def write_json(path: Path, value: object) -> None:
    """Replace a file in one step, so that a reader sees the old content or the new one."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(value), encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 - the atomic call itself is what is meant


def read_json(path: Path) -> dict[str, Any]:
    """Read an object; absent or half made is an empty one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
