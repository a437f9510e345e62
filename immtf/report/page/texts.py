"""Foreign texts as a page may hold them: one line, nothing unprinted, nothing that turns the direction of what stands around it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    _T = TypeVar("_T")

_TURNING: Final = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_NO_CHARACTERS: Final = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)) + "]"
)
MOST: Final = 5000  # signs; no page has room for more, and a journal may hold megabytes


def clean(text: str) -> str:
    """Return foreign text as one line; signs that turn or hide text are named (`U+202E`), what is no character is a `\ufffd`.

    A text that is far longer than any page shows is cut, and ends in `…` then.
    """
    named = _TURNING.sub(lambda found: f"U+{ord(found[0]):04X}", plain(_cut(text)))
    return _cut(_NO_CHARACTERS.sub("\ufffd", named)).rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= MOST else text[: MOST - 1] + "…"


def mapped(value: _T, change: Callable[[str], str]) -> _T:
    """Return the value with every text in it changed; mappings, tuples and dataclasses are gone through."""
    return cast("_T", _mapped(value, change))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, tuple | list):
        return tuple(_mapped(item, change) for item in value)
    if isinstance(value, Mapping):
        return {change(key): _mapped(item, change) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return type(value)(**{name: _mapped(item, change) for name, item in fields.items()})
    return value
