"""How a required block stands in the file: a constraint alone, or with the outputs that are used of it.

```yaml
requires:
  dns: "~> 1.0"
  base:
    version: "~> 2.0"
    outputs:
      vpc_id: string
      subnets: { type: list, variable: subnet_ids, mock: [] }
```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from immtf.model.block import OutputNeed
from immtf.plan.config.fields import ConstraintText, Maybe, Variable, given, wrong
from immtf.plan.config.gates import Closed
from immtf.plan.outputs import SHAPES, is_of, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from immtf.plan.config.document import Path

OUTPUT = r"^[A-Za-z_][A-Za-z0-9_-]*$"
SHORT, LONG = "short", "long"  # the two forms, as pydantic names them in the place of a mistake


class Output(Closed):
    """An output that is used of a required block."""

    type: Literal["any", "string", "number", "bool", "list", "map"] = "any"
    """What its value must be. A list may be a set or a tuple in Terraform too, a map an object."""
    variable: Maybe[Variable] = None
    """The Terraform variable that takes it; left out, it goes into the variable that is named like the block."""
    mock: Annotated[Any, BeforeValidator(given)] = None
    """What stands for it in a `plan` where the block isn't deployed, and nowhere else."""


def _output_name(text: str) -> str:
    if re.fullmatch(OUTPUT, text) is None:
        raise wrong(f"`{text}` is not the name of a Terraform output", "letters, digits, `-` and `_`, no digit first")
    return text


def _form(value: Any) -> str:
    """Tell pydantic which form an entry has, so that mistakes are told of that form only."""
    return LONG if isinstance(value, dict) else SHORT


OutputName = Annotated[str, AfterValidator(_output_name), Field(json_schema_extra={"pattern": OUTPUT})]
OutputEntry = Annotated[
    Annotated[Literal["any", "string", "number", "bool", "list", "map"], Tag(SHORT)] | Annotated[Output, Tag(LONG)], Discriminator(_form)
]


class Requirement(Closed):
    """A block that this one needs, with what is used of it."""

    version: ConstraintText
    """Constraint on the block's version in Terraform's syntax."""
    outputs: dict[OutputName, OutputEntry] = Field(default={})
    """The outputs that are used of it, each with its type, or with more: `{ type: list, variable: subnet_ids, mock: [] }`."""


RequiresEntry = Annotated[Annotated[ConstraintText, Tag(SHORT)] | Annotated[Requirement, Tag(LONG)], Discriminator(_form)]


def constraint_of(entry: str | Requirement) -> str:
    """Return the constraint on the version, in whichever form it stands."""
    return entry if isinstance(entry, str) else entry.version


def needs_of(entry: str | Requirement) -> tuple[OutputNeed, ...]:
    """Return the outputs that are used, in the order of the file."""
    return () if isinstance(entry, str) else tuple(_need(name, output) for name, output in entry.outputs.items())


def _need(name: str, entry: str | Output) -> OutputNeed:
    output = entry if isinstance(entry, Output) else Output(type=entry)  # type: ignore[arg-type]  # pydantic checked it
    return OutputNeed(name, output.type, output.variable or "", output.mock)


def path_in_file(path: Path) -> Path:
    """Take the marks of the two forms out of pydantic's location of what stands below `requires`."""
    match path:
        case ("requires", name, _, "outputs", output, _, *rest):
            return ("requires", name, "outputs", output, *rest)
        case ("requires", name, "short" | "long", *rest):
            return ("requires", name, *rest)
        case _:
            return path


def requires_checks(data: dict[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """See that no two values go into one variable, and that a mock is of the type that it stands for; yields path, what, hint."""
    taken = _taken(data)
    for path, entry in _outputs(data):
        variable = entry.get("variable")
        if isinstance(variable, str) and variable in taken:
            yield (
                (*path, "variable"),
                f"the variable `{variable}` takes {taken[variable]} already",
                "each value needs a variable of its own",
            )
        elif isinstance(variable, str):
            taken[variable] = f"the output `{path[-1]}` of {path[1]}"
        kind, mock = entry.get("type", "any"), entry.get("mock")
        if mock is not None and isinstance(kind, str) and kind in SHAPES and not is_of(kind, None, mock):
            yield (*path, "mock"), f"the mock is not of the type `{kind}`", "it stands for the output, so it has to be of its type"


def _taken(data: dict[str, Any]) -> dict[str, str]:
    """Return the variables that take something else already: the image's id, the lab's network, all of a block's outputs."""
    places = (("image", "variable", "the image's id"), ("lab", "network", "the lab's network"))
    requires = data.get("requires")
    found = {variable_of(str(name)): f"the outputs of {name}" for name in (requires if isinstance(requires, dict) else ())}
    for key, name, what in places:
        section = data.get(key)
        if isinstance(section, dict) and isinstance(section.get(name), str):
            found[section[name]] = what
    return found


def _outputs(data: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give every output in its long form, with its path; what has the wrong type is passed over."""
    requires = data.get("requires")
    for name, entry in requires.items() if isinstance(requires, dict) else ():
        outputs = entry.get("outputs") if isinstance(entry, dict) else None
        for output, form in outputs.items() if isinstance(outputs, dict) else ():
            if isinstance(form, dict):
                yield ("requires", name, "outputs", output), form
