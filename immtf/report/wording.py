"""How numbers, addresses and foreign text are written for people; the same in every reader."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_UNPRINTED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MODULES: Final = re.compile(r'^(?:module\.[\w-]+(?:\[(?:"(?:[^"\\]|\\.)*"|\d+)\])?\.)+')
_MINUTE: Final = 60
_HOUR: Final = 3600


def plain(text: str) -> str:
    """Return foreign text as one printable line: no escape sequences, no control characters, no runs of blanks."""
    return " ".join(_UNPRINTED.sub(" ", without_escapes(text)).split())


def without_escapes(text: str) -> str:
    """Return foreign text without a terminal's escape sequences; its lines stay."""
    return _ESCAPES.sub("", text)


def duration(seconds: float) -> str:
    """Write a length of time given in seconds: `0.4 s`, `48 s`, `3 m 07 s`, `10 m`, `1 h 02 m`."""
    tenths = round(seconds, 1)
    if tenths < 10:  # noqa: PLR2004 - below ten seconds the tenths tell something
        return f"{tenths:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // 60} m {whole % 60:02} s" if whole % 60 else f"{whole // 60} m"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"


def clock(seconds: float) -> str:
    """Write the time since a run's start, given in seconds, as `03:07` or `1:02:03`."""
    whole = max(0, int(seconds))
    tail = f"{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{tail}" if whole >= _HOUR else tail


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 write`, `1,204 writes`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(part: float, whole: float) -> str:
    """Write a share: `42 %`, or `-` where there is no whole."""
    return f"{100 * part / whole:.0f} %" if whole > 0 else "-"


def within_module(address: str) -> str:
    """Return a resource's address without the modules it is in: `aws_instance.this` for `module.node["a"].aws_instance.this`."""
    return _MODULES.sub("", address)
