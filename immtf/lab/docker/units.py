"""The systemd units of an image tree's boot file: what `immtf.lab.guest` does on loopback addresses, systemd does in a container.

This module is carried in the guest's base image and run there as a generator, at every boot, with the standard library only. A mount is a
oneshot service that lasts until its volume is there, and so is a further network interface until its address is. A service requires those
that it names, comes after them, and is started again when it ends. All of them come after user data, and nothing comes after them, so that
a guest is up while its volume is away.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.lab.guest.boot import BOOT_FILE, BootInvalid, BootPlan, filled_in, read_boot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from immtf.lab.guest.boot import Mount, ServiceSpec

META_DATA = "var/lib/cloud/seed/nocloud/meta-data"
MOUNT_SCRIPT = "/usr/lib/immtf-lab/mount"
TARGET = "lab.target"
RESTART_PAUSE_S = 1
QUICK_ENDS = 10
QUICK_S = 60
UNMOUNT_S = 30
_INTERFACE = "interface:"
_FILLED_LATER = "@immtf-lab-address-{}@"


def mount_unit(path: str) -> str:
    """Name the unit that mounts a path."""
    return f"lab-mount{path.replace('/', '-')}.service"


def interface_unit(index: int | str) -> str:
    """Name the unit that waits for a further network interface."""
    return f"lab-interface-{index}.service"


def address_file(index: int | str) -> str:
    """Give the place of the file that is there as long as an interface is; it tells the address as an environment file does."""
    return f"/run/immtf-lab/interface-{index}"


def address_variable(index: int | str) -> str:
    """Name the variable in that file."""
    return f"IMMTF_LAB_ADDRESS_{index}"


def units(plan: BootPlan, values: dict[str, str]) -> dict[str, str]:
    """Write the units, by name; `values` are filled into the services' commands."""
    written = {mount_unit(mount.path): _mount(mount, plan.mounts) for mount in plan.mounts}
    written |= {interface_unit(index): _interface(index) for service in plan.services for index in _interfaces(service)}
    return written | {f"{service.name}.service": _service(service, values) for service in plan.services}


def _interfaces(service: ServiceSpec) -> list[str]:
    return [name.removeprefix(_INTERFACE) for name in service.after if name.startswith(_INTERFACE)]


def _interface(index: str) -> str:
    """Write the unit of an interface: it is active while the address is there, and starts anew, with what needs it, when it goes."""
    command = _line(["/bin/sh", "-c", f"until [ -e {address_file(index)} ]; do sleep 0.3; done"])
    return _text(
        {
            "Unit": [f"Description=Network interface {index}", "After=cloud-final.service"],
            "Service": ["Type=oneshot", "RemainAfterExit=yes", "TimeoutStartSec=infinity", f"ExecStart={command}"],
        }
    )


def _mount(mount: Mount, others: Sequence[Mount]) -> str:
    above = [mount_unit(other.path) for other in others if mount.path.startswith(f"{other.path}/")]
    command = _line([MOUNT_SCRIPT, mount.device, mount.path, f"{mount.check_s:g}"])
    return _text(
        {
            "Unit": [f"Description=Volume at {mount.path}", "After=cloud-final.service", *_after(above)],
            "Service": [
                "Type=oneshot",
                "RemainAfterExit=yes",
                "TimeoutStartSec=infinity",
                f"TimeoutStopSec={UNMOUNT_S}",
                f"ExecStart={command}",
                f"ExecStop=-{_line(['/bin/umount', mount.path])}",
            ],
        }
    )


def _service(service: ServiceSpec, values: dict[str, str]) -> str:
    grounds = [_unit(name) for name in service.after]
    interfaces = _interfaces(service)
    command = _line(filled_in(service.command, values | {f"address:{index}": _FILLED_LATER.format(index) for index in interfaces}))
    for index in interfaces:
        command = command.replace(_FILLED_LATER.format(index), f"${{{address_variable(index)}}}")
    return _text(
        {
            "Unit": [
                f"Description={service.name}",
                "After=cloud-final.service",
                *_after(grounds),
                f"StartLimitIntervalSec={QUICK_S}",
                f"StartLimitBurst={QUICK_ENDS}",
            ],
            "Service": [
                *(f"EnvironmentFile=-{address_file(index)}" for index in interfaces),
                f"ExecStart={command}",
                "Restart=always",
                f"RestartSec={RESTART_PAUSE_S}",
                f"TimeoutStopSec={service.grace_s:g}",
            ],
        }
    )


def _unit(name: str) -> str:
    """Name the unit of what a service comes after."""
    if name.startswith("/"):
        return mount_unit(name)
    return interface_unit(name.removeprefix(_INTERFACE)) if name.startswith(_INTERFACE) else f"{name}.service"


def _after(grounds: Sequence[str]) -> Iterator[str]:
    """Come after others: a mount or an interface has to hold; another service has to have been started."""
    for name in grounds:
        yield f"After={name}"
        yield f"{'Requires' if name.startswith(('lab-mount', 'lab-interface')) else 'Wants'}={name}"


def _line(words: Sequence[str]) -> str:
    """Write a command as systemd reads it: each word in quotes, nothing in it a specifier or a variable."""
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"' for word in words)


def _text(sections: dict[str, list[str]]) -> str:
    return "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())


def generate(root: Path, target: Path) -> None:
    """Read the boot file of the guest whose `/` is `root`, and write its units into `target`; no boot file, no units."""
    boot = root / BOOT_FILE
    if not boot.exists():
        return
    meta = json.loads((root / META_DATA).read_text(encoding="utf-8"))
    values = {"root": "", "address": str(meta.get("local-ipv4", "")), "instance_id": str(meta.get("instance-id", ""))}
    written = units(read_boot(boot.read_text(encoding="utf-8")), values)
    wants = target / f"{TARGET}.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (target / name).write_text(text, encoding="utf-8")
        (wants / name).symlink_to(target / name)


def main(arguments: Sequence[str]) -> int:
    """`TARGET [ROOT]`: generate for the running system, or the one below ROOT; what is wrong is told on stderr, and ends with 1."""
    try:
        generate(Path(arguments[1] if arguments[1:] else "/"), Path(arguments[0]))
    except (BootInvalid, OSError, ValueError) as error:
        sys.stderr.write(f"/{BOOT_FILE}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
