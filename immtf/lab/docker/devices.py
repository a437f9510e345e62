"""What makes a volume appear in a guest and vanish from it, as shell scripts for the guest; and which mounts a guest has.

There is no udev in a container, and `/dev` is new at each start: so the node is made from outside, with what udev would have made of it:
the name that was asked for (a guest may know `/dev/sdf` as `/dev/xvdf`, so there are both), the link by the volume's id as on EC2, and the
serial that `lsblk` tells. The links come last: who finds one finds all.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.lab.guest.home import device_name

if TYPE_CHECKING:
    from collections.abc import Iterable

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
UDEV = "/run/udev/data"
_MOUNT_FIELDS = 6


@dataclass(frozen=True, slots=True)
class Attached:
    """A volume in an instance: under which name, as which device, and how a mount of it is known in a mount table.

    `node` is the device's own node, `major` and `minor` its numbers. `root` is "" where a mount has these numbers; where a directory stands
    for the device it is a part of what the mount table tells as the mount's root.
    """

    volume_id: str
    instance_id: str
    device: str
    node: str
    major: int
    minor: int
    root: str = ""

    @property
    def serial(self) -> str:
        """The volume's id as a device tells it."""
        return self.volume_id.replace("-", "")

    @property
    def numbers(self) -> str:
        """Its numbers as a mount table has them."""
        return f"{self.major}:{self.minor}"

    @property
    def condition(self) -> str:
        """What holds for awk on a line of a mount table that is a mount of this volume."""
        return f'index($4, "{self.root}")' if self.root else f'$3 == "{self.numbers}"'

    def is_mounted_by(self, fields: list[str]) -> bool:
        """Whether a line of a mount table, in its fields, is a mount of this volume."""
        return self.root in fields[3] if self.root else fields[2] == self.numbers


def names(device: str) -> tuple[str, ...]:
    """Give each name that a device which was asked for as `device` has in a guest."""
    name = device_name(device)
    return (f"/dev/{name}", f"/dev/sd{name.removeprefix('xvd')}") if name.startswith("xvd") else (f"/dev/{name}",)


def appear_script(volume: Attached) -> str:
    """Return the script that makes a volume's device known in the guest; it may be run again."""
    serial, node = shlex.quote(volume.serial), volume.node
    lines = [
        "set -e",
        f"mkdir -p {UDEV} /dev/disk/by-id",
        f"[ -b {node} ] || mknod -m 0660 {node} b {volume.major} {volume.minor}",
        f"printf 'I:1\\nE:ID_SERIAL_SHORT=%s\\n' {serial} >{UDEV}/b{volume.numbers}",
        *(f"ln -sfn {node} {shlex.quote(name)}" for name in names(volume.device)),
        f"ln -sfn ../..{node.removeprefix('/dev')} {BY_ID}{serial}",
    ]
    return "\n".join([*lines, ""])


def vanish_script(volume: Attached) -> str:
    """Return the script that takes away what `appear_script` made."""
    links = [f"{BY_ID}{shlex.quote(volume.serial)}", *(shlex.quote(name) for name in names(volume.device))]
    return f"rm -f {' '.join(links)} {volume.node} {UDEV}/b{volume.numbers}\n"


def torn_out_script(volume: Attached) -> str:
    """Return the script for a volume that is torn out: it vanishes, its users are killed, and where it was mounted the image waits anew."""
    return (
        vanish_script(volume) + f"for p in $(awk '{volume.condition} {{print $5}}' /proc/1/mountinfo); do\n"
        "  for f in /proc/[0-9]*; do\n"
        '    [ "$f" != /proc/1 ] && readlink "$f/cwd" "$f/exe" "$f"/fd/* 2>/dev/null |\n'
        """      awk -v p="$p" '$0 == p || index($0, p "/") == 1 { found = 1 } END { exit !found }' && kill -KILL "${f#/proc/}"\n"""
        "  done\n"
        '  umount -l "$p"\n'
        '  u="lab-mount$(printf %s "$p" | tr / -).service"\n'
        '  if systemctl --quiet is-active "$u"; then systemctl --no-block restart "$u"; fi\n'
        "done\n"
    )


def frozen_script(volume: Attached, limit_s: int) -> str:
    """Return the script that brings a device's filesystem to rest; it goes on by itself after `limit_s` seconds, whatever happens."""
    return (
        f"p=$(awk '{volume.condition} {{print $5; exit}}' /proc/1/mountinfo)\n"
        '[ -n "$p" ] || exit 0\n'
        f'(sleep {limit_s}; fsfreeze --unfreeze "$p") >/dev/null 2>&1 &\n'
        'fsfreeze --freeze "$p"\n'
    )


def thawed_script(volume: Attached) -> str:
    """Return the script that lets a filesystem go on that was brought to rest."""
    return f'p=$(awk \'{volume.condition} {{print $5; exit}}\' /proc/1/mountinfo)\n[ -z "$p" ] || fsfreeze --unfreeze "$p"\n'


def mounts(mountinfo: str, volumes: Iterable[Attached]) -> dict[str, str]:
    """Read which of a guest's volumes is mounted where."""
    known, found = list(volumes), dict[str, str]()
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) >= _MOUNT_FIELDS:
            found.update((fields[4], volume.volume_id) for volume in known if volume.is_mounted_by(fields))
    return found
