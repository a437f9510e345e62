"""User data: a `#!` script, or `#cloud-config` with a JSON body that has `write_files` and `runcmd`.

What this small reader doesn't know it refuses, instead of leaving it out: an instance that silently lacks a part of its
configuration is the harder thing to find.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class UserDataInvalid(ValueError):
    """The user data can't be carried out."""


@dataclass(frozen=True, slots=True)
class WriteFile:
    """A file to be written, its path one of the guest's."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class UserData:
    """Files to write, then a script to run; either may be absent."""

    files: tuple[WriteFile, ...] = ()
    script: str | None = None


def read_user_data(data: bytes) -> UserData:
    """Judge user data; of an unknown kind or with unknown keys: `UserDataInvalid`."""
    text = data.decode("utf-8", errors="replace")
    if not text.strip():
        return UserData()
    if text.startswith("#!"):
        return UserData(script=text)
    head, _, body = text.partition("\n")
    if head.strip() != "#cloud-config":
        raise UserDataInvalid("user data starts with #cloud-config or #!")
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UserDataInvalid(f"the lab reads a #cloud-config whose body is JSON, as jsonencode makes it: {error}") from None
    if not isinstance(value, dict) or not value.keys() <= {"write_files", "runcmd"}:
        raise UserDataInvalid("the lab knows write_files and runcmd of #cloud-config")
    files = tuple(_write_file(item) for item in value.get("write_files") or [])
    commands = [_line(item) for item in value.get("runcmd") or []]
    return UserData(files, "\n".join(["#!/bin/sh", *commands, ""]) if commands else None)


def _write_file(item: Any) -> WriteFile:
    if not isinstance(item, dict) or "path" not in item or not item.keys() <= {"path", "content", "permissions", "owner"}:
        raise UserDataInvalid("an item of write_files has path, content and perhaps permissions and owner")
    return WriteFile(item["path"], item.get("content", ""), int(str(item.get("permissions", "0644")), 8))


def _line(item: Any) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list):
        return shlex.join(str(word) for word in item)
    raise UserDataInvalid("an item of runcmd is a string or a list")


def write_files(files: tuple[WriteFile, ...], place: Callable[[str], Path]) -> None:
    """Write the files at the places that `place` gives for their paths; a file's owner is whoever runs the lab."""
    for file in files:
        path = place(file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content, encoding="utf-8")
        path.chmod(file.mode)
