"""The lines of `plan -json` and `apply -json` as typed records. Pure.

A line that is no JSON, or of a type this module doesn't know, becomes a `log` record: nothing that Terraform says is lost, and a
newer Terraform's new types break nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from immtf.adapters.terraform.diagnostics import Diagnostic, from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal[
    "planned_change",
    "resource_drift",
    "apply_start",
    "apply_progress",
    "apply_complete",
    "apply_errored",
    "provision_start",
    "provision_progress",
    "provision_complete",
    "provision_errored",
    "refresh_start",
    "refresh_complete",
    "change_summary",
    "diagnostic",
    "waiting",
    "log",
    "note",
]
_KNOWN: Final = frozenset(get_args(Kind))
_RENAMED: Final = {"state_lock_acquire": "waiting"}  # said only when the lock is not had at once
_NOT_TOLD: Final = frozenset({"outputs"})  # values; they are read with `output -json`, masked


@dataclass(frozen=True, slots=True)
class TerraformEvent:
    """Something Terraform said, or that immtf says about it (`waiting`, `note`).

    `action` is Terraform's word (`create`, `replace`…), `elapsed_s` the seconds since this object's own start.
    """

    kind: Kind
    message: str
    address: str = ""
    action: str = ""
    elapsed_s: float = 0.0
    diagnostic: Diagnostic | None = None


def parse_line(line: str) -> TerraformEvent | None:
    """Return the record in one line of a stream; None for an empty line and for lines that only hold outputs' values."""
    if not line.strip():
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return TerraformEvent("log", line.rstrip())
    if not isinstance(record, dict):
        return TerraformEvent("log", line.rstrip())
    return None if record.get("type") in _NOT_TOLD else _event(record)


def _event(record: Mapping[str, Any]) -> TerraformEvent:
    told = str(record.get("type", "log"))
    told = _RENAMED.get(told, told)
    body = record.get("change") or record.get("hook") or {}
    resource = body.get("resource") or {}
    diagnostic = record.get("diagnostic")
    return TerraformEvent(
        kind=cast("Kind", told) if told in _KNOWN else "log",
        message=str(record.get("@message", "")),
        address=str(resource.get("addr", "")),
        action=str(body.get("action", "")),
        elapsed_s=float(body.get("elapsed_seconds", 0.0)),
        diagnostic=from_json(diagnostic) if diagnostic else None,
    )
