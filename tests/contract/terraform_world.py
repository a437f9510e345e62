"""A root module of one's own with real Terraform on it: builtin `terraform_data`, local state, no provider, no network."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from immtf.adapters.terraform import TerraformCli, TerraformEvent, TerraformLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

BINARY = shutil.which("terraform") or shutil.which("tofu") or ""
ONE = 'variable "v" {\n  default = "1"\n}\nresource "terraform_data" "one" {\n  triggers_replace = var.v\n}\n'
SLOW = 'resource "terraform_data" "slow" {\n  provisioner "local-exec" {\n    command = "touch begun; sleep %s; touch finished"\n  }\n}\n'
needs_terraform = pytest.mark.skipif(not BINARY, reason="neither terraform nor tofu is on the path")


def child_environment() -> dict[str, str]:
    """What a child needs here and nothing of the person who runs the tests."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


@dataclass
class World:
    root: Path
    scratch: Path
    events: list[TerraformEvent] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)
    slept: list[float] = field(default_factory=list)

    def write(self, hcl: str, name: str = "main.tf") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(hcl)

    def cli(
        self,
        *,
        limits: TerraformLimits | None = None,
        variables: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        stored: Callable[[], str] = str,
    ) -> TerraformCli:
        return TerraformCli(
            root=self.root,
            binary=BINARY,
            environment=child_environment() | dict(environment or {}),
            scratch=self.scratch,
            listen=self.events.append,
            cancel=self.cancel,
            variables=variables,
            limits=limits or TerraformLimits(lock_s=1, earlier_s=20, patience_s=20),
            sleep=self.sleep,
            stored=stored,
        )

    def sleep(self, seconds: float) -> None:
        """Sleep a moment only: Terraform and its servers are real, the pauses between tries needn't be."""
        self.slept.append(seconds)
        time.sleep(min(seconds, 0.2))

    def ready(self, **wiring: Any) -> TerraformCli:
        terraform = self.cli(**wiring)
        terraform.init()
        return terraform

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def make_world(tmp_path: Path, hcl: str) -> World:
    root = tmp_path / "root module"
    root.mkdir()
    world = World(root=root, scratch=tmp_path / "scratch")
    world.write(hcl)
    return world


def apply_all(terraform: TerraformCli) -> None:
    terraform.apply(terraform.plan())


def wait_for(path: Path, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def in_background(call: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised
