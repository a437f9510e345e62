"""Where a command works: which cloud, which environment in it, with which tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from immtf.model.environment import States


@dataclass(frozen=True, kw_only=True)
class Target:
    """A place to work in.

    `environment` is its name, `is_test` whether it may be thrown away. `process` is the complete environment of children and the source
    of credentials. `directory` holds the state and Terraform's work tree of an environment that immtf keeps itself; None means that
    Terraform works in the block's own directory with the backend it configures. `variables` go to Terraform where the configuration
    declares them. `override` is what the place puts beside the configuration (backend, provider). `calls` counts all API calls, where the
    place can. `states` are those of all blocks in an environment that immtf knows the backends of, None where each block has its own in
    its HCL; `tags` go on everything that Terraform makes there. `flags` are the options that lead a next command to the same place.
    `generated`: immtf made the name up for this very run, so that nothing of anybody else's bears it.
    """

    cloud: str
    environment: str
    is_test: bool
    home: Path
    process: Mapping[str, str]
    terraform: str = "terraform"
    directory: Path | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    override: Mapping[str, Any] = field(default_factory=dict)
    calls: Callable[[], int] | None = None
    states: States | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    flags: str = ""
    generated: bool = False

    @property
    def runs(self) -> Path:
        """Return the directory of the journals."""
        return self.home / "runs"
