"""Knots of a graph: the sets of names that all reach each other, its strongly connected components.

Tarjan's algorithm without recursion, so that a chain of thousands is no deeper than one of three. Each name and each edge is looked at
once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


def knots(following: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return the number of each name's knot; two names have the same one where each is reached from the other, and only there."""
    walk = _Walk(following)
    for name in following:
        if name not in walk.seen:
            walk.from_(name)
    return walk.knot


@dataclass
class _Walk:
    following: Mapping[str, Collection[str]]
    seen: dict[str, int] = field(default_factory=dict)  # when each name was met
    lowest: dict[str, int] = field(default_factory=dict)  # the earliest name met that it reaches, as far as that is known
    open: list[str] = field(default_factory=list)  # met, and of no finished knot
    knot: dict[str, int] = field(default_factory=dict)

    def from_(self, start: str) -> None:
        """Walk over everything that is reached from a name and wasn't met before."""
        path: list[tuple[str, Iterator[str]]] = [self._met(start)]
        while path:
            name, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                self._left(name)
                if path:
                    self._reaches(path[-1][0], self.lowest[name])
            elif following not in self.seen:
                path.append(self._met(following))
            elif following not in self.knot:
                self._reaches(name, self.seen[following])

    def _met(self, name: str) -> tuple[str, Iterator[str]]:
        self.seen[name] = self.lowest[name] = len(self.seen)
        self.open.append(name)
        return name, iter(self.following[name])

    def _reaches(self, name: str, time: int) -> None:
        self.lowest[name] = min(self.lowest[name], time)

    def _left(self, name: str) -> None:
        """Finish the knot that a name is the first of: all that is open since it was met."""
        if self.lowest[name] == self.seen[name]:
            while name not in self.knot:
                self.knot[self.open.pop()] = self.seen[name]
