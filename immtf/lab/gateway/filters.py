"""Filters of `Describe*` that ask for something the gateway lays over: taken out of the request, applied to what is shown.

A filter holds if any of its values fits any of the row's; `*` and `?` are wildcards, as on AWS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immtf.lab.gateway.wire import groups, members

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from xml.etree.ElementTree import Element


@dataclass(frozen=True, slots=True)
class Filter:
    """One `Filter.N` of a request."""

    name: str
    values: tuple[str, ...]

    def holds(self, row: Element, path: str) -> bool:
        """Tell whether one of the row's texts at `path` fits one of the values."""
        texts = [(found.text or "").strip() for found in row.iterfind(path)]
        return any(_fits(value, candidate) for value in self.values for candidate in texts)


def take_out(form: Mapping[str, str], names: Collection[str]) -> tuple[dict[str, str], list[Filter]]:
    """Split a form into one without the named filters (the rest numbered anew) and the filters that were taken out."""
    rest = {name: value for name, value in form.items() if not name.startswith("Filter.")}
    taken: list[Filter] = []
    kept = 0
    for group in groups(form, "Filter").values():
        name = group.get("Name", "")
        if name in names:
            taken.append(Filter(name, tuple(members(group, "Value"))))
            continue
        kept += 1
        rest |= {f"Filter.{kept}.{key}": value for key, value in group.items()}
    return rest, taken


def fits_all(row: Element, filters: Iterable[Filter], paths: Mapping[str, str]) -> bool:
    """Tell whether the row passes every filter; `paths` says where a filter's name looks."""
    return all(wanted.holds(row, paths[wanted.name]) for wanted in filters)


def _fits(pattern: str, candidate: str) -> bool:
    whole = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(whole, candidate, re.DOTALL) is not None
