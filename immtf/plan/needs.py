"""What a block needs of the blocks that it requires, judged by their states before anything is touched; and what it gets of them.

A producer has to be deployed, in a version within the range, and to publish each output that is used, of the right kind. What it
publishes goes into Terraform variables, where the consumer's HCL declares them:

- into single variables, as `variable:` says;
- all others together, as one object, into the variable that is named like the producer (dashes are underscores). Where the file lists no
  outputs, the object has every one that isn't sensitive.

A sensitive output goes into a variable that is declared sensitive, or nowhere: Terraform would print it else. A variable that is also
given by hand has to have the same value: one of the two would be passed over silently, and it is not for immtf to choose. Mocks stand
for the outputs of a producer that isn't deployed at all, and only where the caller says so, which is `plan`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from immtf.errors import UsageError
from immtf.model.environment import Deployed
from immtf.plan.contracts import judge_publication, publication
from immtf.plan.judge import Refusal
from immtf.plan.outputs import is_of, shape_of, variable_of
from immtf.plan.versions import Constraint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from immtf.model.block import Block, OutputNeed
    from immtf.model.outputs import Output, Outputs


@dataclass(frozen=True, slots=True)
class Reads:
    """What a root module takes from outside: its variables, those of them that are sensitive, and the remote states that it reads."""

    variables: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()
    remote_states: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Supply:
    """What the producers give: Terraform variables (left out of the repr), and the names of the blocks that mocks stand for."""

    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    mocked: tuple[str, ...] = ()


def judge_needs(
    block: Block, found: Mapping[str, Outputs], reads: Reads, given: Mapping[str, Any], *, mocks: bool, ways: Mapping[str, str]
) -> list[Refusal]:
    """Judge what a block requires by the states in `found`, which has each required block.

    `given` are the variables that are set by hand, `ways` has for each required block its directory and the options of this environment,
    as a command on it needs them.
    """
    refusals: list[Refusal] = []
    for name, text in sorted(block.requires.items()):
        if mocks and _is_mocked(block, found[name]):
            continue
        refusals += _judge_producer(block, found[name], Constraint.parse(text), ways[name], mocks=mocks)
        refusals += _judge_places(block, name, found[name], reads)
    made = supply(block, found, reads, mocks=False).variables
    return [*refusals, *(_contradiction(name) for name, value in sorted(made.items()) if name in given and not _same(given[name], value))]


def judge_declared(wanted: Mapping[str, Block], declared: Mapping[str, Collection[str]]) -> list[Refusal]:
    """Judge blocks that are upgraded together by what the HCL of each declares as outputs: what is deployed may have more by now.

    `declared` has those of the blocks that others use; where it tells of none at all, they aren't known.
    """
    refusals = []
    for name, block in sorted(wanted.items()):
        lacking = [(of, need.name) for of, needs in sorted(block.uses.items()) if declared.get(of) for need in needs]
        for of, output in lacking:
            if output not in declared[of]:
                near = get_close_matches(output, sorted(declared[of]), n=1)
                meant = f"; did you mean `{near[0]}`?" if near else ""
                producer = f"{of} {wanted[of].version}"
                what = f'uses the output "{output}" of {of}, and the HCL of {producer}, which is wanted, doesn\'t declare it{meant}'
                mend = f'declare output "{output}" in {producer}, or take a version of {name} that doesn\'t use it'
                refusals.append(Refusal("producer-output", (f"block {name} {block.version}",), what, mend))
    return refusals


def supply(block: Block, found: Mapping[str, Outputs], reads: Reads, *, mocks: bool) -> Supply:
    """Return what the producers give, as far as they are there; what is missing or of the wrong kind is `judge_needs`' to refuse."""
    variables: dict[str, Any] = {}
    mocked = []
    for name in sorted(block.requires):
        outputs = found.get(name)
        if outputs is None:
            continue
        needs = block.uses.get(name, ())
        if mocks and _is_mocked(block, outputs):
            mocked.append(name)
            values = {need.name: need.mock for need in needs}
        else:
            values = _values(outputs, needs)
        variables |= _assigned(name, needs, values, reads)
    return Supply(variables, tuple(mocked))


def refuse_called(block: Block, called: Mapping[str, object]) -> None:
    """Refuse called modules that read a required block's state: the environment's settings reach data sources of the root module alone.

    `called` has the data sources of called modules, by name, with the module. Raises `UsageError`.
    """
    for name in block.requires:
        for label in {name, variable_of(name)} & called.keys():
            raise UsageError(
                f'reads the state of block {name} where its own HCL says (data "terraform_remote_state" "{label}"), in every environment',
                where=str(called[label]),
                next=f"read it in the root module of {block.name}, and pass on what the module needs as variables",
            )


def unread(block: Block, reads: Reads) -> tuple[str, ...]:
    """Return the outputs that the file says are used and that the HCL has no place for, each as `base.vpc_id`."""
    return tuple(
        f"{name}.{need.name}"
        for name, needs in sorted(block.uses.items())
        for need in needs
        if not need.variable and variable_of(name) not in reads.variables and not _reads_state_of(name, reads)
    )


def deployed_of(outputs: Outputs) -> Deployed:
    """Return a block as it is deployed, by its own output `block`; what it doesn't plainly say is unknown."""
    value = _value(outputs, "block")
    told = publication(outputs.where, value)
    if told.name and told.name != outputs.block:
        return Deployed(outputs.block, problem=f"{outputs.where} is of block {told.name}")
    requires = value.get("requires") if isinstance(value, dict) else None
    is_plain = isinstance(requires, dict) and all(isinstance(text, str) for text in requires.values())
    return Deployed(outputs.block, told.version, dict(requires) if requires is not None and is_plain else None, told.problem)


def secrets_of(found: Mapping[str, Outputs]) -> list[Any]:
    """Return the sensitive values among the outputs, which nobody may be shown."""
    return [output.value for outputs in found.values() for output in outputs.values.values() if output.sensitive]


def source_of(name: str, reads: Reads) -> str:
    """Return the name of the data source by which the HCL reads a block's state; "" where it has none."""
    return next((label for label in (name, variable_of(name)) if label in reads.remote_states), "")


def _reads_state_of(name: str, reads: Reads) -> bool:
    return bool(source_of(name, reads))


def _is_mocked(block: Block, outputs: Outputs) -> bool:
    """Return whether mocks may stand for a producer: it isn't deployed, and each output that is used of it has one."""
    needs = block.uses.get(outputs.block, ())
    return not outputs.is_deployed and bool(needs) and all(need.mock is not None for need in needs)


def _values(outputs: Outputs, needs: tuple[OutputNeed, ...]) -> dict[str, Any]:
    """Return the values that are used: those that the file lists, or else all that aren't sensitive."""
    if needs:
        return {need.name: output.value for need in needs if (output := _published(outputs, need.name)) is not None}
    return {name: output.value for name, output in outputs.values.items() if not output.sensitive and output.value is not None}


def _assigned(name: str, needs: tuple[OutputNeed, ...], values: Mapping[str, Any], reads: Reads) -> dict[str, Any]:
    """Return the variables that take the values: single ones, and the object of all others."""
    single = {need.name: need.variable for need in needs if need.variable}
    variables = {single[output]: value for output, value in values.items() if single.get(output) in reads.variables}
    together = {output: value for output, value in values.items() if output not in single}
    if together and variable_of(name) in reads.variables:
        variables[variable_of(name)] = together
    return variables


def _judge_producer(block: Block, outputs: Outputs, wanted: Constraint, way: str, *, mocks: bool) -> Iterator[Refusal]:
    name = outputs.block
    if not outputs.is_deployed:
        needs = f"block {block.name} {block.version} requires {name} {wanted}"
        why = "is empty" if outputs.presence == "empty" else "isn't there"
        also = "; or give each output that is used of it a `mock`, for `plan` alone" if mocks else ""
        yield Refusal(
            "producer-absent", (outputs.where,), f"{why}, so block {name} isn't deployed; {needs}", f"first: `immtf create {way}`{also}"
        )
        return
    told = publication(outputs.where, _value(outputs, "block"))
    if told.name and told.name != name:
        what = f"is of block {told.name}, not of {name}"
        yield Refusal(
            "producer-absent", (outputs.where,), what, "give each block a place of its own in the backend: `{block}` in its key or path"
        )
        return
    yield from judge_publication(block, name, wanted, told)
    for need in block.uses.get(name, ()):
        yield from _judge_output(block, outputs, need, way)


def _judge_output(block: Block, outputs: Outputs, need: OutputNeed, way: str) -> Iterator[Refusal]:
    """Judge one output: is it there, and of its kind?"""
    output = _published(outputs, need.name)
    if output is None:
        near = get_close_matches(need.name, sorted(name for name in outputs.values if _published(outputs, name)), n=1)
        meant = f"; did you mean `{near[0]}`?" if near else ""
        what = f'has no output "{need.name}", which block {block.name} uses: it should be published by block {outputs.block}{meant}'
        mend = f'publish it: output "{need.name}" in the root module of {outputs.block}, and apply that: `immtf upgrade {way}`'
        yield Refusal("producer-output", (outputs.where,), what, mend)
    elif not is_of(need.kind, output.type, output.value):
        found = shape_of(output.type, output.value) or "of no type that is told"
        what = f'has the output "{need.name}" as {found}, and block {block.name} uses it as {need.kind}'
        mend = f"mend the type below `requires` of block {block.name}, or what block {outputs.block} publishes"
        yield Refusal("producer-output", (outputs.where,), what, mend)


def _judge_places(block: Block, name: str, outputs: Outputs, reads: Reads) -> Iterator[Refusal]:
    """Judge where the outputs go: the variables that are named are declared, and a sensitive value goes into a sensitive one."""
    for need in block.uses.get(name, ()):
        variable = need.variable or variable_of(name)
        if need.variable and need.variable not in reads.variables:
            near = get_close_matches(variable, sorted(reads.variables), n=1)
            what = f'is named for the output "{need.name}" of block {name} and isn\'t declared'
            mend = f"did you mean `{near[0]}`?" if near else f'declare it in the root module: variable "{variable}" {{}}'
            yield Refusal("producer-variable", (f"var.{variable}",), what, mend)
        output = _published(outputs, need.name)
        if output is not None and output.sensitive and variable in reads.variables - reads.sensitive:
            what = f'takes the output "{need.name}" of block {name}, which is sensitive, and would be shown'
            yield Refusal("producer-variable", (f"var.{variable}",), what, "declare it with `sensitive = true`")


def _contradiction(variable: str) -> Refusal:
    what = "is given by hand, and differs from what the block publishes that it comes from"
    mend = "leave it out of --var, --var-file, the environment's definition and TF_VAR_ variables: immtf sets it"
    return Refusal("producer-variable", (f"var.{variable}",), what, mend)


def _published(outputs: Outputs, name: str) -> Output | None:
    """Return an output that has a value; one that is null is none, as Terraform keeps none."""
    output = outputs.values.get(name)
    return output if output is not None and output.value is not None else None


def _value(outputs: Outputs, name: str) -> Any:
    output = outputs.values.get(name)
    return output.value if output is not None else None


def _same(given: Any, value: Any) -> bool:
    """Return whether a value that was given, perhaps as text, is the one that is published."""
    if given == value or not isinstance(given, str):
        return bool(given == value)
    try:
        return bool(json.loads(given) == value)
    except ValueError:
        return False
