"""What a run over many blocks tells the run of each of them of the others: whom to ask, and what will be deployed by its turn.

Were each to read the states of all the others, a run over hundreds of blocks would read hundreds of thousands of states. All are read
once, before the first block begins; after that each block's run reads those anew that have to do with it: what it requires, and what
may require it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from immtf.errors import UsageError
from immtf.model.environment import Deployed, Neighbours
from immtf.model.outputs import Output, Outputs
from immtf.plan.consumers import changes_version, reached, requirers
from immtf.plan.outputs import is_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from immtf.model.block import Block, OutputNeed


def consumers_of(command: str, wanted: Mapping[str, Block], deployed: Mapping[str, Deployed]) -> dict[str, tuple[str, ...]]:
    """Return for each block of a run the others that its own run has to ask whether they accept what becomes of it.

    Those are the deployed ones that require it or, of an upgrade, will require it by then. One that doesn't tell what it requires is
    among them where it may be broken; but of an upgrade, where all such were judged together before its first step.
    """
    found: dict[str, set[str]] = {name: set() for name in wanted}
    told = [(item.name, item.requires or {}) for item in deployed.values()]
    upgrades = command in {"plan", "upgrade"}
    told += [(name, block.requires) for name, block in wanted.items() if upgrades and name in deployed]
    for consumer, requires in told:
        for need in requires:
            if need in found and need != consumer:
                found[need].add(consumer)
    if not upgrades:
        moving = {name for name in wanted if name in deployed and (command == "destroy" or changes_version(deployed[name], wanted[name]))}
        silent = [name for name, item in deployed.items() if item.requires is None]
        needed_by = requirers({}, deployed) if silent else {}
        for consumer in silent:
            for name in moving - reached(consumer, needed_by):
                found[name].add(consumer)
    return {name: tuple(sorted(consumers)) for name, consumers in found.items()}


def before_each(wanted: Mapping[str, Block], consumers: Mapping[str, Collection[str]]) -> dict[str, dict[str, Deployed]]:
    """Return for each block, in the order of an upgrade, those of its producers and consumers that go before it, as they are then."""
    place = {name: index for index, name in enumerate(wanted)}
    return {
        name: {
            other: Deployed(other, wanted[other].version, dict(wanted[other].requires))
            for other in sorted({*block.requires, *consumers[name]})
            if other in place and place[other] < place[name]
        }
        for name, block in wanted.items()
    }


def by_then(outputs: Outputs, then: Deployed, needs: Sequence[OutputNeed], publishes: Collection[str]) -> tuple[Outputs, tuple[str, ...]]:
    """Return what a producer publishes once it is upgraded, as far as that is known now, and the names of what only the upgrade gives.

    `publishes` are the outputs that its HCL declares then: one that is used, and isn't there as it has to be, comes with the upgrade.
    """
    value = {"name": then.name, "version": then.version, "requires": dict(then.requires or {})}
    values = {**outputs.values, "block": Output("block", value)}
    later = tuple(need.name for need in needs if need.name in publishes and not _is_there(outputs, need))
    return Outputs(outputs.block, outputs.where, outputs.presence, values, outputs.resources), later


def _is_there(outputs: Outputs, need: OutputNeed) -> bool:
    output = outputs.values.get(need.name)
    return output is not None and output.value is not None and is_of(need.kind, output.type, output.value)


def as_text(neighbours: Neighbours) -> str:
    """Write neighbours for a run of immtf in another process."""
    before = {
        name: {"version": item.version, "requires": dict(item.requires or {}), "publishes": sorted(neighbours.publishes.get(name, ()))}
        for name, item in neighbours.before.items()
    }
    return json.dumps({"consumers": list(neighbours.consumers), "listed": neighbours.listed, "before": before})


def read_neighbours(path: Path) -> Neighbours:
    """Read them. Raises `UsageError` for what is no such file: it is written by immtf alone."""
    try:
        told: dict[str, Any] = json.loads(path.read_text())
        before = told["before"].items()
        return Neighbours(
            tuple(told["consumers"]),
            told["listed"] is True,
            {name: Deployed(name, row["version"], row["requires"]) for name, row in before},
            {name: frozenset(row["publishes"]) for name, row in before},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is no file of a run over many blocks: {error}"
        raise UsageError(what, where=str(path), next="leave --neighbours out: it is immtf's own") from None
