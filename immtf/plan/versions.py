"""Versions and Terraform's constraint syntax: `~> 1.2, != 1.2.3`.

Comparing is left to `packaging`; this module reads the text as Terraform does and keeps it, so that messages show what the
user wrote. Three rules are Terraform's own:

- `~>` lets the last number that is written grow: `~> 1.2.3` stays below 1.3, `~> 1.2` below 2. Terraform itself reads `~> 1` in two
  ways: below 2 for a provider, without an upper end for `required_version` (measured, 1.11.4). Here it is below 2, for a
  constraint on a block or an image has to keep the next major version out.
- A pre-release satisfies nothing but a constraint that names it exactly, whatever else would let it through.
- What follows a `+` says how a version was built and takes no part in comparing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import total_ordering
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion
from packaging.version import Version as Parsed

from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = re.compile(r"v?(?P<numbers>[0-9]+(?:\.[0-9]+)*)(?:-?(?P<pre>[a-zA-Z][0-9A-Za-z.-]*))?(?:\+[0-9A-Za-z.-]+)?")
_TERM = re.compile(r"(?P<operator>[^\w\s.]*)\s*(?P<version>\S.*)?")
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {"=": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le}
_OPERATORS = (*_COMPARISONS, "~>")
_MAX_LENGTH = 100  # characters; no version that people write is longer, and huge numbers are slow to read
# What people write who come from other tools, and what they mean in Terraform's words.
_FOREIGN = {"^": "~>", "~": "~>", "~=": "~>", "=~": "~>", ">~": "~>", "==": "=", "===": "=", "=>": ">=", "=<": "<=", "!": "!=", "<>": "!="}


class VersionInvalid(UsageError):
    """A text is not a version."""


class ConstraintInvalid(UsageError):
    """A text is not a constraint; `next` says what was probably meant."""


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """A version: `text` as it was written, compared by its numbers and its pre-release."""

    text: str
    parsed: Parsed = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version of any number of segments; raises `VersionInvalid`."""
        match = _VERSION.fullmatch(text.strip())
        if match is None or len(text) > _MAX_LENGTH:
            raise VersionInvalid(f"`{text}` is not a version", next="write it like `1.2.3` or `1.2.3-rc1`")
        parsed = _ordered(match["numbers"] + (match["pre"] or ""))
        if parsed is None:
            known = "use alpha, beta or rc with a number, as in `1.2.3-rc1`"
            raise VersionInvalid(f"`{match['pre']}` in the version `{text}` can't be ordered", next=known)
        return cls(text.strip(), parsed)

    @property
    def is_prerelease(self) -> bool:
        """Whether it comes before the release whose numbers it bears."""
        return self.parsed.is_prerelease

    def __eq__(self, other: object) -> bool:
        return self.parsed == other.parsed if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self.parsed < other.parsed

    def __hash__(self) -> int:
        return hash(self.parsed)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Term:
    """One comparison; `segments` is how many numbers were written, which is what `~>` goes by."""

    operator: str
    version: Version
    segments: int

    def holds(self, version: Version) -> bool:
        """Whether `version` satisfies this comparison, leaving the rule on pre-releases aside."""
        if self.operator == "~>":
            return version >= self.version and self._same_start(version)
        return _COMPARISONS[self.operator](version, self.version)

    def _same_start(self, version: Version) -> bool:
        """Whether all numbers but the one that may grow are the same; a single number doesn't grow."""
        fixed = max(self.segments - 1, 1)
        return _padded(version, fixed) == _padded(self.version, fixed)


@dataclass(frozen=True)
class Constraint:
    """A row of comparisons that all have to hold; `text` is what the user wrote."""

    text: str
    terms: tuple[Term, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read comparisons separated by commas; raises `ConstraintInvalid`."""
        return cls(text, tuple(_term(part, text) for part in text.split(",")))

    def allows(self, version: Version) -> bool:
        """Whether `version` satisfies every comparison; a pre-release must besides be named exactly."""
        named = any(term.operator == "=" and term.version == version for term in self.terms)
        return (named or not version.is_prerelease) and all(term.holds(version) for term in self.terms)

    def __str__(self) -> str:
        return self.text


def _ordered(text: str) -> Parsed | None:
    """Read what `packaging` can put in order; its post-releases are no word of Terraform's."""
    try:
        parsed = Parsed(text)
    except InvalidVersion:
        return None
    return None if parsed.is_postrelease else parsed


def _padded(version: Version, length: int) -> tuple[int, ...]:
    """Return the first `length` numbers of a version, with zeros where it has fewer."""
    return (version.parsed.release + (0,) * length)[:length]


def _term(part: str, whole: str) -> Term:
    """Read one comparison of the constraint `whole`."""
    match = _TERM.fullmatch(part.strip())
    if match is None or not match["version"]:
        raise ConstraintInvalid(f"`{whole}` has an empty place", next="write constraints like `~> 1.2, != 1.2.3`")
    operator, text = match["operator"] or "=", match["version"].strip()
    if operator not in _OPERATORS:
        meant = f"write `{_FOREIGN[operator]} {text}`" if operator in _FOREIGN else f"Terraform's operators are {' '.join(_OPERATORS)}"
        raise ConstraintInvalid(f"`{operator}` in `{whole}` is not an operator", next=meant)
    try:
        version = Version.parse(text)
    except VersionInvalid as wrong:
        raise ConstraintInvalid(f"{wrong.what}, in the constraint `{whole}`", next=_wildcard(text) or wrong.next) from None
    return Term(operator, version, len(version.parsed.release))


def _wildcard(text: str) -> str:
    """Say how `1.2.x` or `1.2.*` is written in Terraform's syntax; empty where it is something else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)*)\.[xX*]", text)
    return f"write `~> {match[1]}.0`" if match else ""
