"""Where a command works: AWS as the environment says, or a lab that is found or started; and how it is left.

A command with `--lab` uses the lab `default`, and starts it where there is none; that lab stays. Another one is named; only a command that
makes environments starts that. A test gets a lab of its own, which is taken down with it. On AWS a test gets an environment of its own,
with its own state.
"""

from __future__ import annotations

import difflib
import os
import shlex
import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.app.target import Target
from immtf.cli.definitions import defined_names, definition_of, for_test
from immtf.cli.environments import aws_target, new_name, refuse_workspace
from immtf.cli.orphans import environment_of_a_test, is_kept, of_a_test, refuse_of_a_test, with_test_tags
from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from immtf.cli.options import Options
    from immtf.lab.client import Lab
    from immtf.lab.toolchain import Tools
    from immtf.model.block import Block
    from immtf.model.environment import Environment, States

DEFAULT_LAB = "default"


@contextmanager
def place_for(block: Block, options: Options, *, test: bool, makes: bool, also: Sequence[Block] = ()) -> Iterator[Target]:
    """Give the target of a command; what was made for a test alone is gone afterwards, and what killed runs left before.

    `makes`: the command may make an environment. `also` are blocks whose images are wanted too.
    """
    from immtf.adapters.children import sweep_left
    from immtf.adapters.tether import tether_of

    alone = tether_of(os.environ) is None  # else the run that this one works for looked
    if alone:
        sweep_left(options.home / "runs")
    if options.lab:
        definition = _definition_in_lab(block, options, test=test)
        with _lab_for([block, *also], options, definition, test=test, makes=makes) as target:
            if alone and makes and not test:
                refuse_of_a_test(target)
            yield with_test_tags(target)
        return
    target = aws_target(block, options, test=test, makes=makes)
    if alone and makes and not test:
        refuse_of_a_test(target)
    with environment_of_a_test(target, options.block) if target.generated else nullcontext():
        yield with_test_tags(target)


@contextmanager
def _lab_for(blocks: Sequence[Block], options: Options, definition: Environment | None, *, test: bool, makes: bool) -> Iterator[Target]:
    name = options.lab_name or (new_name() if test else DEFAULT_LAB)
    if options.lab_running:
        yield _lab_target(blocks[0], options, *running_lab(options.home, name), name, definition)
        return
    own = test and options.lab_name is None
    if options.lab_name is not None and not makes:
        _refuse_unknown(options.home, name)
    with of_a_test(options.home, lab_directory(options.home, name)) if own else nullcontext():
        lab, tools = start_lab(options.home, name, options.lab_delays, options.lab_runtime, blocks)
        passed = False
        try:
            for block in blocks:
                register_images(block, lab)
            yield replace(_lab_target(blocks[0], options, lab, tools, name, definition), generated=own)
            passed = True
        finally:
            if own and not is_kept(lab.directory):
                _end_lab(lab, remove=passed)


def _definition_in_lab(block: Block, options: Options, *, test: bool) -> Environment | None:
    """Return the definition whose variables and backend are used in the lab; None where none is named."""
    if options.environment is None:
        return None
    found = definition_of(block, options, options.environment)
    if found is None:
        near = difflib.get_close_matches(options.environment, defined_names(options.environments), n=1)
        raise UsageError(
            f"no file defines an environment {options.environment}, and a lab has none but its own",
            where=str(options.environments),
            next=f"did you mean --environment {near[0]}?" if near else "name a lab of its own instead: --lab-name NAME",
        )
    return for_test(found, found.name) if test else found


def start_lab(home: Path, name: str, delays: str, runtime: str = "process", blocks: Sequence[Block] = ()) -> tuple[Lab, Tools]:
    """Find or start a lab by name, with the tools that it needs for these blocks; what takes long is told on stderr."""
    from pathlib import Path

    from immtf.lab import client
    from immtf.lab.needs import tools_for
    from immtf.lab.toolchain import Cache, Toolchain, cache_directory

    directory = lab_directory(home, name)
    chain = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ)
    tools = chain.ready(lambda text: click.echo(text, err=True), tools_for(blocks))
    lab = client.up(directory, path=tools.path, delays=delays, runtime=runtime, progress=lambda text: click.echo(text, err=True))
    if lab.cleared:
        click.echo(f"cleared what a dead lab left: {', '.join(lab.cleared)}", err=True)
    if lab.started:
        click.echo(f"lab {name} is up at {lab.endpoint}, network {lab.cidr}", err=True)
    return lab, tools


def running_lab(home: Path, name: str) -> tuple[Lab, Tools]:
    """Find a lab that is up, with the tools to use it. It may be another machine's as far as paths and programs go: in a container.

    So nothing is fetched for its guests: whoever started it, and registered the blocks' images in it, had that done (`start_lab`).
    """
    from pathlib import Path

    from immtf.errors import LabFailed
    from immtf.lab import client
    from immtf.lab.toolchain import CLIENTS, Cache, Toolchain, cache_directory

    directory = lab_directory(home, name)
    lab = client.find(directory)
    if lab is None:
        raise LabFailed(f"no lab {name} is up", where=str(directory), next="leave --lab-running out to have it started")
    lab.status()
    chain = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ)
    return lab, chain.ready(lambda text: click.echo(text, err=True), CLIENTS)


def _refuse_unknown(home: Path, name: str) -> None:
    """Refuse a name that no lab has: a mistyped one must not be taken for an empty lab, nor start one."""
    from immtf.lab import client

    if client.find(lab_directory(home, name)) is not None:
        return
    labs = home / "labs"
    there = [entry.name for entry in sorted(labs.iterdir()) if entry.is_dir() and client.find(entry)] if labs.is_dir() else []
    near = difflib.get_close_matches(name, there, n=1)
    known = f"did you mean --lab-name {near[0]}?" if near else f"those that are up: {', '.join(there)}" if there else "none is up"
    starts = shlex.join(["immtf", "lab", "up", "--name", name, *(["--home", str(home)] if str(home) != ".immtf" else [])])
    raise UsageError(f"no lab {name} is up", where=str(labs), next=f"{known}; `{starts}` starts one of this name, with nothing in it")


def refuse_absent_lab(options: Options) -> None:
    """Refuse a lab that isn't up, for what only looks at one."""
    from immtf.lab import client

    name = options.lab_name or DEFAULT_LAB
    directory = lab_directory(options.home, name)
    if client.find(directory) is None:
        way = "`immtf create --lab` makes blocks in one; none is started here"
        raise UsageError(f"no lab {name} is up", where=str(directory), next=way)


def lab_directory(home: Path, name: str) -> Path:
    """Return the directory of a lab by its name."""
    if not name or name.startswith(".") or "/" in name:
        raise UsageError(f"{name!r} can't be the name of a lab", next="use letters, digits and dashes")
    return home / "labs" / name


def register_images(block: Block, lab: Lab) -> None:
    """Make the block's image trees (`<images>/<family>/<version>`) images of the lab; what is there already stays."""
    if block.lab is None or block.lab.images is None or not block.lab.images.is_dir():
        return
    for tree in sorted(block.lab.images.glob("*/*")):
        if tree.is_dir():
            lab.register_image(tree.parent.name, tree.name, tree)


def _end_lab(lab: Lab, *, remove: bool) -> None:
    from immtf.lab import client

    client.down(lab.directory)
    if remove:
        shutil.rmtree(lab.directory, ignore_errors=True)
    else:
        click.echo(f"the instances' logs are kept in {lab.directory / 'logs'}", err=True)


def _lab_target(block: Block, options: Options, lab: Lab, tools: Tools, name: str, definition: Environment | None) -> Target:
    from immtf.adapters.terraform.overrides import lab_override
    from immtf.plan.environments import variables_of

    refuse_workspace()
    directory = lab.environments.resolve() / block.name
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    network: Mapping[str, Any] = {block.lab.network: lab.cidr} if block.lab and block.lab.network else {}
    process = {**lab.environment(os.environ), "TF_CLI_CONFIG_FILE": str(tools.cli_config)}
    states = _lab_states(block, lab, process, name, definition)
    return Target(
        cloud="lab",
        environment=name,
        is_test=True,
        home=options.home,
        process=process,
        terraform=str(tools.terraform),
        directory=directory,
        variables={**(variables_of(definition, block.name) if definition else {}), **network},
        override=lab_override(
            endpoint=lab.endpoint,
            region=lab.region,
            access_key=process["AWS_ACCESS_KEY_ID"],
            secret_key=process["AWS_SECRET_ACCESS_KEY"],
            backend=states.backend_of(block.name),
        ),
        calls=lambda: sum(lab.calls().values()),
        states=states,
        flags=f"{options.block}"
        + (f" --environment {definition.name}" if definition else "")
        + " --lab"
        + (f" --lab-name {name}" if name != DEFAULT_LAB else "")
        + (f" --lab-runtime {lab.runtime}" if lab.runtime != "process" else ""),
    )


def _lab_states(block: Block, lab: Lab, process: Mapping[str, str], name: str, definition: Environment | None) -> States:
    """Return where the states are in a lab: in its own S3, where a definition keeps them in one, else in files beside it."""
    from immtf.adapters.aws import Aws
    from immtf.adapters.states import local_states, make_bucket, states_of
    from immtf.plan.environments import in_lab

    template = in_lab(definition.backend, endpoint=lab.endpoint, region=lab.region) if definition else None
    if template is None:
        return local_states(lab.environments.resolve(), name)
    aws = Aws.from_environment(process)
    states = states_of(template, name, aws, process)
    make_bucket(states.backend_of(block.name), aws, process)
    return states
