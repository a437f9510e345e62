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


def ends(step: str) -> Callable[[dict[str, Any]], bool]:
    """Return the point at which a step is over, whether it had anything to do or not."""
    return lambda event: event.get("step") == step and event["event"] in {"step_finished", "step_skipped"}


def applies(action: str, kind: str) -> Callable[[dict[str, Any]], bool]:
    """Return the point at which Terraform begins to do this to a resource of this kind."""
    return lambda event: at("terraform_told", kind="apply_start", action=action)(event) and f".{kind}." in event["address"]


def settles(event: dict[str, Any]) -> bool:
    """Whether the cluster is asked for, and holds, while a node that was just made settles."""
    return at("gate_asked", gate="consul", held=True)(event) and event["needed"] > event["passes"] > 1
