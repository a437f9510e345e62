"""What a guest says of itself: which services its image has, and how they are; read from systemd."""

from __future__ import annotations

from immtf.lab.docker.units import TARGET

_SEPARATOR = "@@units"
USER_DATA = ("cloud-init-local.service", "cloud-init.service", "cloud-config.service", "cloud-final.service")

SCRIPT = f"""\
cat /proc/1/mountinfo
echo {_SEPARATOR}
set -f
units=$(cd /run/systemd/generator/{TARGET}.wants 2>/dev/null && ls | grep -v -e '^lab-mount-' -e '^lab-interface-')
exec systemctl show --property=Id,ActiveState,SubState,Job $units {" ".join(USER_DATA)} 2>/dev/null
"""
"""Prints the mount table of the guest's init, then the units of the image's boot file, where it has one, and those of cloud-init."""


def read(said: str) -> tuple[str, dict[str, str]]:
    """Give the mount table, and the state of each service; user data is told of only where it failed."""
    mountinfo, _, units = said.partition(f"{_SEPARATOR}\n")
    services: dict[str, str] = {}
    for block in units.strip().split("\n\n"):
        facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit = facts.get("Id", "")
        if unit in USER_DATA:
            if facts.get("ActiveState") == "failed":
                services["user-data"] = "failed"
        elif unit:
            services[unit.removesuffix(".service")] = state(facts)
    return mountinfo, services


def state(facts: dict[str, str]) -> str:
    """Say in the lab's words how a unit is."""
    match facts.get("ActiveState", ""), facts.get("SubState", ""):
        case "active", _:
            return "running"
        case "activating", "auto-restart":
            return "restarting"
        case "failed", _:
            return "failed"
        case _:
            return "waiting"
