"""What makes a volume appear in a guest and vanish from it, as shell scripts for the guest; and which mounts a guest has.

There is no udev in a container, and `/dev` is new at each start: so the node is made from outside, with what udev would have made of it:
the name that was asked for (a guest may know `/dev/sdf` as `/dev/xvdf`, so there are both), the link by the volume's id as on EC2, and the
serial that `lsblk` tells. The links come last: who finds one finds all.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from immtf.lab.docker.loops import MAJOR
from immtf.lab.guest.home import device_name

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
UDEV = "/run/udev/data"
_MOUNT_FIELDS = 6


def names(device: str) -> tuple[str, ...]:
    """Give each name that a device which was asked for as `device` has in a guest."""
    name = device_name(device)
    return (f"/dev/{name}", f"/dev/sd{name.removeprefix('xvd')}") if name.startswith("xvd") else (f"/dev/{name}",)


def appear_script(number: int, volume_id: str, device: str) -> str:
    """Return the script that makes loop device `number` known in the guest as `device`; it may be run again."""
    serial = shlex.quote(volume_id.replace("-", ""))
    node = f"/dev/loop{number}"
    lines = [
        "set -e",
        f"mkdir -p {UDEV} /dev/disk/by-id",
        f"[ -b {node} ] || mknod -m 0660 {node} b {MAJOR} {number}",
        f"printf 'I:1\\nE:ID_SERIAL_SHORT=%s\\n' {serial} >{UDEV}/b{MAJOR}:{number}",
        *(f"ln -sfn {node} {shlex.quote(name)}" for name in names(device)),
        f"ln -sfn ../../loop{number} {BY_ID}{serial}",
    ]
    return "\n".join([*lines, ""])


def vanish_script(number: int, volume_id: str, device: str) -> str:
    """Return the script that takes away what `appear_script` made."""
    serial = shlex.quote(volume_id.replace("-", ""))
    links = [f"{BY_ID}{serial}", *(shlex.quote(name) for name in names(device))]
    return f"rm -f {' '.join(links)} /dev/loop{number} {UDEV}/b{MAJOR}:{number}\n"


def torn_out_script(number: int, volume_id: str, device: str) -> str:
    """Return the script for a volume that is torn out: it vanishes, its users are killed, and where it was mounted the image waits anew."""
    return (
        vanish_script(number, volume_id, device) + f"for p in $(awk '$3 == \"{MAJOR}:{number}\" {{print $5}}' /proc/1/mountinfo); do\n"
        "  for f in /proc/[0-9]*; do\n"
        '    [ "$f" != /proc/1 ] && readlink "$f/cwd" "$f/exe" "$f"/fd/* 2>/dev/null |\n'
        """      awk -v p="$p" '$0 == p || index($0, p "/") == 1 { found = 1 } END { exit !found }' && kill -KILL "${f#/proc/}"\n"""
        "  done\n"
        '  umount -l "$p"\n'
        '  u="lab-mount$(printf %s "$p" | tr / -).service"\n'
        '  if systemctl --quiet is-active "$u"; then systemctl --no-block restart "$u"; fi\n'
        "done\n"
    )


def frozen_script(number: int, limit_s: int) -> str:
    """Return the script that brings a device's filesystem to rest; it goes on by itself after `limit_s` seconds, whatever happens."""
    return (
        f"p=$(awk '$3 == \"{MAJOR}:{number}\" {{print $5; exit}}' /proc/1/mountinfo)\n"
        '[ -n "$p" ] || exit 0\n'
        f'(sleep {limit_s}; fsfreeze --unfreeze "$p") >/dev/null 2>&1 &\n'
        'fsfreeze --freeze "$p"\n'
    )


def thawed_script(number: int) -> str:
    """Return the script that lets a filesystem go on that was brought to rest."""
    return f'p=$(awk \'$3 == "{MAJOR}:{number}" {{print $5; exit}}\' /proc/1/mountinfo)\n[ -z "$p" ] || fsfreeze --unfreeze "$p"\n'


def mounts(mountinfo: str, volumes: Mapping[int, str]) -> dict[str, str]:
    """Read which volume is mounted where: `volumes` tells the volume behind each loop device by its number."""
    found: dict[str, str] = {}
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) < _MOUNT_FIELDS:
            continue
        major, _, minor = fields[2].partition(":")
        if major == str(MAJOR) and minor.isdigit() and int(minor) in volumes:
            found[fields[4]] = volumes[int(minor)]
    return found
