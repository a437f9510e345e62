"""Environments on AWS: the block's own, with the backend it configures; or one that immtf keeps itself, with a local state.

A kept environment is a directory `environments/<name>` with its state and `environment.json`, which says whether it is a test's:
only those may be destroyed without typing the block's name.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import secrets
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.app.target import Target
from immtf.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.cli.options import Options

RECORD = "environment.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def terraform_program() -> str:
    """Return the program to run: what IMMTF_TERRAFORM names, else the one of terraform and tofu that is on the path."""
    named = os.environ.get("IMMTF_TERRAFORM")
    return named or next((name for name in ("terraform", "tofu") if shutil.which(name)), "terraform")


def aws_target(options: Options, *, test: bool, makes: bool) -> Target:
    """Return the target on AWS: a new test environment, the kept one that is named, or the block's own.

    Only a command that `makes` environments may name one that isn't there: a mistyped name must not be taken for an empty one.
    """
    if options.environment is not None:
        return _kept(options, options.environment, test=test, makes=makes)
    if test:
        return replace(_kept(options, new_name(), test=True, makes=True), generated=True)
    return Target(
        cloud="aws",
        environment="default",
        is_test=False,
        home=options.home,
        process=os.environ,
        terraform=terraform_program(),
        flags=str(options.block),
    )


def new_name() -> str:
    """Return a name for a test environment that doesn't repeat."""
    return f"t-{secrets.token_hex(4)}"


def _kept(options: Options, name: str, *, test: bool, makes: bool) -> Target:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} can't be the name of an environment", next="use small letters, digits and dashes")
    directory = (options.home / "environments" / name).resolve()
    if not makes and not directory.is_dir():
        raise UsageError(f"there is no environment {name}", where=str(directory.parent), next=_those_there(directory.parent, name))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Target(
        cloud="aws",
        environment=name,
        is_test=_is_test(directory / RECORD, test=test),
        home=options.home,
        process=os.environ,
        terraform=terraform_program(),
        directory=directory,
        override={"terraform": {"backend": {"local": {"path": str(directory / "terraform.tfstate")}}}},
        flags=f"{options.block} --environment {name}",
    )


def _those_there(environments: Path, name: str) -> str:
    """Return what to do about a name that isn't there: the one probably meant, or all that are."""
    there = sorted(entry.name for entry in environments.iterdir() if entry.is_dir()) if environments.is_dir() else []
    near = difflib.get_close_matches(name, there, n=1)
    if near:
        return f"did you mean --environment {near[0]}?"
    return f"those there: {', '.join(there)}" if there else "none is kept here: is --home right? `immtf create` makes one"


def _is_test(record: Path, *, test: bool) -> bool:
    """Return whether the environment is a test's, by its record; a test may not use one that isn't."""
    if not record.exists():
        record.write_text(json.dumps({"class": "test" if test else "production"}))
        return test
    try:
        found = bool(json.loads(record.read_text()).get("class") == "test")
    except (ValueError, AttributeError) as error:
        raise UsageError(f"can't be read: {error}", where=str(record), next="mend it; its class is test or production") from error
    if test and not found:
        raise UsageError("this environment is no test's", where=str(record.parent), next="leave --environment out: a test makes its own")
    return found
