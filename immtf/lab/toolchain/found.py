"""What the toolchain hands out: what was found, and what a lab works with; and the port it runs commands through."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from immtf.adapters.process import Captured, Command, capture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TERRAFORM = "terraform"
AWS = "hashicorp/aws"
CONSUL = "consul"
ETCD = "etcd"

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_VERSION_LIMIT_S = 30.0


class Run(Protocol):
    """Run one command to its end; `immtf.adapters.process.capture` does it."""

    def __call__(self, command: Command, /) -> Captured:
        """Return the output. Raises `ToolMissing` where the program can't be started."""


@dataclass(frozen=True, slots=True)
class Found:
    """One tool as it was found. `version` is empty and `path` is None where there is none; `problem` says why it won't do.

    `name` is `terraform` (or `tofu`, which stands in for it), `hashicorp/aws`, `consul` or `etcd`; the path of a provider is the
    mirror it is in. `source` says where it was found, in words for a table; `ways` says how to get it where there is a problem.
    """

    name: str
    version: str = ""
    path: Path | None = None
    source: str = ""
    problem: str | None = None
    ways: str = ""

    @property
    def usable(self) -> bool:
        """Whether a lab can work with it."""
        return self.path is not None and self.problem is None


@dataclass(frozen=True, slots=True)
class Tools:
    """What a lab works with. `path` are the directories that guests need in their PATH, before all others.

    `cli_config` goes into `TF_CLI_CONFIG_FILE`: with it Terraform takes the AWS provider from a directory on this machine.
    """

    terraform: Path
    cli_config: Path
    consul: Path | None
    path: tuple[Path, ...]
    etcd: Path | None = None


def capture_quietly(argv: list[str], *, run: Run, cwd: Path, environment: Mapping[str, str], limit_s: float = _VERSION_LIMIT_S) -> Captured:
    """Run a tool as the toolchain runs all of them: no user's CLI configuration, no call home, messages in English."""
    quiet = {key: value for key, value in environment.items() if key != "TF_CLI_CONFIG_FILE" and not key.startswith("TF_CLI_ARGS")}
    quiet |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "LC_ALL": "C.UTF-8"}
    return run(Command(argv=argv, cwd=cwd, environment=quiet, limit_s=limit_s))


def this_platform() -> str:
    """Name this machine as Terraform does, for example `linux_amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_MACHINES.get(machine, machine)}"


def last_words(captured: Captured, lines: int = 3) -> str:
    """Give the end of what a failed command said, on one line."""
    said = (captured.stderr.strip() or captured.stdout.strip()).splitlines()
    return f"exit {captured.exit_code}: " + " | ".join(line.strip() for line in said[-lines:] if line.strip())


def is_program(path: Path) -> bool:
    """Whether the file is there and may be run."""
    return path.is_file() and os.access(path, os.X_OK)


DEFAULT_RUN: Run = capture
