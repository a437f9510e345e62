"""Points of a run: what a test waits for in the journal before it interferes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def at(name: str, **fields: Any) -> Callable[[dict[str, Any]], bool]:
    """Return the point of the first event with this name and these fields."""
    return lambda event: {"event": name, **fields}.items() <= event.items()


def makes_instance(event: dict[str, Any]) -> bool:
    """Whether Terraform begins to create a node's instance."""
    return at("terraform_told", kind="apply_start", action="create")(event) and event["address"].endswith("aws_instance.this")
