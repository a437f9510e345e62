from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immtf.adapters.terraform.stream import TerraformEvent, parse_line

ADDRESS = 'module.server["a"].aws_instance.this'
RESOURCE = {"addr": ADDRESS}


def line(type_: str, message: str = "m", **more: Any) -> str:
    return json.dumps({"@level": "info", "@message": message, "type": type_} | more)


@pytest.mark.parametrize("kind", ["planned_change", "resource_drift"])
def test_changes(kind: str) -> None:
    assert parse_line(line(kind, change={"resource": RESOURCE, "action": "replace"})) == TerraformEvent(
        kind,  # type: ignore[arg-type] # one of Kind
        "m",
        ADDRESS,
        "replace",
    )


@pytest.mark.parametrize("kind", ["apply_start", "apply_progress", "apply_complete", "apply_errored", "refresh_start", "refresh_complete"])
def test_hooks(kind: str) -> None:
    event = parse_line(line(kind, hook={"resource": RESOURCE, "action": "create", "elapsed_seconds": 12}))
    assert event == TerraformEvent(kind, "m", ADDRESS, "create", 12.0)  # type: ignore[arg-type] # one of Kind


def test_a_diagnostic_comes_without_the_values_of_its_snippet() -> None:
    told = {
        "severity": "error",
        "summary": "Bad",
        "detail": "why",
        "address": ADDRESS,
        "range": {"filename": "main.tf", "start": {"line": 3}},
        "snippet": {"code": "x = hunter2", "values": [{"statement": "is hunter2"}]},
    }
    event = parse_line(line("diagnostic", diagnostic=told))
    assert event is not None
    assert event.diagnostic is not None
    assert (event.diagnostic.file, event.diagnostic.line, event.diagnostic.address) == ("main.tf", 3, ADDRESS)
    assert str(event.diagnostic) == f"main.tf:3: {ADDRESS}: Bad\nwhy"
    assert "hunter2" not in repr(event)


def test_a_wait_for_the_lock_is_told_as_waiting_and_outputs_are_not_told() -> None:
    waiting = parse_line(line("state_lock_acquire", "Acquiring state lock."))
    assert waiting == TerraformEvent("waiting", "Acquiring state lock.")
    assert parse_line(line("outputs", outputs={"o": {"value": "hunter2"}})) is None


@pytest.mark.parametrize("raw", ["panic: runtime error", "[1, 2]", '"text"', line("of_a_newer_terraform")])
def test_what_is_not_known_is_a_log_and_breaks_nothing(raw: str) -> None:
    event = parse_line(raw)
    assert event is not None
    assert event.kind == "log"


@given(st.text(alphabet=st.characters(exclude_characters="\n")))
def test_no_line_is_lost(raw: str) -> None:
    event = parse_line(raw)
    assert (event is None) == (not raw.strip())
