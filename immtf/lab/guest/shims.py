"""`findmnt`, `lsblk` and `poweroff` as programs in a guest's PATH would answer: from the guest's own mount table.

They know the options that scripts for instances use and refuse every other one, so that a script that asks for more fails
in the lab instead of being answered wrongly. A path may be given as the guest's own or with the guest's root before it, and is
answered as it was given.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.lab.guest.home import Home, device_name, read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES = ("findmnt", "lsblk", "poweroff")
_FLAGS = {"--noheadings": "", "-n": "", "--raw": "", "-r": "", "--nodeps": "", "-d": ""}
_VALUES = {"--output": "output", "-o": "output", "--mountpoint": "mountpoint", "-M": "mountpoint"}


class _Refused(Exception):
    """An option or argument that the shim doesn't know."""


def write_shims(home: Home, bootstrap: Sequence[str]) -> None:
    """Put the shims into the guest; `bootstrap` is the command that runs a program of this package: `… shims NAME HOME`."""
    home.bin.mkdir(exist_ok=True)
    for name in NAMES:
        shim = home.bin / name
        shim.write_text(f'#!/bin/sh\nexec {shlex.join([*bootstrap, "shims", name, str(home.path)])} "$@"\n', encoding="utf-8")
        shim.chmod(0o755)


def answer(name: str, home: Home, arguments: Sequence[str]) -> tuple[int, str]:
    """Give what the program prints for these arguments, and its exit code."""
    try:
        options, rest = _read(arguments)
        if name == "findmnt":
            return _findmnt(home, options, rest)
        return _lsblk(home, options, rest)
    except _Refused as refused:
        return 2, f"{name} (lab): {refused}\n"


def _read(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    rest: list[str] = []
    left = list(arguments)
    while left:
        word, equals, value = left.pop(0).partition("=")
        if word in _VALUES:
            if not equals and not left:
                raise _Refused(f"{word} needs a value")
            options[_VALUES[word]] = value if equals else left.pop(0)
        elif word.startswith("-") and word not in _FLAGS:
            raise _Refused(f"unknown option {word}")
        elif word not in _FLAGS:
            rest.append(word)
    return options, rest


def _findmnt(home: Home, options: dict[str, str], rest: list[str]) -> tuple[int, str]:
    if rest:
        raise _Refused("ask with --mountpoint PATH")
    asked = options.get("mountpoint")
    prefix = str(home.root) if asked and asked.startswith(str(home.root) + "/") else ""
    rows = [
        {
            "TARGET": prefix + row["path"],
            "SOURCE": row["node"],
            "FSTYPE": row["fstype"],
            "UUID": row["uuid"],
            "OPTIONS": "rw,relatime",
        }
        for row in read_json(home.status).get("mounts", [])
        if asked is None or row["path"] == "/" + asked.removeprefix(prefix).strip("/")
    ]
    return _table(rows, options.get("output", "TARGET,SOURCE,FSTYPE,OPTIONS"), ("TARGET", "SOURCE", "FSTYPE", "UUID", "OPTIONS"))


def _lsblk(home: Home, options: dict[str, str], rest: list[str]) -> tuple[int, str]:
    devices = {}
    for volume in sorted(home.dev.iterdir()) if home.dev.is_dir() else []:
        identity = read_json(volume / "volume.json")
        node = identity.get("node", "")
        superblock = read_json(volume / "superblock.json")
        devices[volume.name] = {
            "NAME": node.removeprefix("/dev/"),
            "PATH": node,
            "SERIAL": identity.get("volume_id", "").replace("-", ""),
            "UUID": superblock.get("uuid", ""),
            "FSTYPE": superblock.get("fstype", ""),
        }
    names = {row["PATH"]: name for name, row in devices.items()}
    chosen = [names.get(word, device_name(word)) for word in rest] or list(devices)
    if any(name not in devices for name in chosen):
        return 32, f"lsblk: {' '.join(rest)}: not a block device\n"
    return _table([devices[name] for name in chosen], options.get("output", "NAME,SERIAL"), ("NAME", "PATH", "SERIAL", "UUID", "FSTYPE"))


def _table(rows: Iterable[dict[str, str]], output: str, known: tuple[str, ...]) -> tuple[int, str]:
    columns = output.upper().split(",")
    if unknown := [column for column in columns if column not in known]:
        raise _Refused(f"unknown column {', '.join(unknown)}")
    lines = [" ".join(row[column] for column in columns) for row in rows]
    return (0 if lines else 1), "".join(line + "\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """`NAME HOME [ARGUMENT…]`: print the answer; an error goes to stderr."""
    name, home = arguments[0], Home(Path(arguments[1]))
    if name == "poweroff":
        os.kill(int(read_json(home.status)["pid"]), signal.SIGTERM)
        return 0
    code, text = answer(name, home, arguments[2:])
    (sys.stdout if code in (0, 1) else sys.stderr).write(text)
    return code
