"""The registry of checks against the code, and what `--allow` and `--reason` may say."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import immtf
from immtf.errors import UsageError
from immtf.model.block import CommandGate, Gate, HttpGate, TcpGate
from immtf.plan.checks import GATES, RULES, Overrides, allow, checks_of, may_override, named, way_past
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = re.compile(r"[a-z][a-z-]+")
PLACE = {"Refusal": 0, "refuse_rows": 1, "Halt": 2, "named": 0}  # where a call of this name has the check's id
HARD = [check.id for check in (*RULES, *GATES) if not check.overridable]
DATA_AND_QUORUM = {"volume-deleted", "other-node", "data-disk", "zone", "plan-errored", "mounted", "volumes", "spare", "quorum", "rehomed"}


def literals(tree: ast.AST) -> Iterator[str]:
    """Yield every check's id that is written down in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            given = [node.args[PLACE[name]]] if name in PLACE and len(node.args) > PLACE[name] else []
            given += [word.value for word in node.keywords if word.arg == "check"]
            if name == "Question":
                given += node.args[:1]
            yield from (item.value for item in given if isinstance(item, ast.Constant) and isinstance(item.value, str))


def written() -> set[str]:
    root = Path(immtf.__file__).parent
    modules = [path for room in ("plan", "run", "app") for path in (root / room).rglob("*.py")]
    return {name for path in modules for name in literals(ast.parse(path.read_text())) if name and ID.fullmatch(name)}


def make_gated(*gates: Gate) -> tuple[str, ...]:
    block = make_block()
    cluster = replace(block.clusters["server"], gates=gates)
    return tuple(check.id for check in checks_of(replace(block, clusters={"server": cluster})))


def test_every_check_in_the_code_has_a_row_and_every_row_a_check() -> None:
    assert written() == {check.id for check in RULES}


def test_every_kind_of_gate_has_a_row_and_no_id_is_used_twice() -> None:
    ids = [check.id for check in (*RULES, *GATES)]
    assert len(ids) == len(set(ids))
    assert {kind.__name__.removesuffix("Gate").lower() for kind in Gate.__args__} == {check.id for check in GATES}
    assert all(check.guards and check.why for check in (*RULES, *GATES))


def test_what_guards_data_or_quorum_is_hard() -> None:
    assert set(HARD) >= DATA_AND_QUORUM
    assert {check.id for check in checks_of() if check.overridable} >= {"consul", "http", "tcp", "command", "image-architecture"}


@pytest.mark.parametrize("check", HARD)
def test_a_hard_rule_can_not_be_named_nor_passed_by_whoever_makes_the_override(check: str) -> None:
    with pytest.raises(UsageError, match=rf"`{check}` is a hard rule"):
        allow([check], "because", checks_of())
    assert Overrides({check: "because"}).reason(check) is None
    assert way_past(check) == ""


def test_a_block_s_gates_stand_there_by_their_own_ids() -> None:
    ids = make_gated(HttpGate(url="http://{address}:8080/"), TcpGate(port=22), CommandGate(run="true", name="ready"))
    assert ids[-3:] == ("http:8080", "tcp:22", "command:ready")
    assert not {"http", "tcp", "mounted", "consul"} & set(ids)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("htp:8080", "did you mean `http:8080`?"), ("http", "did you mean `http:8080`?"), ("sha-red-change", "did you mean `shared-change`?")],
)
def test_an_unknown_check_is_told_with_the_one_that_is_meant(name: str, meant: str) -> None:
    block = make_block()
    cluster = replace(block.clusters["server"], gates=(HttpGate(url="http://{address}:8080/"),))
    with pytest.raises(UsageError, match=re.escape(meant)) as caught:
        allow([name], "because", checks_of(replace(block, clusters={"server": cluster})))
    assert "http:8080" in caught.value.next
    assert "volume-deleted" not in caught.value.next


def test_what_is_like_no_check_is_told_without_a_guess() -> None:
    with pytest.raises(UsageError, match="there is no check `xyzzy`\n"):
        allow(["xyzzy"], "because", checks_of())


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_reason_is_needed(reason: str | None) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        allow(["consul"], reason, checks_of(make_block()))


def test_an_override_is_of_one_check_alone() -> None:
    given = allow(["consul"], " the leader is known to flap ", checks_of(make_block()))
    assert given.reason("consul") == "the leader is known to flap"
    assert [given.reason(check) for check in ("consul:second", "http:8080", "mounted", "volume-deleted", "")] == [None] * 5
    assert allow([], None, checks_of()) == Overrides()


def test_what_is_not_known_may_not_be_passed() -> None:
    assert not may_override("no-such-check")
    assert may_override("http:8080")
    assert way_past("http:8080") == '; where it may be passed over, add --allow=http:8080 --reason "why"'
    assert (named("zone"), named("")) == ("[zone] ", "")
