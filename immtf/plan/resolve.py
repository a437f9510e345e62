"""The newest versions of blocks that fit together, of all that are published.

The search is resolvelib's; what is looked for is said here:

- Of each block the newest version is tried first, and what was asked for is settled before what it needs, in the order of asking: so the
  first block that was asked for gets the newest version that can be had at all, the second the newest beside that, and so on.
- A pre-release is taken only where every constraint on its block names it exactly, as everywhere else (`versions`): what is chosen
  here must satisfy the check of each consumer later.
- Versions that could never be had, since nothing that is published satisfies what they require, are put aside before. That takes no
  search, and saves most of it.
- The result depends on nothing but what is published and asked: not on the order in which a place lists its versions.

`Published` values go in, `Resolution` comes out; where nothing fits, `conflict` says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from resolvelib import AbstractProvider, BaseReporter
from resolvelib.resolvers import Resolution as Search
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

from immtf.errors import VersionsUnresolved
from immtf.plan.versions import Constraint, ConstraintInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from immtf.plan.shelf import Candidate, Shelf

ANY = ">= 0"  # every released version
ROUNDS = 5_000  # choices before the search is given up; with hundreds of blocks each takes some milliseconds


@dataclass(frozen=True, slots=True)
class Wish:
    """A block that is asked for, and which versions will do."""

    name: str
    constraint: Constraint

    def __str__(self) -> str:
        """Write it as it is asked for."""
        return self.name if self.constraint.text == ANY else f"{self.name}={self.constraint}"


@dataclass(frozen=True, slots=True, eq=False)
class Need:
    """A block that must be there in a version that the constraint allows, since `by` requires it; None: since it is asked for.

    `allowed` are the versions that will do, for the search, which asks very often.
    """

    name: str
    constraint: Constraint
    by: Candidate | None = None
    allowed: frozenset[Candidate] = frozenset()


@dataclass(frozen=True)
class Resolution:
    """What fits together: a candidate for each block by name, in the order of names; `tried` is how many choices it took.

    It is `sure` that nothing newer of what was asked for would fit, unless that search was given up.
    """

    chosen: Mapping[str, Candidate]
    tried: int
    sure: bool = True


class Conflict(Exception):
    """Nothing fits. `needs` are those that could not be satisfied together, at the end of the search."""

    def __init__(self, needs: Sequence[Need]) -> None:
        super().__init__("nothing fits")
        self.needs = tuple(need for need in needs if need.by is None or need.by.name != need.name)


def read_wish(text: str) -> Wish:
    """Read `consul`, `consul=1.2.0`, `consul=~> 1.2` or `consul>=1.2`. Raises `ConstraintInvalid`."""
    end = next((place for place, mark in enumerate(text) if not (mark.isalnum() or mark in "_-")), len(text))
    name, rest = text[:end], text[end:].strip()
    if not name:
        raise ConstraintInvalid(f"`{text}` names no block", next="write NAME or NAME=CONSTRAINT, as `consul=~> 1.2`")
    constraint = rest.removeprefix("=").strip() if rest not in {"", "="} else rest
    if constraint == "=":
        raise ConstraintInvalid(f"`{text}` has no constraint", next=f"write `{name}` for any version, or `{name}=~> 1.2`")
    return Wish(name, Constraint.parse(constraint or ANY))


def resolve(wishes: Sequence[Wish], shelf: Shelf, *, rounds: int = ROUNDS) -> Resolution:
    """Return the newest versions that fit together. Raises `Conflict` where none do, `VersionsUnresolved` where the search is given up.

    resolvelib first jumps back far and hopes for the best, which finds most solutions at once. Where it did jump, neither a conflict
    is proven (1.2.1 takes up again one choice too low) nor that nothing newer fits: then the search goes step by step.
    """
    needs = [Need(wish.name, wish.constraint, None, shelf.allowed(wish.name, wish.constraint)) for wish in wishes]
    for need in needs:
        if need.allowed <= shelf.hopeless:
            raise Conflict([need])
    try:
        hoped = _attempt(needs, shelf, rounds, hopeful=True)
    except (Conflict, VersionsUnresolved):
        return _attempt(needs, shelf, rounds, hopeful=False)
    if hoped.sure:
        return hoped
    try:
        return _attempt(needs, shelf, rounds, hopeful=False)
    except VersionsUnresolved:
        return hoped


def _attempt(needs: Sequence[Need], shelf: Shelf, rounds: int, *, hopeful: bool) -> Resolution:
    heard = _Heard()
    work = Search(_Provider(shelf, [need.name for need in needs]), heard)
    if not hopeful:
        work._optimistic_backjumping_ratio = 0.0  # noqa: SLF001 - there is no other way to it
    try:
        state = work.resolve(needs, max_rounds=rounds)
    except ResolutionImpossible as error:
        raise Conflict([cause.requirement for cause in error.causes]) from None
    except ResolutionTooDeep:
        raise _given_up(rounds) from None
    return Resolution(_reached(state.mapping, needs), heard.tried, sure=not (hopeful and heard.went_back))


def _given_up(rounds: int) -> VersionsUnresolved:
    what = f"no versions that fit were found in {rounds} choices, and there may be some"
    return VersionsUnresolved(what, next="ask with narrower constraints, for example for the versions that are deployed")


def exactly(candidate: Candidate) -> Wish:
    """Return the wish for this very version."""
    return Wish(candidate.name, Constraint.parse(f"= {candidate.version}"))


def cycle_in(chosen: Mapping[str, Candidate]) -> tuple[Candidate, ...]:
    """Return a row of versions of which each needs the next and the last the first; nothing where there is none such."""
    try:
        TopologicalSorter({name: sorted(one.requires) for name, one in chosen.items()}).prepare()
    except CycleError as error:
        return tuple(chosen[name] for name in reversed(error.args[1][1:]))
    return ()


def newer_than(chosen: Mapping[str, Candidate], wishes: Sequence[Wish], shelf: Shelf) -> dict[str, str]:
    """Return by block why a newer release of it was not chosen, where there is one."""
    needs = [Need(wish.name, wish.constraint) for wish in wishes]
    needs += [Need(name, constraint, one) for one in chosen.values() for name, constraint in one.requires.items()]
    found = {}
    for name, candidate in chosen.items():
        newest = next((one for one in shelf.of(name) if not one.version.is_prerelease), candidate)
        if newest.version > candidate.version:
            against = next((need for need in needs if need.name == name and newest not in shelf.allowed(name, need.constraint)), None)
            found[name] = f"{newest.version} is published, {_against(newest, against, chosen)}"
    return found


def _against(newest: Candidate, need: Need | None, chosen: Mapping[str, Candidate]) -> str:
    """Say what stands against the newest version."""
    if need is not None:
        return f"and {need.by} requires `{need.constraint}`" if need.by else f"and `{need.constraint}` was asked for"
    for name, constraint in newest.requires.items():
        if name not in chosen:
            return f"and requires {name} `{constraint}`, which leads to nothing that fits"
        if not constraint.allows(chosen[name].version):
            return f"and requires {name} `{constraint}`, which doesn't fit with the rest"
    return "and what it needs doesn't fit with the rest"


def _reached(chosen: Mapping[str, Candidate], needs: Iterable[Need]) -> dict[str, Candidate]:
    """Return what is needed by what was asked for: the search may have settled blocks that nothing chosen needs any more."""
    waiting, reached = [need.name for need in needs], set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(chosen[name].requires)
    return {name: chosen[name] for name in sorted(reached)}


class _Heard(BaseReporter[Any, Any, Any]):
    """Counts the choices, and hears whether any was taken back."""

    def __init__(self) -> None:
        self.tried = 0
        self.went_back = False

    def pinning(self, candidate: Candidate) -> None:
        """Count one."""
        del candidate
        self.tried += 1

    def resolving_conflicts(self, causes: Any) -> None:
        """Hear that the search goes back."""
        del causes
        self.went_back = True


class _Provider(AbstractProvider["Need", "Candidate", str]):
    """What resolvelib asks about blocks."""

    def __init__(self, shelf: Shelf, asked: Sequence[str]) -> None:
        self._shelf = shelf
        self._needs: dict[Candidate, list[Need]] = {}
        self._asked = {name: place for place, name in reversed(list(enumerate(asked)))}

    def identify(self, requirement_or_candidate: Need | Candidate) -> str:
        """Return the block's name."""
        return requirement_or_candidate.name

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],
        candidates: Mapping[str, Iterator[Candidate]],
        information: Mapping[str, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[int, int, str]:
        """Settle what was asked for first, then what has the fewest candidates left."""
        del resolutions, information, backtrack_causes
        return self._asked.get(identifier, len(self._asked)), sum(1 for _ in candidates[identifier]), identifier

    def find_matches(
        self, identifier: str, requirements: Mapping[str, Iterator[Need]], incompatibilities: Mapping[str, Iterator[Candidate]]
    ) -> list[Candidate]:
        """Return what satisfies every need of a block, the newest first."""
        fitting = frozenset(self._shelf.of(identifier)) - self._shelf.hopeless - frozenset(incompatibilities[identifier])
        for need in requirements[identifier]:
            fitting &= need.allowed
        return sorted(fitting, key=lambda one: one.version, reverse=True)

    def is_satisfied_by(self, requirement: Need, candidate: Candidate) -> bool:
        """Return whether a candidate will do."""
        return candidate in requirement.allowed

    def get_dependencies(self, candidate: Candidate) -> list[Need]:
        """Return what a candidate needs, and first of all itself: else resolvelib lets a later choice replace it without going back.

        Where versions of two blocks need one another it then goes round for ever, or ends with what doesn't fit.
        """
        if candidate not in self._needs:
            itself = Need(candidate.name, exactly(candidate).constraint, candidate, frozenset([candidate]))
            allowed = self._shelf.allowed
            others = [Need(name, constraint, candidate, allowed(name, constraint)) for name, constraint in candidate.requires.items()]
            self._needs[candidate] = [itself, *others]
        return self._needs[candidate]
