"""What an image tells the init: `etc/lab/boot.json`, read and judged as a whole before anything is started.

A mount names a device and a path; a service names what it comes after: mount points, other services, or `interface:N`, a further
network interface (N from 1), whose address is `{address:N}` in its command. Every mistake is found at once, also an order that can
never come true, so that a service is never left waiting for nothing that could be known beforehand.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

BOOT_FILE = "etc/lab/boot.json"
STOP_GRACE_S = 20.0
"""How long a service may take to stop; a Consul server's orderly leave takes 9 s."""

_INTERFACE = re.compile(r"interface:[1-9][0-9]*")
_ADDRESS = re.compile(r"\{address:([0-9]+)\}")


def interface_name(index: int | str) -> str:
    """Name a further network interface as services come after it."""
    return f"interface:{index}"


class BootInvalid(ValueError):
    """The image's boot file can't be carried out; the text lists every mistake."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume's place: the device it comes as and the path it is seen at; a filesystem is checked for `check_s` before it is mounted."""

    device: str
    path: str
    check_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A program that is to run always, once what it comes after is there."""

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...] = ()
    grace_s: float = STOP_GRACE_S


@dataclass(frozen=True, slots=True)
class BootPlan:
    """All that an image wants mounted and run."""

    mounts: tuple[Mount, ...] = ()
    services: tuple[ServiceSpec, ...] = ()


def read_boot(text: str) -> BootPlan:
    """Judge a boot file; anything wrong in it: `BootInvalid` with every mistake."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BootInvalid(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BootInvalid("not an object")
    mistakes = [f"unknown key {key!r}" for key in sorted(value.keys() - {"mounts", "services"})]
    mounts = tuple(_mount(item, mistakes) for item in value.get("mounts", []))
    services = tuple(_service(item, mistakes) for item in value.get("services", []))
    if not mistakes:
        mistakes += _impossible(mounts, services)
    if mistakes:
        raise BootInvalid("; ".join(mistakes))
    return BootPlan(mounts, services)


def _mount(item: Any, mistakes: list[str]) -> Mount:
    if not isinstance(item, dict) or item.keys() - {"check_s"} != {"device", "path"} or not str(item["path"]).startswith("/"):
        mistakes.append(f"a mount has a device and an absolute path, and perhaps check_s, not {json.dumps(item)}")
        return Mount("", "")
    return Mount(str(item["device"]), "/" + str(item["path"]).strip("/"), float(item.get("check_s", 0)))


def _service(item: Any, mistakes: list[str]) -> ServiceSpec:
    known = {"name", "after", "command", "stop_grace_s"}
    if not isinstance(item, dict) or not item.keys() <= known or not item.get("name") or not _is_command(item.get("command")):
        mistakes.append(f"a service has a name, a command (a list) and perhaps after and stop_grace_s, not {json.dumps(item)}")
        return ServiceSpec("", ())
    after = tuple("/" + name.strip("/") if name.startswith("/") else name for name in item.get("after", []))
    return ServiceSpec(item["name"], tuple(item["command"]), after, float(item.get("stop_grace_s", STOP_GRACE_S)))


def _is_command(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) for word in value)


def _impossible(mounts: tuple[Mount, ...], services: tuple[ServiceSpec, ...]) -> list[str]:
    """Find names that are there twice, name nothing, or wait for one another in a circle."""
    names = [mount.path for mount in mounts] + [service.name for service in services]
    mistakes = [f"{name} is there twice" for name in sorted({name for name in names if names.count(name) > 1})]
    interfaces = {name for service in services for name in service.after if _INTERFACE.fullmatch(name)}
    mistakes += [
        f"{service.name} comes after {name}, which is nowhere"
        for service in services
        for name in service.after
        if name not in names and name not in interfaces
    ]
    mistakes += [
        f"{service.name} uses {{address:{index}}} and does not come after {interface_name(index)}"
        for service in services
        for index in sorted(set(_ADDRESS.findall(" ".join(service.command))))
        if interface_name(index) not in service.after
    ]
    reached = {mount.path for mount in mounts} | interfaces
    left = list(services)
    while ready := [service for service in left if reached.issuperset(service.after)]:
        reached.update(service.name for service in ready)
        left = [service for service in left if service.name not in reached]
    if left and not mistakes:
        mistakes.append("these wait for one another: " + ", ".join(service.name for service in left))
    return mistakes


def filled_in(command: tuple[str, ...], values: dict[str, str]) -> list[str]:
    """Fill in `{root}`, `{address}`, `{address:N}`, `{instance_id}`; other braces are left as they are."""
    words = []
    for word in command:
        for name, value in values.items():
            word = word.replace("{" + name + "}", value)  # noqa: PLW2901 - each value goes into what the one before it left
        words.append(word)
    return words
