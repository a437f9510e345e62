"""Pairs of a consumer and a producer in an upgrade of many blocks: which of the two goes first, or why neither may.

The table that this follows is in `plan.transitions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.plan.consumers import allows, called, changes_version, read_version
from immtf.plan.judge import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from immtf.model.block import Block
    from immtf.model.environment import Deployed


@dataclass
class Pairs:
    """What all pairs of consumer and producer amount to: why the first must, or had better, go before the second.

    A wish has no reason, "", where the producer's version stays as it is.
    """

    must: dict[tuple[str, str], str] = field(default_factory=dict)
    wish: dict[tuple[str, str], str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


def judge_wanted(name: str, wanted: Mapping[str, Block], deployed: Mapping[str, Deployed], pairs: Pairs) -> None:
    """Look at one block as it is to be, with each producer that it requires or, as it is deployed, has required so far."""
    new, old = wanted[name], deployed.get(name)
    before = {} if old is None else new.requires if old.requires is None else old.requires
    for need in sorted({*new.requires, *before} - {name}):
        if need in wanted:
            _judge_pair(_Pair(new, wanted[need], old, deployed.get(need), before.get(need)), pairs)
        elif need in new.requires:
            pairs.refusals += _judge_staying(new, deployed[need])


@dataclass(frozen=True)
class _Pair:
    """A consumer and a producer that are both wanted; `before` is what the deployed consumer accepts, None where that is anything."""

    consumer: Block
    producer: Block
    old_consumer: Deployed | None
    old_producer: Deployed | None
    before: str | None

    @property
    def names(self) -> tuple[str, str]:
        return self.consumer.name, self.producer.name

    @property
    def wanted(self) -> str | None:
        """What the new consumer accepts; None where that is anything."""
        return self.consumer.requires.get(self.producer.name)

    def new_takes_old(self) -> bool | None:
        """Return whether the new consumer accepts the producer as it is deployed; None where that isn't known."""
        if self.wanted is None or self.old_producer is None:
            return self.wanted is None
        return allows(self.wanted, self.old_producer.version)

    def old_takes_new(self) -> bool | None:
        """Return whether the deployed consumer accepts the new producer, which asks nobody where it stays as it is; None if not known."""
        if self.before is None or not changes_version(self.old_producer, self.producer):
            return True
        return allows(self.before, self.producer.version)


def _judge_pair(pair: _Pair, pairs: Pairs) -> None:
    consumer, producer = pair.names
    if pair.wanted is not None and not allows(pair.wanted, pair.producer.version):
        pairs.refusals.append(_misfit(pair.consumer, pair.wanted, pair.producer, "is wanted"))
        return
    later, sooner = pair.new_takes_old(), pair.old_takes_new()
    if sooner is None:
        pairs.refusals.append(_unreadable(pair))
    if later and sooner is False:
        what = f"{producer} {pair.producer.version} isn't accepted by {consumer} as it is deployed ({producer} {pair.before})"
        pairs.must[consumer, producer] = f"goes before {producer}, as {what}"
    elif not later and sooner is not False:
        pairs.must[producer, consumer] = f"goes before {consumer}, as {consumer} {pair.consumer.version} requires {producer} {pair.wanted}"
    elif later is False:
        pairs.refusals.append(_neither(pair))
    elif later is None:
        pairs.refusals.append(_unknown_producer(pair.consumer, pair.wanted, producer))
        pairs.must[consumer, producer] = f"goes before {producer}, as {consumer} as it is deployed accepts {producer} {pair.before}"
    elif pair.wanted is not None:
        pairs.wish[producer, consumer] = _either(pair)


def _either(pair: _Pair) -> str:
    """Say that either may go first; nothing where there is no step of the producer's version."""
    consumer, producer = pair.names
    old = pair.old_producer.version if pair.old_producer else ""
    if not old or old == pair.producer.version:
        return ""
    return f"goes before {consumer}, which accepts {producer} {old} and {pair.producer.version}"


def _judge_staying(new: Block, producer: Deployed) -> Iterator[Refusal]:
    """Judge a wanted block by a producer that is deployed and no part of the run."""
    text = new.requires[producer.name]
    if read_version(producer) is None:
        yield _unknown_producer(new, text, producer.name)
    elif not allows(text, producer.version):
        yield _misfit(new, text, producer, "is deployed")


def _neither(pair: _Pair) -> Refusal:
    consumer, producer = pair.names
    there = f"{producer} {pair.old_producer.version} is deployed" if pair.old_producer else f"no {producer} is deployed"
    old = f"{consumer} {pair.old_consumer.version}" if pair.old_consumer else consumer
    what = (
        f"requires {producer} {pair.wanted}, and {there}; {old}, which is deployed, accepts {producer} {pair.before}, "
        f"and {pair.producer.version} is wanted: neither can go first"
    )
    both = (
        f"{producer} {pair.old_producer.version} and {pair.producer.version}"
        if pair.old_producer
        else f"{producer} {pair.producer.version}"
    )
    mend = f"upgrade {consumer} first to a version in between that accepts both {both}, then to {pair.consumer.version}"
    return Refusal("upgrade-order", (called(pair.consumer),), what, mend)


def _misfit(consumer: Block, text: str | None, producer: Block | Deployed, how: str) -> Refusal:
    mend = (
        f"take a version of {producer.name} within {text}, or a version of {consumer.name} that accepts {producer.name} {producer.version}"
    )
    return Refusal("requires-version", (called(consumer),), f"requires {producer.name} {text}, and {called(producer)} {how}", mend)


def _unknown_producer(consumer: Block, text: str | None, name: str) -> Refusal:
    what = f"requires {name} {text}, and nobody knows which version of {name} is deployed"
    mend = f'publish it: output "block" {{ value = {{ name, version, requires }} }} in the root module of {name}, and apply that'
    return Refusal("requires-unknown", (called(consumer),), what, mend)


def _unreadable(pair: _Pair) -> Refusal:
    consumer, producer = pair.names
    what = f"is deployed and says that it requires {producer} `{pair.before}`, which is no constraint"
    mend = f"apply {consumer} anew with a file that says it rightly"
    return Refusal("consumer-unknown", (f"block {consumer}",), what, mend)
