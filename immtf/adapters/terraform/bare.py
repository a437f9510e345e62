"""Terraform on a root module that is generated from a state, to destroy what the state has: see `immtf.plan.bare`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from immtf.adapters.terraform.cli import TerraformCli
from immtf.plan.bare import FILE, bare_document, bare_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from immtf.adapters.clock import Urgent
    from immtf.adapters.terraform.stream import TerraformEvent
    from immtf.model.reaping import StoredState


@dataclass(frozen=True, kw_only=True)
class BareTerraform:
    """Makes such Terraforms. `aws` are the settings of the provider aws, `environment` is complete, `cancel` ends waiting."""

    aws: Mapping[str, Any]
    binary: str
    environment: Mapping[str, str]
    listen: Callable[[TerraformEvent], None]
    cancel: Urgent

    def on(self, state: StoredState, document: Mapping[str, Any], directory: Path) -> TerraformCli:
        """Return Terraform on a state, in `directory`, which is made; it is initialised, nothing is planned yet.

        Raises `PersonNeeded` where the state can't be destroyed without its block.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / FILE).write_text(json.dumps(bare_document(state.backend, document, self.aws), indent=2))
        terraform = TerraformCli(
            root=directory,
            binary=self.binary,
            environment=bare_environment(self.environment),
            scratch=directory / "scratch",
            listen=self.listen,
            cancel=self.cancel,
        )
        terraform.init()
        return terraform
