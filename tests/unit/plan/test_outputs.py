"""A producer's state as text, and the kinds of values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from immtf.errors import ImmtfError
from immtf.model.outputs import Output
from immtf.plan.outputs import as_state, is_of, parse_outputs, shape_of, variable_of

WHERE = "the state of block base (local /states/base)"
NETWORK = {"mode": "managed", "instances": [{}, {}]}
READ = {"mode": "data", "instances": [{}]}


def state(**more: Any) -> str:
    return json.dumps({"version": 4, "serial": 3, "lineage": "l", "outputs": {}, "resources": [], **more})


def test_what_is_published_is_read_with_its_type_and_whether_it_is_sensitive() -> None:
    outputs = {"id": {"value": "net-1", "type": "string"}, "key": {"value": "k", "type": "string", "sensitive": True}}
    found = parse_outputs("base", WHERE, state(outputs=outputs, resources=[NETWORK, READ]))
    assert found.values == {"id": Output("id", "net-1", "string"), "key": Output("key", "k", "string", sensitive=True)}
    assert (found.block, found.where, found.presence, found.resources, found.is_deployed) == ("base", WHERE, "there", 2, True)


def test_no_value_is_in_any_repr() -> None:
    """F49."""
    assert "net-1" not in repr(parse_outputs("base", WHERE, state(outputs={"id": {"value": "net-1", "type": "string"}})))


@pytest.mark.parametrize(
    ("text", "presence"),
    [
        ("", "none"),
        ("\n", "none"),
        (state(lineage=""), "none"),
        (state(), "empty"),
        (state(resources=[READ]), "empty"),
        (state(resources=[{"mode": "managed", "instances": []}]), "empty"),
        (state(outputs=None, resources=None), "empty"),
        (state(resources=[NETWORK]), "there"),
        (state(outputs={"a": {"value": 1}}), "there"),
    ],
    ids=["nothing", "a blank line", "nobody wrote it", "destroyed", "reads only", "no instance", "null", "half made", "outputs only"],
)
def test_no_state_an_empty_one_and_one_that_has_something(text: str, presence: str) -> None:
    """F46."""
    found = parse_outputs("base", WHERE, text)
    assert (found.presence, found.is_deployed) == (presence, presence == "there")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "3", "{}", state(outputs=[1]), state(outputs={"a": 1}), state(outputs={"a": {}}), state(resources=[{}]), state(version=3)],
)
def test_anything_else_is_not_taken_for_an_absent_state(text: str) -> None:
    """F46."""
    with pytest.raises(ImmtfError, match="can't be read") as refused:
        parse_outputs("base", WHERE, text)
    assert refused.value.where == WHERE


def test_what_can_not_be_read_is_not_repeated() -> None:
    """F49."""
    with pytest.raises(ImmtfError) as refused:
        parse_outputs("base", WHERE, '{"outputs": {"key": {"value": "s3cr3t"')
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("kind", "declared", "value", "holds"),
    [
        ("any", None, None, True),
        ("string", "string", "a", True),
        ("string", "number", 3, False),
        ("number", "number", 3, True),
        ("bool", "bool", True, True),
        ("bool", "string", "true", False),
        ("list", ["tuple", ["string"]], ["a"], True),
        ("list", ["set", "string"], ["a"], True),
        ("list", ["object", {}], {}, False),
        ("map", ["object", {"a": "string"}], {"a": "b"}, True),
        ("map", ["map", "string"], {}, True),
        ("number", None, True, False),
        ("bool", None, True, True),
        ("number", None, 1.5, True),
        ("map", "dynamic", {}, True),
        ("string", None, None, False),
    ],
)
def test_the_kinds_of_values(kind: str, declared: Any, value: Any, holds: bool) -> None:
    assert is_of(kind, declared, value) is holds


def test_what_mocks_stand_in_is_a_state_that_is_read_back() -> None:
    values = {"a": "x", "b": [1, "two"], "c": {"d": True}, "e": 1.5}
    found = parse_outputs("base", WHERE, as_state(values))
    assert {name: output.value for name, output in found.values.items()} == values
    types = {name: output.type for name, output in found.values.items()}
    assert types == {"a": "string", "b": ["tuple", ["number", "string"]], "c": ["object", {"d": "bool"}], "e": "number"}
    assert json.loads(as_state({"n": None}))["outputs"]["n"]["type"] == "dynamic"


def test_names() -> None:
    assert variable_of("base-net") == "base_net"
    assert shape_of([], None) == ""
