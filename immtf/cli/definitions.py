"""The definitions of environments: files `<name>.yaml` in one directory, and which of them a name means."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.cli.records import read_record
from immtf.errors import UsageError

if TYPE_CHECKING:
    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.environment import Environment

DEFINITIONS = Path("environments")  # where they are, unless `--environments` says otherwise
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def definition_of(block: Block, options: Options, name: str) -> Environment | None:
    """Return the environment of this name as its file defines it, or as the one does that a test made it by; None where none does.

    Raises `ConfigInvalid` with all that is wrong in the file, `UsageError` where another definition leads to the same states.
    """
    from immtf.adapters.terraform.hcl import declared_variables
    from immtf.plan.config import load_environment
    from immtf.plan.environments import shared_with

    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't be the name of an environment", next="use small letters, digits and dashes")
    file = options.environments / f"{name}.yaml"
    made_by = str(read_record(options.home / "environments" / name).get("definition") or "")
    if not file.is_file() and not made_by:
        if file.is_symlink():
            raise UsageError("is a link that leads to no file", where=str(file), next="mend the link, or remove it")
        other = file.with_suffix(".yml")
        if other.is_file():
            raise UsageError(f"there is no file {file.name}", where=str(file.parent), next=f"rename {other.name} to {file.name}")
        return None
    found = load_environment(Path(made_by) if made_by else file, {block.name: declared_variables(block.terraform)})
    other_one = shared_with(found, _others(found.file))
    if other_one is not None:
        raise UsageError(
            f"the environments {found.name} and {other_one.name} would share their states",
            where=f"{found.file}, {other_one.file}",
            next="put `{environment}` into the backend's setting that names the state",
        )
    return for_test(found, name) if made_by else found


def _others(file: Path) -> list[Environment]:
    """Return the other definitions in the directory; one that has mistakes is told when it is used itself."""
    from immtf.plan.config import ConfigInvalid, load_environment

    found = []
    for other in sorted(file.parent.glob("*.yaml")):
        if other != file and other.is_file():
            try:
                found.append(load_environment(other))
            except ConfigInvalid:
                continue
    return found


def for_test(definition: Environment, name: str) -> Environment:
    """Return the environment that a test makes for itself by a definition. Raises `UsageError` where that is none of class test."""
    from immtf.plan.environments import as_test

    if not definition.is_test:
        raise UsageError(
            f"this environment is no test's: its class is {definition.kind}",
            where=str(definition.file),
            next="name one of class test, or leave --environment out: a test makes its own",
        )
    return as_test(definition, name)


def defined_names(directory: Path) -> list[str]:
    """Return the names of the environments that are defined in a directory, or were to be: by a wrong suffix or a link to nowhere."""
    files = [path for suffix in ("yaml", "yml") for path in directory.glob(f"*.{suffix}") if path.is_file() or path.is_symlink()]
    return sorted({path.stem for path in files})
