"""Environments on AWS: the block's own, with the backend it configures; one that a file defines; or one that immtf keeps itself.

A definition `environments/<name>.yaml` says where the states are, of which class the environment is and with which variables blocks run
there. Without one, an environment is a directory `environments/<name>` in immtf's home with a state for each block, and `environment.json`,
which says whether it is a test's: only those may be destroyed without typing the block's name. A test makes an environment of its own;
where a definition is named, by that.
"""

from __future__ import annotations

import difflib
import os
import secrets
import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from immtf.app.target import Target
from immtf.cli.definitions import DEFINITIONS, defined_names, definition_of, for_test
from immtf.cli.records import RECORD, read_record, record_environment
from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.environment import Environment


def terraform_program() -> str:
    """Return the program to run: what IMMTF_TERRAFORM names, else the one of terraform and tofu that is on the path."""
    named = os.environ.get("IMMTF_TERRAFORM")
    return named or next((name for name in ("terraform", "tofu") if shutil.which(name)), "terraform")


def aws_target(block: Block, options: Options, *, test: bool, makes: bool) -> Target:
    """Return the target on AWS: a new test environment, the one that is named, or the block's own.

    Only a command that `makes` environments may name one that isn't there, and only where none are defined: a mistyped name must not be
    taken for an empty one, nor become another production beside the one that was meant.
    """
    if options.environment is not None:
        definition = definition_of(block, options, options.environment)
        if definition is None:
            _refuse_unknown(options, options.environment, makes=makes)
            return _kept(block, options, options.environment, test=test)
        if not test:
            return _defined(block, options, definition)
        own = for_test(definition, new_name())
        record_environment(options.home / "environments" / own.name, {"class": "test", "definition": str(own.file)})
        return replace(_defined(block, options, own), generated=True)
    if test:
        return replace(_kept(block, options, new_name(), test=True), generated=True)
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


def _defined(block: Block, options: Options, definition: Environment) -> Target:
    """Return the target of an environment that a file defines: what is kept here is Terraform's work tree."""
    from immtf.adapters.aws import Aws
    from immtf.adapters.states import states_of
    from immtf.adapters.terraform.overrides import environment_override
    from immtf.plan.environments import filled, variables_of

    refuse_workspace()
    directory = (options.home / "environments" / definition.name / block.name).resolve()
    backend = filled(definition.backend, definition.name, block.name)
    _refuse_kept_state(directory, backend.config.get("path"), definition)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    region = {"AWS_REGION": definition.region, "AWS_DEFAULT_REGION": definition.region} if definition.region else {}
    process = {**os.environ, **region}
    return Target(
        cloud="aws",
        environment=definition.name,
        is_test=definition.is_test,
        home=options.home,
        process=process,
        terraform=terraform_program(),
        directory=directory,
        variables=variables_of(definition, block.name),
        override=environment_override(backend, region=definition.region),
        states=states_of(definition.backend, definition.name, Aws.from_environment(process), process),
        flags=f"{options.block} --environment {definition.name}",
    )


def _kept(block: Block, options: Options, name: str, *, test: bool) -> Target:
    from immtf.adapters.states import local_states
    from immtf.adapters.terraform.overrides import environment_override

    refuse_workspace()
    kept = (options.home / "environments" / name).resolve()
    _refuse_old_layout(kept, block)
    _refuse_once_defined(kept, options)
    is_test = _is_test(kept, test=test)
    directory = kept / block.name
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    states = local_states(kept, name)
    return Target(
        cloud="aws",
        environment=name,
        is_test=is_test,
        home=options.home,
        process=os.environ,
        terraform=terraform_program(),
        directory=directory,
        override=environment_override(states.backend_of(block.name)),
        states=states,
        flags=f"{options.block} --environment {name}",
    )


def refuse_workspace() -> None:
    """Refuse a workspace that is chosen from outside: it would move the state to where nobody looks for it."""
    named = os.environ.get("TF_WORKSPACE") or "default"
    if named != "default":
        raise UsageError(f"an environment has states of its own, and TF_WORKSPACE={named} would move them", next="unset TF_WORKSPACE")


def _refuse_old_layout(kept: Path, block: Block) -> None:
    """Refuse a state from when an environment had but one: it must not be taken for none. What an apply left unsaved moves with it."""
    from immtf.plan.environments import FILE

    old, new = kept / FILE, kept / block.name
    if old.exists():
        names = sorted(path.name for path in kept.iterdir() if path.name.startswith(FILE) or path.name in {"work", "scratch"})
        move = shlex.join(["mv", *(str(kept / name) for name in names), f"{new}/"])
        raise UsageError(
            "the state of this environment is where earlier versions kept it; each block has its own directory now",
            where=str(old),
            next=f"if it is block {block.name}'s: mkdir -p {shlex.quote(str(new))} && {move}",
        )


def _refuse_once_defined(kept: Path, options: Options) -> None:
    """Refuse a name that a file defined before: its states are elsewhere, and everything would be made a second time.

    Of an environment that is kept here there is a record from the beginning on, or a state; of one that is defined only the blocks'
    directories, with work trees or, where a command but looked, nothing in them.
    """
    from immtf.plan.environments import FILE

    if (kept / RECORD).exists() or not any(path.is_dir() for path in kept.glob("*")) or any(kept.glob(f"*/{FILE}")):
        return
    raise UsageError(
        f"a file defined the environment {kept.name} the last time, and none does in {options.environments}",
        where=str(kept),
        next=f"name the directory that has {kept.name}.yaml: --environments DIR; or, to have immtf keep one of this name, move this away",
    )


def _refuse_kept_state(directory: Path, path: object, definition: Environment) -> None:
    """Refuse a definition of a name under which immtf keeps a state itself, which would then be forgotten."""
    from immtf.plan.environments import FILE

    for state in (directory / FILE, directory.parent / FILE):
        if state.exists() and str(state) != path:
            raise UsageError(
                f"immtf keeps a state of an environment {definition.name} itself, and {definition.file} defines another of this name",
                where=str(state),
                next="give the definition another name, or move the state where it says and this file away",
            )


def _refuse_unknown(options: Options, name: str, *, makes: bool) -> None:
    """Refuse a name that is neither kept nor defined; a command that `makes` environments may use it where nobody defines any.

    A directory of definitions that was named and isn't there is no such place: what it was to define would be made a second time.
    """
    kept = options.home / "environments"
    if any((kept / name).glob("*")):
        return
    defined = defined_names(options.environments)
    lost = not options.environments.is_dir() and (options.environments != DEFINITIONS or options.environments.is_symlink())
    if makes and not defined and not lost:
        return
    ways = _those_there(name, {"defined": defined, "kept": [other for other in _kept_names(kept) if other not in defined]})
    if lost:
        how = ": it is a link that leads nowhere" if options.environments.is_symlink() else ", which --environments names"
        ways.append(f"there is no directory {options.environments}{how}")
    elif defined:
        ways.append(f"a new one is defined first, in {options.environments / name}.yaml: its class and its backend (`local` will do)")
    else:
        ways.append("`immtf create` makes one")
    raise UsageError(f"there is no environment {name}", where=f"{options.environments}, {kept.resolve()}", next="; ".join(ways))


def _those_there(name: str, there: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the name that was probably meant, and all that are there."""
    names = sorted(name for those in there.values() for name in those)
    if not names:
        return ["none is defined and none is kept here: are both directories right?"]
    near = difflib.get_close_matches(name, names, n=1)
    listed = "; ".join(f"{how}: {', '.join(those)}" for how, those in there.items() if those)
    return [*([f"did you mean --environment {near[0]}?"] if near else []), listed]


def _kept_names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir() if entry.is_dir()) if directory.is_dir() else []


def _is_test(kept: Path, *, test: bool) -> bool:
    """Return whether the environment is a test's, by its record; a test may not use one that isn't."""
    if not (kept / RECORD).exists():
        record_environment(kept, {"class": "test" if test else "production"})
        return test
    found = bool(read_record(kept).get("class") == "test")
    if test and not found:
        raise UsageError("this environment is no test's", where=str(kept), next="leave --environment out: a test makes its own")
    return found
