"""Terraform's JSON -> data: `terraform show -json` of a plan file and of a state, and nothing else.

Pure. The documented format's first number is checked: a format this module doesn't know is an error, never an empty plan.
Sensitive values are masked here, before anything else sees them. What a step may change is judged elsewhere, on this data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from immtf.errors import TerraformFailed
from immtf.model.terraform import SENSITIVE, Change, PlanData, Resource, StateData

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REMOTE_STATE = "terraform_remote_state"


def parse_plan(document: Mapping[str, Any]) -> PlanData:
    """Return the plan in the JSON of `show -json PLANFILE`. Raises `TerraformFailed` for a format that isn't known."""
    _require_format(document, "plan")
    return PlanData(
        changes=tuple(_change(row) for row in document.get("resource_changes") or ()),
        outputs_changed=_changed_outputs(document.get("output_changes") or {}),
        errored=bool(document.get("errored", False)),
        remote_states=tuple(row for row in _resources(_root(document.get("prior_state") or {})) if row.type == REMOTE_STATE),
        drift=tuple(_change(row) for row in document.get("resource_drift") or ()),
    )


def parse_state(document: Mapping[str, Any], *, serial: int | None = None) -> StateData:
    """Return the state in the JSON of `show -json`; an environment that was never applied has no resources.

    Raises `TerraformFailed` for a format that isn't known.
    """
    _require_format(document, "state")
    values = document.get("values") or {}
    return StateData(
        resources=tuple(_resources(_root(document))),
        outputs=parse_outputs(values.get("outputs") or {}),
        serial=serial,
    )


def parse_outputs(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the JSON of `output -json` by name, sensitive ones masked."""
    return {name: SENSITIVE if output.get("sensitive") else output.get("value") for name, output in document.items()}


def _root(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the root module of a state's JSON; an empty one where nothing was ever applied."""
    return _mapping(_mapping(document.get("values")).get("root_module"))


def _require_format(document: Mapping[str, Any], kind: str) -> None:
    version = str(document.get("format_version", ""))
    if version.split(".", maxsplit=1)[0] not in {"0", "1"}:
        raise TerraformFailed(
            f"Terraform's {kind} JSON has the format version {version!r}; only 0.x and 1.x are known",
            next="use a Terraform 1.x or OpenTofu 1.x, or a newer immtf",
        )


def _change(row: Mapping[str, Any]) -> Change:
    change = row["change"]
    return Change(
        address=row["address"],
        module=row.get("module_address", ""),
        type=row["type"],
        name=row["name"],
        index=row.get("index"),
        mode=row["mode"],
        actions=tuple(change["actions"]),
        reason=row.get("action_reason", ""),
        replace_paths=tuple(_path(steps) for steps in change.get("replace_paths") or ()),
        before=_masked(change.get("before"), change.get("before_sensitive")),
        after=_masked(change.get("after"), change.get("after_sensitive")),
        deposed=row.get("deposed", ""),
        previous=row.get("previous_address", ""),
    )


def _resources(module: Mapping[str, Any]) -> Iterator[Resource]:
    for row in module.get("resources") or ():
        yield Resource(
            address=row["address"],
            module=module.get("address", ""),
            type=row["type"],
            name=row["name"],
            index=row.get("index"),
            values=_masked(row.get("values"), row.get("sensitive_values")),
            mode=row["mode"],
            tainted=bool(row.get("tainted", False)),
            deposed=row.get("deposed_key", ""),
        )
    for child in module.get("child_modules") or ():
        yield from _resources(child)


def _changed_outputs(document: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(name for name, change in document.items() if change.get("actions") != ["no-op"]))


def _path(steps: list[Any]) -> str:
    """Write `["ebs_block_device", 0, "size"]` as `ebs_block_device[0].size`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _masked(value: Any, marks: Any) -> dict[str, Any]:
    """Mask an object's attributes; an object that is sensitive as a whole keeps its attributes' names only."""
    attributes = _mapping(value)
    if marks is True:
        return dict.fromkeys(attributes, SENSITIVE)
    return _mapping(_mask(attributes, marks))


def _mask(value: Any, marks: Any) -> Any:
    if marks is True:
        return SENSITIVE
    if isinstance(value, dict) and isinstance(marks, dict):
        return {key: _mask(item, marks.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(marks, list):
        return [_mask(item, marks[place] if place < len(marks) else None) for place, item in enumerate(value)]
    return value
