"""All published versions by block, the newest first: what a resolution looks through.

A version that was published twice is taken from the place that was named first; that there is another one is told. What can't be read is
kept beside: it is left out where another version can do, and never without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

from immtf.errors import UsageError
from immtf.model.published import Published, Unread
from immtf.plan.versions import Constraint, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A version that may be chosen. `requires` are constraints by the name of the block that they are on."""

    name: str
    version: Version
    requires: Mapping[str, Constraint]
    published: Published

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def without(self, name: str) -> Candidate:
        """Return it as it would be if it didn't need this block."""
        return replace(self, requires={other: constraint for other, constraint in self.requires.items() if other != name})


@dataclass(frozen=True)
class Shelf:
    """The candidates of each block, the newest first; `places` is where was looked, `remarks` what a person should hear of it."""

    candidates: Mapping[str, tuple[Candidate, ...]]
    unread: tuple[Unread, ...] = ()
    places: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    _allowed: dict[tuple[str, str], frozenset[Candidate]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, name: str) -> tuple[Candidate, ...]:
        """Return what is published of a block; nothing for one that nobody knows."""
        return self.candidates.get(name, ())

    def allowed(self, name: str, constraint: Constraint) -> frozenset[Candidate]:
        """Return what is published of a block and satisfies the constraint. Asked twice, it is found once."""
        key = (name, constraint.text)
        if key not in self._allowed:
            self._allowed[key] = frozenset(one for one in self.of(name) if constraint.allows(one.version))
        return self._allowed[key]

    @cached_property
    def hopeless(self) -> frozenset[Candidate]:
        """Return the versions that require what nothing satisfies, and then those that require these, and so on."""
        needing: dict[str, list[Candidate]] = {}
        waiting = [one for row in self.candidates.values() for one in row]
        for one in waiting:
            for name in one.requires:
                needing.setdefault(name, []).append(one)
        gone: set[Candidate] = set()
        while waiting:
            one = waiting.pop()
            if one not in gone and any(self.allowed(name, constraint) <= gone for name, constraint in one.requires.items()):
                gone.add(one)
                waiting.extend(needing.get(one.name, ()))
        return frozenset(gone)

    def nearest(self, name: str) -> str:
        """Return the published name that was probably meant; "" where none is near."""
        return next(iter(get_close_matches(name, sorted(self.candidates), n=1)), "")


def stock(published: Iterable[Published], unread: Iterable[Unread] = (), places: Iterable[str] = ()) -> Shelf:
    """Put everything that was found in order; what bears a version or a constraint that is none joins what can't be read."""
    rows: dict[str, dict[Version, Candidate]] = {}
    broken, remarks = list(unread), []
    read: dict[str, Constraint] = {}  # the same few constraints stand in many versions
    for one in published:
        try:
            candidate = _candidate(one, read)
        except UsageError as error:
            broken.append(Unread(str(one.place), error.what, one.name, one.version))
            continue
        first = rows.setdefault(one.name, {}).setdefault(candidate.version, candidate)
        if first is not candidate and first.published != one:
            remarks.append(f"{first} is published twice: taken from {first.published.place}, not from {one.place}")
    newest_first = {name: tuple(row[version] for version in sorted(row, reverse=True)) for name, row in sorted(rows.items())}
    return Shelf(newest_first, tuple(dict.fromkeys(broken)), tuple(places), tuple(dict.fromkeys(remarks)))


def _candidate(one: Published, read: dict[str, Constraint]) -> Candidate:
    for text in one.requires.values():
        if text not in read:
            read[text] = Constraint.parse(text)
    requires = {name: read[text] for name, text in sorted(one.requires.items())}
    return Candidate(one.name, Version.parse(one.version), requires, one)
