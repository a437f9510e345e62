"""Terraform, OpenTofu, Consul and etcd as they are on this machine.

A variable of the environment (`IMMTF_TERRAFORM`, `IMMTF_CONSUL`, `IMMTF_ETCD`) names the program for sure, and nothing else is looked
at then. Without it, every directory of PATH is looked into, and the first program that will do is taken: an old Terraform does not
hide a newer one behind it, nor an OpenTofu.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from immtf.errors import ToolMissing
from immtf.lab.toolchain.found import Found, Run, capture_quietly, is_program, last_words
from immtf.lab.toolchain.pins import CONSUL_BOUNDS, ETCD_BOUNDS, TERRAFORM_BOUNDS, TOFU_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.lab.toolchain.pins import Bounds


@dataclass(frozen=True, slots=True)
class Program:
    """How a program is called, what it answers, and which versions will do."""

    name: str
    variable: str
    bounds: Bounds
    arguments: tuple[str, ...]
    read: Callable[[str], str | None]


def _json_version(said: str) -> str | None:
    try:
        answer = json.loads(said[said.index("{") :])
    except ValueError:
        return None
    return str(answer["terraform_version"]) if isinstance(answer, dict) and "terraform_version" in answer else None


def _consul_version(said: str) -> str | None:
    match = re.search(r"^Consul v(\S+)", said, re.MULTILINE)
    return match[1] if match else None


def _etcd_version(said: str) -> str | None:
    match = re.search(r"^etcd Version: (\S+)", said, re.MULTILINE)
    return match[1] if match else None


TERRAFORM_PROGRAM = Program("terraform", "IMMTF_TERRAFORM", TERRAFORM_BOUNDS, ("version", "-json"), _json_version)
TOFU_PROGRAM = Program("tofu", "IMMTF_TERRAFORM", TOFU_BOUNDS, ("version", "-json"), _json_version)
CONSUL_PROGRAM = Program("consul", "IMMTF_CONSUL", CONSUL_BOUNDS, ("version",), _consul_version)
ETCD_PROGRAM = Program("etcd", "IMMTF_ETCD", ETCD_BOUNDS, ("--version",), _etcd_version)


def find_terraform(environment: Mapping[str, str], run: Run) -> Found:
    """Find Terraform or else OpenTofu; where neither will do, say what is wrong with the first that is there."""
    if named := environment.get(TERRAFORM_PROGRAM.variable):
        program = TOFU_PROGRAM if Path(named).name.startswith("tofu") else TERRAFORM_PROGRAM
        return _named(program, named, environment, run)
    terraform = _on_path(TERRAFORM_PROGRAM, environment, run)
    if terraform.usable:
        return terraform
    tofu = _on_path(TOFU_PROGRAM, environment, run)
    return tofu if tofu.usable or (tofu.path and not terraform.path) else terraform


def find_program(program: Program, environment: Mapping[str, str], run: Run) -> Found:
    """Find a program by its variable or on PATH."""
    if named := environment.get(program.variable):
        return _named(program, named, environment, run)
    return _on_path(program, environment, run)


def examine(program: Program, path: Path, source: str, *, environment: Mapping[str, str], run: Run) -> Found:
    """Ask a program for its version and judge it."""
    try:
        answer = capture_quietly([str(path), *program.arguments], run=run, cwd=Path("/"), environment=environment)
    except ToolMissing as error:
        return Found(program.name, path=path, source=source, problem=error.what)
    said = program.read(answer.stdout) if answer.exit_code == 0 else None
    if said is None:
        return Found(program.name, path=path, source=source, problem=f"it does not tell its version ({last_words(answer)})")
    return Found(program.name, said, path, source, _judged(program, said))


def _judged(program: Program, said: str) -> str | None:
    try:
        fits = program.bounds.admit(Version(said))
    except InvalidVersion:
        return f"its version {said} can't be read; {program.name} {program.bounds} is needed"
    return None if fits else f"version {said} won't do; {program.name} {program.bounds} is needed"


def _named(program: Program, named: str, environment: Mapping[str, str], run: Run) -> Found:
    path = Path(named)
    if not path.is_absolute():
        path = next(_candidates(named, environment), path.absolute())
    if not is_program(path):
        return Found(program.name, problem=f"{program.variable} names {named}, which is not a program here")
    return examine(program, path, program.variable, environment=environment, run=run)


def _on_path(program: Program, environment: Mapping[str, str], run: Run) -> Found:
    first: Found | None = None
    for path in _candidates(program.name, environment):
        found = examine(program, path, "PATH", environment=environment, run=run)
        if found.usable:
            return found
        first = first or found
    return first or Found(program.name, problem="not on PATH")


def _candidates(name: str, environment: Mapping[str, str]) -> Iterator[Path]:
    seen = set()
    for directory in environment.get("PATH", "").split(":"):
        path = Path(directory or "/nowhere") / name
        if path.is_absolute() and path not in seen and is_program(path):
            seen.add(path)
            yield path
