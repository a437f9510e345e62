"""Why no versions fit together, told so that a person understands it: who needs what of whom, what is published, and the way out.

The search ends at one block that its needs leave no version of. Told is not where the search happened to end but where a person would
begin: with the least of what was asked for that doesn't fit, each in the newest version that it allows.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from immtf.errors import VersionsUnresolved
from immtf.plan.resolve import ANY, Conflict, Need, Wish, exactly, resolve
from immtf.plan.shelf import Shelf
from immtf.plan.versions import Constraint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from immtf.plan.shelf import Candidate

_SHOWN = 8  # versions of a block that are listed, the newest first
_BUDGET = 300  # choices for one look at a way out, beside one for each block


def told(wishes: Sequence[Wish], shelf: Shelf) -> VersionsUnresolved:
    """Return the error for wishes that don't fit together."""
    for wish in wishes:
        if not shelf.of(wish.name):
            return _unknown(Need(wish.name, wish.constraint), shelf, wishes)
    core = _core(wishes, shelf)
    needs = _needs(core, shelf)
    names = list(dict.fromkeys(need.name for need in needs))
    lacking = [need for need in needs if not shelf.of(need.name)]
    if lacking:
        return _unknown(lacking[0], shelf, core)
    head = f"no versions fit together: {_heading(needs, shelf, names)}"
    lines = [f"  {_need(need, core, shelf)}" for need in needs]
    lines += [f"  published of {name}: {_published(name, shelf)}" for name in names]
    lines += [f"  not read: {one.where}: {one.what}" for one in shelf.unread]
    return VersionsUnresolved("\n".join([head, *lines]), next=_ways_out(wishes, core, needs, shelf))


def _heading(needs: Sequence[Need], shelf: Shelf, names: Sequence[str]) -> str:
    if len(needs) == 1:
        return f"no {needs[0].name} that is published satisfies `{needs[0].constraint}`"
    if all(shelf.allowed(need.name, need.constraint) for need in needs) and len(names) == 1:
        return f"each of these can be had, and no {names[0]} satisfies {'both' if len(needs) == 2 else 'all of them'}"  # noqa: PLR2004
    return f"it is about {', '.join(names)}"


def _core(wishes: Sequence[Wish], shelf: Shelf) -> list[Wish]:
    """Return the least of what was asked for that doesn't fit: each time the last of the fewest first ones that don't."""
    core: list[Wish] = []
    rest = list(wishes)
    while rest and not (core and _refuted(core, shelf)):
        least, most = 1, len(rest)
        while least < most:
            middle = (least + most) // 2
            least, most = (least, middle) if _refuted([*core, *rest[:middle]], shelf) else (middle + 1, most)
        core.append(rest[least - 1])
        rest = rest[: least - 1]
    return [wish for wish in wishes if wish in core]


def _needs(core: Sequence[Wish], shelf: Shelf) -> list[Need]:
    """Return the needs that can't be satisfied together, with each wish in the newest version that it allows."""
    meant: dict[int, Wish] = {}
    newest: list[Wish] = []
    for wish in core:
        row = _newest_first(shelf.allowed(wish.name, wish.constraint))
        if not row:
            return [Need(wish.name, wish.constraint)]
        hopeless = _hopeless(row[0], shelf)
        if hopeless is not None:
            return [hopeless]
        newest.append(exactly(row[0]))
        meant[id(newest[-1].constraint)] = wish
    try:
        resolve(newest, shelf)
    except Conflict as conflict:
        asked = [Need(need.name, meant[id(need.constraint)].constraint) for need in conflict.needs if need.by is None]
        required = [need for need in conflict.needs if need.by is not None]
        return [*asked, *sorted(required, key=lambda need: (need.name, str(need.by)))]
    raise AssertionError("what doesn't fit in any version fits in the newest")  # pragma: no cover


def _hopeless(candidate: Candidate, shelf: Shelf) -> Need | None:
    """Return the need, of a version or of what it needs in turn, that nothing published satisfies; None where there is none such."""
    waiting, seen = deque([candidate]), {candidate}
    while waiting:
        one = waiting.popleft()
        for name, constraint in one.requires.items():
            row = shelf.allowed(name, constraint)
            if not row:
                return Need(name, constraint, one)
            if row <= shelf.hopeless:
                more = sorted(row - seen, key=lambda other: other.version, reverse=True)
                seen.update(more)
                waiting.extend(more)
    return None


def _need(need: Need, core: Sequence[Wish], shelf: Shelf) -> str:
    """Say who needs what, and by which way that came from what was asked for."""
    if need.by is None:
        return f"you asked for {need.name}" + ("" if need.constraint.text == ANY else f" `{need.constraint}`")
    way = _chain(need.by, core, shelf)
    return f"{need.by} requires {need.name} `{need.constraint}`" + (f" ({way})" if way else "") + _others(need, need.by, shelf)


def _chain(candidate: Candidate, core: Sequence[Wish], shelf: Shelf) -> str:
    """Return the shortest way from what was asked for to a candidate, in words; "" where it was asked for itself."""
    came: dict[Candidate, Candidate | None] = {}
    for wish in core:
        came.update(dict.fromkeys(_newest_first(shelf.allowed(wish.name, wish.constraint)), None))
    waiting = deque(came)
    while waiting and candidate not in came:
        one = waiting.popleft()
        for name, constraint in one.requires.items():
            for other in _newest_first(shelf.allowed(name, constraint)):
                if other not in came:
                    came[other] = one
                    waiting.append(other)
    steps, at = [], candidate
    while (by := came.get(at)) is not None:
        steps.append(f"{at.name} is required by {by} with `{by.requires[at.name]}`")
        at = by
    return ", ".join(steps)


def _newest_first(row: Iterable[Candidate]) -> list[Candidate]:
    return sorted(row, key=lambda one: one.version, reverse=True)


def _others(need: Need, by: Candidate, shelf: Shelf) -> str:
    """Say what other versions of the one who needs it require, so that nobody looks through them in vain."""
    told_of: dict[str, list[str]] = {}
    for other in shelf.of(by.name):
        if other is not by:
            wanted = other.requires.get(need.name)
            told_of.setdefault(f"`{wanted}`" if wanted else "none", []).append(str(other.version))
    same = told_of.pop(f"`{need.constraint}`", [])
    parts = [f"so do {_some(same)}"] if same else []
    parts += [f"{_some(versions)}: {constraint}" for constraint, versions in told_of.items()]
    return f"; {'; '.join(parts)}" if parts else ""


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _published(name: str, shelf: Shelf) -> str:
    only = " (a pre-release: taken only where it is named exactly)"
    return _some([f"{one.version}{only if one.version.is_prerelease else ''}" for one in shelf.of(name)])


def _unknown(need: Need, shelf: Shelf, wishes: Sequence[Wish]) -> VersionsUnresolved:
    """Say that a block is published nowhere, where was looked, and which name was probably meant."""
    who = "" if need.by is None else f", and {_need(need, wishes, shelf)}"
    unread = [one for one in shelf.unread if one.name in {"", need.name}]
    lines = [f"no block {need.name} is published{who}", *(f"  looked in {place}" for place in shelf.places)]
    lines += [f"  not read: {one.where}: {one.what}" for one in unread]
    near = shelf.nearest(need.name)
    known = ", ".join(list(shelf.candidates)[:20])
    there = f"published are: {known}" if known else "nothing is published there"
    meant = f"did you mean `{near}`? Else" if near else f"{there};"
    return VersionsUnresolved("\n".join(lines), next=f"{meant} name further places with --published")


def _refuted(wishes: Sequence[Wish], shelf: Shelf) -> bool:
    try:
        resolve(wishes, shelf, rounds=_BUDGET + len(shelf.candidates))
    except Conflict:
        return True
    except VersionsUnresolved:
        return False
    return False


def _fits(wishes: Sequence[Wish], shelf: Shelf) -> Mapping[str, Candidate]:
    """Return what fits; nothing where nothing does, or it isn't found soon."""
    try:
        return resolve(wishes, shelf, rounds=_BUDGET + len(shelf.candidates)).chosen
    except (Conflict, VersionsUnresolved):
        return {}


def _ways_out(wishes: Sequence[Wish], core: Sequence[Wish], needs: Sequence[Need], shelf: Shelf) -> str:
    """Return the nearest ways out: another version asked for, else something else published, else less asked for."""
    found = [way for wish in core if (way := _another(wish, wishes, shelf))]
    found = found or [way for need in needs if (way := _accepting(need, wishes, shelf))]
    found = found or [f"leave {wish.name} out" for wish in core if _fits([one for one in wishes if one is not wish], shelf)]
    return "; or ".join(dict.fromkeys(found)) or "publish versions that accept one another, or name further places with --published"


def _another(wish: Wish, wishes: Sequence[Wish], shelf: Shelf) -> str:
    if wish.constraint.text == ANY:
        return ""
    fits = _fits([Wish(one.name, Constraint.parse(ANY)) if one is wish else one for one in wishes], shelf)
    return f"ask for {wish.name}={fits[wish.name].version}, which fits" if fits else ""


def _accepting(need: Need, wishes: Sequence[Wish], shelf: Shelf) -> str:
    """Return which version should be published: one that takes another version of what it needs."""
    if need.by is None:
        return ""
    row = tuple(one.without(need.name) for one in shelf.of(need.by.name))
    fits = _fits(wishes, Shelf({**shelf.candidates, need.by.name: row}))
    releases = [one for one in shelf.of(need.name) if not one.version.is_prerelease]
    taken = fits.get(need.name) or next(iter(releases), None)
    return f"publish a version of {need.by.name} that accepts {taken}" if fits and taken else ""
