"""Contracts between blocks: what a block needs of others against what is deployed, and of its own previous version.

A producer tells what is deployed by a Terraform output of its own, `block = { name, version }`; a consumer reads it through
`terraform_remote_state`, which Terraform reads anew with each plan. So the plan that is judged holds the evidence, and it is the
`name` in that output that counts, not what the data source is called. What can't be read is unknown, and unknown is refused: an
output that is missing, sensitive or malformed, one that may be a default of the consumer's own, one that is read in the apply only.
That a range is not met is a hard rule: the range is the block's own word, to be mended in its file. That a version isn't known may
be passed over, as long as a producer can't publish it yet.

A version of a block can be upgraded to the next only where both have the same nodes and volumes at the same places, and where
there is at least one version of each other block that both accept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.errors import UsageError
from immtf.model.terraform import SENSITIVE
from immtf.plan.changes import REMOTE_STATE
from immtf.plan.judge import Refusal
from immtf.plan.versions import Constraint, Version

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from immtf.model.block import Block, Cluster
    from immtf.model.terraform import PlanData, Resource


@dataclass(frozen=True, slots=True)
class Publication:
    """What a remote state tells of the block it belongs to; `problem` says why it tells none, or no version."""

    address: str
    name: str = ""
    version: str = ""
    problem: str = ""

    def __str__(self) -> str:
        """Say it in one half sentence."""
        return f"{self.address} {self.problem}" if self.problem else f"{self.address} is block {self.name} {self.version}"


def publications(plan: PlanData) -> tuple[Publication, ...]:
    """Return what each remote state of a plan tells, those too that Terraform would read in the apply only."""
    later = (row for row in plan.changes if row.mode == "data" and row.type == REMOTE_STATE and "read" in row.actions)
    return (
        *(_published(row) for row in plan.remote_states),
        *(Publication(row.address, problem="can't be read before the apply") for row in later),
    )


def judge_requires(block: Block, plan: PlanData, known: Collection[str] = (), later: Collection[str] = ()) -> list[Refusal]:
    """Judge a full plan by what the block requires of other blocks.

    `known` are those whose own states were judged already: of them no evidence is asked here, and what is there may not speak against.
    `later` are those that are judged as they will be: what is there now is no evidence.
    """
    found = publications(plan)
    return [
        refusal
        for name, text in sorted(block.requires.items())
        if name not in later
        for refusal in _judge_one(block, name, Constraint.parse(text), found, known=name in known)
    ]


def judge_previous(old: Block, new: Block) -> tuple[str, ...]:
    """Return everything in which a previous version of a block lacks the contract of the new one; nothing where it can be upgraded."""
    differences = [] if old.name == new.name else [f"the block is named {old.name}, not {new.name}"]
    if new.image and not old.image:
        differences.append(f"it takes no image, and {new.version} does (`image:`)")
    for name in sorted({*old.clusters, *new.clusters}):
        differences += _cluster_differences(name, old.clusters.get(name), new.clusters.get(name))
    for name in sorted({*old.requires} & {*new.requires}):
        if not any_fits(Constraint.parse(old.requires[name]), Constraint.parse(new.requires[name])):
            differences.append(f"no version of block {name} fits both: it requires {old.requires[name]}, not {new.requires[name]}")
    return tuple(differences)


def any_fits(one: Constraint, other: Constraint) -> bool:
    """Return whether any version satisfies both constraints.

    Enough to try, as ranges begin and end at versions that are written in them: each of those, and what comes right after each.
    """
    terms = (*one.terms, *other.terms)
    length = max(len(term.version.parsed.release) for term in terms)
    candidates = [term.version for term in terms]
    for release in ((0,), *(term.version.parsed.release for term in terms)):
        numbers = release + (0,) * (length - len(release))
        candidates += [Version.parse(".".join(map(str, found))) for found in (numbers, (*numbers, 1))]
    return any(one.allows(version) and other.allows(version) for version in candidates)


def _published(row: Resource) -> Publication:
    """Read what a producer says of itself, as it says it; anything that isn't plainly said is a problem."""
    outputs = row.values.get("outputs")
    told: Any = outputs.get("block") if isinstance(outputs, dict) else None
    if SENSITIVE in (outputs, told):
        return Publication(row.address, problem="publishes its output `block` as sensitive, so that it can't be read")
    item = publication(row.address, told)
    if item.name and "block" in (row.values.get("defaults") or {}):
        what = f"has a default for the output `block` of {item.name}, so nobody knows what is deployed"
        return Publication(row.address, item.name, problem=what)
    return item


def publication(address: str, told: Any) -> Publication:
    """Return what the value of an output `block` tells; `told` is None where there is no such output."""
    if not isinstance(told, dict) or not isinstance(told.get("name"), str):
        return Publication(address, problem="publishes no output `block` with a name")
    name, version = told["name"], told.get("version")
    if not isinstance(version, str):
        return Publication(address, name, problem=f"publishes no version of block {name} as text")
    try:
        Version.parse(version)
    except UsageError as error:
        return Publication(address, name, problem=f"publishes block {name} with a version that is none: {error.what}")
    return Publication(address, name, version)


def judge_publication(block: Block, name: str, wanted: Constraint, item: Publication) -> Iterator[Refusal]:
    """Judge what one state tells of a required block by the range that is wanted."""
    needs = f"block {block.name} {block.version} requires {name} {wanted}"
    if item.problem:
        yield Refusal("requires-unknown", (item.address,), f"{item.problem}; {needs}", _how_to_publish(name))
    elif not wanted.allows(Version.parse(item.version)):
        mend = f"deploy a version of {name} within {wanted} first, or a version of {block.name} that accepts {name} {item.version}"
        yield Refusal("requires-version", (item.address,), f"is block {name} {item.version}, and {needs}", mend)


def _judge_one(block: Block, name: str, wanted: Constraint, found: tuple[Publication, ...], *, known: bool) -> Iterator[Refusal]:
    mine = [item for item in found if item.name == name]
    needs = f"block {block.name} {block.version} requires {name} {wanted}"
    for item in mine:
        if not (known and item.problem):
            yield from judge_publication(block, name, wanted, item)
    if not mine and not known:
        seen = "; ".join(map(str, found)) or "it reads no `terraform_remote_state`"
        what = f"doesn't tell which version of block {name} is deployed ({seen}), and {needs}"
        yield Refusal("requires-unknown", (), what, _how_to_publish(name))


def _how_to_publish(name: str) -> str:
    return (
        f'publish it in the root module of {name}: output "block" {{ value = {{ name = "{name}", version = "1.2.3" }} }}, apply that, '
        "and read its state here with a data source terraform_remote_state that has no default for it"
    )


def _cluster_differences(name: str, old: Cluster | None, new: Cluster | None) -> Iterator[str]:
    """Tell what an upgrade can't change in a cluster: its being there, its nodes' address, its volumes and where they are mounted."""
    if old is None or new is None:
        yield f"it has {'no' if old is None else 'a'} cluster {name}: an upgrade neither makes one nor takes one away"
        return
    if old.nodes != new.nodes:
        yield f"cluster {name} has its nodes at {old.nodes}, not at {new.nodes}: moved, each would be another node"
    for volume in sorted({*old.volumes, *new.volumes}):
        before, after = old.volumes.get(volume), new.volumes.get(volume)
        if before is None or after is None:
            yield f"cluster {name} has {'no' if before is None else 'a'} volume {volume}: an upgrade neither makes one nor takes one away"
        elif before.mount != after.mount:
            yield f"cluster {name} mounts its volume {volume} at {before.mount}, not at {after.mount}: the data would come up elsewhere"
