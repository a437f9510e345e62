"""Looking at places, each in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from immtf.errors import UsageError
    from immtf.model.published import Place, Published, Unread


@dataclass(frozen=True, slots=True)
class Found:
    """What a place has; `remark` is for a person where it has nothing."""

    published: tuple[Published, ...] = ()
    unread: tuple[Unread, ...] = ()
    remark: str = ""

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing at all, not even something that can't be read."""
        return not self.published and not self.unread


def look(place: Place, environment: Mapping[str, str]) -> Found:
    """Return what is published at a place. Raises `ImmtfError` where the place itself is not there or can't be asked."""
    match place.kind:
        case "directory":
            from immtf.adapters.published.directories import in_directory

            return in_directory(place)
        case "git":
            from immtf.adapters.published.git_tags import in_repository

            return in_repository(place, environment)
        case "image":
            from immtf.adapters.docker.connection import connect
            from immtf.adapters.published.images import in_engine

            return in_engine(place, connect(environment))
        case "registry":
            from immtf.adapters.published.registry import in_registry

            return in_registry(place)
        case _:
            assert_never(place.kind)


def said(error: UsageError) -> str:
    """Return what is wrong with a block's file in one line."""
    from immtf.plan.config import ConfigInvalid

    if not isinstance(error, ConfigInvalid):
        return error.what
    return "; ".join(f"line {one.line}: {f'{one.path}: ' if one.path else ''}{one.what}" for one in error.mistakes)


def sorted_out(rows: Iterable[Published | Unread | None]) -> Found:
    """Put each where it belongs."""
    from immtf.model.published import Published, Unread

    there = list(rows)
    return Found(tuple(one for one in there if isinstance(one, Published)), tuple(one for one in there if isinstance(one, Unread)))
