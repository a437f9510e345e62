from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.errors import TerraformFailed
from immtf.model.terraform import SENSITIVE, Change
from immtf.plan.changes import parse_outputs, parse_plan, parse_state


def make_row(actions: list[str], **more: Any) -> dict[str, Any]:
    change = {"actions": actions, "before": {"id": "i-1"}, "after": {}} | more.pop("change", {})
    row = {"address": "aws_instance.this", "mode": "managed", "type": "aws_instance", "name": "this", "change": change}
    return row | more


def make_plan(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": list(rows)} | more


def make_change(*actions: str, **more: Any) -> Change:
    return Change("a.b", "", "a", "b", None, "managed", actions, **more)


def test_a_row_is_read_whole() -> None:
    row = make_row(
        ["delete", "create"],
        address='module.server["a"].aws_instance.this[0]',
        module_address='module.server["a"]',
        index=0,
        action_reason="replace_because_cannot_update",
        deposed="ab12",
        previous_address="aws_instance.old",
        change={"replace_paths": [["ami"], ["ebs_block_device", 0, "size"]]},
    )
    (change,) = parse_plan(make_plan(row)).changes
    assert (change.module, change.index, change.reason) == ('module.server["a"]', 0, "replace_because_cannot_update")
    assert change.replace_paths == ("ami", "ebs_block_device[0].size")
    assert (change.deposed, change.previous, change.before["id"]) == ("ab12", "aws_instance.old", "i-1")


@pytest.mark.parametrize(
    ("actions", "true"),
    [
        (("no-op",), {"is_noop"}),
        (("read",), {"is_noop"}),
        (("create",), {"is_create"}),
        (("update",), {"is_update"}),
        (("delete",), {"is_delete", "destroys"}),
        (("delete", "create"), {"is_replace", "destroys"}),
        (("create", "delete"), {"is_replace", "destroys", "creates_first"}),
        (("forget",), {"is_forget"}),
        (("create", "forget"), {"is_forget"}),
    ],
)
def test_predicates(actions: tuple[str, ...], true: set[str]) -> None:
    change = make_change(*actions)
    names = {"is_noop", "is_create", "is_update", "is_delete", "is_replace", "creates_first", "destroys", "is_forget"}
    assert {name for name in names if getattr(change, name)} == true


def test_outputs_that_change() -> None:
    outputs = {"b": {"actions": ["update"]}, "a": {"actions": ["no-op"]}}
    plan = parse_plan(make_plan(output_changes=outputs))
    assert plan.outputs_changed == ("b",)


@pytest.mark.parametrize("document", [{}, {"format_version": "2.0"}, {"format_version": ""}])
def test_an_unknown_format_is_an_error_and_no_empty_plan(document: dict[str, Any]) -> None:
    with pytest.raises(TerraformFailed, match="format version"):
        parse_plan(document)
    with pytest.raises(TerraformFailed, match="format version"):
        parse_state(document)


def test_sensitive_values_are_masked_where_they_are_marked() -> None:
    change = {
        "before": {"id": "i-1", "password": "old", "tags": {"a": "1", "s": "secret"}, "keys": ["x", "secret", "z"]},
        "before_sensitive": {"password": True, "tags": {"s": True}, "keys": [False, True]},
        "after": {"password": "new"},
        "after_sensitive": True,
    }
    (parsed,) = parse_plan(make_plan(make_row(["update"], change=change))).changes
    assert parsed.before == {"id": "i-1", "password": SENSITIVE, "tags": {"a": "1", "s": SENSITIVE}, "keys": ["x", SENSITIVE, "z"]}
    assert parsed.after == {"password": SENSITIVE}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_repr_holds_a_value(value: Any) -> None:
    row = make_row(["update"], change={"before": {"k": value, "secret": "hunter2"}, "after": {"k": value}})
    state = {"format_version": "1.0", "values": {"root_module": {"resources": [row | {"values": {"s": "hunter2"}}]}}}
    assert "hunter2" not in repr(parse_plan(make_plan(row))) + repr(parse_state(state))


def test_the_state_with_its_modules() -> None:
    row = {"address": "a.b", "mode": "managed", "type": "a", "name": "b", "values": {"id": "1", "p": "x"}, "sensitive_values": {"p": True}}
    document = {
        "format_version": "1.0",
        "values": {
            "outputs": {"o": {"sensitive": False, "value": [1]}, "s": {"sensitive": True, "value": "x"}},
            "root_module": {
                "resources": [row],
                "child_modules": [
                    {
                        "address": "module.m",
                        "resources": [row | {"address": "module.m.a.b", "index": "k", "tainted": True, "deposed_key": "d"}],
                    },
                ],
            },
        },
    }
    state = parse_state(document, serial=4)
    assert [(r.address, r.module, r.index, r.tainted, r.deposed) for r in state.resources] == [
        ("a.b", "", None, False, ""),
        ("module.m.a.b", "module.m", "k", True, "d"),
    ]
    assert state.resources[0].values == {"id": "1", "p": SENSITIVE}
    assert (state.outputs, state.serial) == ({"o": [1], "s": SENSITIVE}, 4)


def test_an_environment_that_was_never_applied_has_no_resources() -> None:
    assert parse_state({"format_version": "1.0"}).resources == ()
    assert parse_outputs({}) == {}
