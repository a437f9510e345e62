"""The outputs of another block: read from its state, and what their values are, by Terraform's own word for it where it gives one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from immtf.errors import ImmtfError
from immtf.model.outputs import Output, Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

SHAPES: Final[Mapping[str, frozenset[str]]] = {  # of each kind in a block's file, Terraform's kinds of types
    "any": frozenset(),
    "string": frozenset({"string"}),
    "number": frozenset({"number"}),
    "bool": frozenset({"bool"}),
    "list": frozenset({"list", "set", "tuple"}),
    "map": frozenset({"map", "object"}),
}
FORMAT = 4  # of a state: the one that Terraform writes since 0.12
# In this order: True is an int.
_OF_VALUE = ((bool, "bool"), (str, "string"), (int, "number"), (float, "number"), (list, "list"), (dict, "map"))


def variable_of(block: str) -> str:
    """Return the name of the variable, or of the data source, that stands for a block in another one's HCL."""
    return block.replace("-", "_")


def is_of(kind: str, declared: Any, value: Any) -> bool:
    """Return whether a value is of a kind; `declared` is Terraform's type in JSON, `["list", "string"]` or the like, None where unknown."""
    return kind == "any" or shape_of(declared, value) in SHAPES[kind]


def shape_of(declared: Any, value: Any) -> str:
    """Return in one word what a value is: string, number, bool, list, set, tuple, map, object; "" where that can't be told."""
    told = declared[0] if isinstance(declared, list) and declared else declared
    if isinstance(told, str) and told != "dynamic":
        return told
    return next((name for kind, name in _OF_VALUE if isinstance(value, kind)), "")


def parse_outputs(block: str, where: str, text: str) -> Outputs:
    """Read a state as `terraform state pull` tells it; "" is none. Raises `ImmtfError` for anything else that isn't a state."""
    if not text.strip():
        return Outputs(block, where, "none")
    try:
        state = json.loads(text)
        values = {name: _output(name, told) for name, told in (state.get("outputs") or {}).items()}
        resources = sum(len(row["instances"]) for row in state.get("resources") or () if row["mode"] == "managed")
        version, lineage = state["version"], state.get("lineage")
    except (ValueError, AttributeError, KeyError, TypeError):
        raise _unreadable(where, "it is no state of Terraform's") from None  # no word of it: a state holds secrets
    if version != FORMAT:
        raise _unreadable(where, f"its format is {version}, and only {FORMAT} is known")
    if values or resources:
        return Outputs(block, where, "there", values, resources)
    return Outputs(block, where, "empty" if lineage else "none")  # some backends give one that nobody wrote where there is none


def as_state(values: Mapping[str, Any]) -> str:
    """Return a state that has these outputs and nothing else, as a file of Terraform's own."""
    outputs = {name: {"value": value, "type": _type_of(value)} for name, value in values.items()}
    head = {"version": FORMAT, "terraform_version": "1.0.0", "serial": 1, "lineage": "mock"}
    return json.dumps({**head, "outputs": outputs, "resources": []})


def _type_of(value: Any) -> Any:
    """Return Terraform's type of a plain value."""
    match value:
        case list():
            return ["tuple", [_type_of(item) for item in value]]
        case dict():
            return ["object", {name: _type_of(item) for name, item in value.items()}]
        case _:
            return shape_of(None, value) or "dynamic"


def _output(name: str, told: Mapping[str, Any]) -> Output:
    return Output(name, told["value"], told.get("type"), sensitive=bool(told.get("sensitive")))


def _unreadable(where: str, why: str) -> ImmtfError:
    return ImmtfError(f"can't be read: {why}", where=where, next="look at it with `terraform state pull` in that block's root module")
