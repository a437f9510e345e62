"""Deployed consumers: a block may not be upgraded past what another block, as it is deployed, accepts of it.

What a deployed block accepts is what it published itself when it was applied (`requires` in its output `block`), not what its file says
by now. That its range is left is a hard rule: the consumer would run on a producer that it says it can't run on. Where it doesn't tell
what it requires, it may require the very block that is to be upgraded: unknown is refused too, and may be passed over, for a block
that was applied before it could tell. A block that the upgraded one needs itself isn't asked: it can't need that one in turn.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from immtf.errors import UsageError
from immtf.plan.judge import Refusal
from immtf.plan.versions import Constraint, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from immtf.model.block import Block
    from immtf.model.environment import Deployed

_MOST_TOLD = 20  # blocks that tell nothing; that many in a message are enough to see that none does


def judge_producer(block: Block, deployed: Iterable[Deployed]) -> list[Refusal]:
    """Judge the upgrade of one block by everything that is deployed beside it; nothing is refused where its version stays as it is."""
    found = {item.name: item for item in deployed}
    if not changes_version(found.get(block.name), block):
        return []
    others = [item for name, item in sorted(found.items()) if name != block.name]
    refusals = [refusal for item in others for refusal in judge_consumer(item, {block.name: block}, found)]
    return [*refusals, *judge_unknown(others, {block.name: block}, found)]


def judge_removed(block: Block, deployed: Iterable[Deployed]) -> list[Refusal]:
    """Judge the destruction of one block by everything that is deployed beside it: nothing may be left that requires it."""
    found = {item.name: item for item in deployed if item.name != block.name}
    needed_by = requirers({block.name: block}, found)
    refusals = []
    for item in found.values():
        if item.requires is None and block.name not in reached(item.name, needed_by):
            why = f" ({item.problem})" if item.problem else ""
            what = f"is deployed and doesn't tell which blocks it requires{why}, perhaps {block.name}"
            mend = f"destroy {item.name} first, where it requires {block.name}"
            refusals.append(Refusal("consumer-unknown", (called(item),), what, mend))
        elif block.name in (item.requires or {}):
            mend = f"destroy {item.name} first, or upgrade it to a version that doesn't require {block.name}"
            refusals.append(Refusal("consumer-deployed", (called(item),), f"is deployed and requires {block.name}", mend))
    return refusals


def judge_consumer(consumer: Deployed, wanted: Mapping[str, Block], deployed: Mapping[str, Deployed]) -> Iterator[Refusal]:
    """Judge by one deployed block that stays as it is: does it accept each of those wanted that it requires?"""
    for name, text in sorted((consumer.requires or {}).items()):
        block = wanted.get(name)
        if block is None or name == consumer.name or not changes_version(deployed.get(name), block):
            continue
        accepted = allows(text, block.version)
        if accepted is None:
            what = f"is deployed and says that it requires {name} `{text}`, which is no constraint; {_move(block, deployed)}"
            yield Refusal("consumer-unknown", (called(consumer),), what, f"apply {consumer.name} anew with a file that says it rightly")
        elif not accepted:
            what = f"is deployed and accepts {name} {text}; {_move(block, deployed)}"
            way = f"upgrade {consumer.name} first, or in the same run, to a version that accepts {name} {block.version}"
            mend = f"{way}, or keep {name} within {text}"
            yield Refusal("consumer-version", (called(consumer),), what, mend)


def judge_unknown(consumers: Iterable[Deployed], wanted: Mapping[str, Block], deployed: Mapping[str, Deployed]) -> list[Refusal]:
    """Refuse deployed blocks that don't tell what they require, where they might require one whose version is to change."""
    moving = {name for name, block in wanted.items() if name in deployed and changes_version(deployed[name], block)}
    silent = [item for item in consumers if item.requires is None and moving - {item.name}]
    needed_by = requirers(wanted, deployed) if silent else {}
    refusals: list[Refusal] = []
    for item in silent:
        if len(refusals) == _MOST_TOLD:
            break
        if may := sorted(moving - reached(item.name, needed_by)):
            of = ", ".join(may[:3]) + (f" and {len(may) - 3} more" if len(may) > 3 else "")  # noqa: PLR2004 - a list that is read at a glance
            what = f"is deployed and doesn't tell which blocks it requires{f' ({item.problem})' if item.problem else ''}, perhaps {of}"
            mend = (
                f'publish it: output "block" {{ value = {{ name, version, requires }} }} in the root module of {item.name}, and apply that'
            )
            refusals.append(Refusal("consumer-unknown", (called(item),), what, mend))
    return refusals


def judge_unlisted(names: Sequence[str], what: str) -> Refusal:
    """Refuse to change or destroy blocks where nobody can say which blocks are deployed; `what` would be done to them."""
    of = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - a list that is read at a glance
    why = f"would be {what}, and which blocks are deployed can't be listed in this environment: perhaps one that requires {of}"
    mend = "look yourself that no deployed block is broken by it, or keep the states in S3 or in files, where they can be listed"
    return Refusal("consumer-unknown", tuple(f"block {name}" for name in names[:_MOST_TOLD]), why, mend)


def changes_version(old: Deployed | None, new: Block) -> bool:
    """Return whether the version of a block is to change; also where it isn't known what is deployed."""
    return old is None or (version := read_version(old)) is None or version != Version.parse(new.version)


def read_version(deployed: Deployed) -> Version | None:
    """Return the version that is deployed, or None where that isn't known."""
    try:
        return Version.parse(deployed.version)
    except UsageError:
        return None


def allows(constraint: str, version: str) -> bool | None:
    """Return whether a constraint lets a version through; None where one of them can't be read."""
    try:
        return Constraint.parse(constraint).allows(Version.parse(version))
    except UsageError:
        return None


def called(item: Deployed | Block) -> str:
    """Return how a block is called in a message."""
    return f"block {item.name} {item.version or '(version unknown)'}"


def _move(block: Block, deployed: Mapping[str, Deployed]) -> str:
    old = deployed.get(block.name)
    if old is None:
        return f"{block.name} would be made in version {block.version}"
    return f"{block.name} would go from {old.version or 'an unknown version'} to {block.version}"


def requirers(wanted: Mapping[str, Block], deployed: Mapping[str, Deployed]) -> Mapping[str, Collection[str]]:
    """Return for each block those that are known to require it, deployed or wanted."""
    found = defaultdict(set)
    requires = [
        *((name, block.requires) for name, block in wanted.items()),
        *((name, item.requires or {}) for name, item in deployed.items()),
    ]
    for name, needs in requires:
        for need in needs:
            found[need].add(name)
    return found


def reached(name: str, following: Mapping[str, Collection[str]]) -> set[str]:
    """Return what is reached from a name, itself too."""
    seen, waiting = {name}, [name]
    while waiting:
        new = set(following.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += new
    return seen
