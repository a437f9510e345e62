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
from immtf.cli.environments import aws_target, new_name
from immtf.cli.orphans import environment_of_a_test, of_a_test
from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from immtf.cli.options import Options
    from immtf.lab.client import Lab
    from immtf.lab.toolchain import Tools
    from immtf.model.block import Block

DEFAULT_LAB = "default"


@contextmanager
def place_for(block: Block, options: Options, *, test: bool, makes: bool, also: Sequence[Block] = ()) -> Iterator[Target]:
    """Give the target of a command; what was made for a test alone is gone afterwards.

    `makes`: the command may make an environment. `also` are blocks whose images are wanted too.
    """
    if options.lab and options.environment is not None:
        raise UsageError(
            "--environment is for AWS; a lab has one environment a block", next="name a lab of its own instead: --lab-name NAME"
        )
    if options.lab:
        with _lab_for([block, *also], options, test=test, makes=makes) as target:
            yield target
        return
    target = aws_target(options, test=test, makes=makes)
    with environment_of_a_test(target, options.block) if target.generated else nullcontext():
        yield target


@contextmanager
def _lab_for(blocks: Sequence[Block], options: Options, *, test: bool, makes: bool) -> Iterator[Target]:
    name = options.lab_name or (new_name() if test else DEFAULT_LAB)
    if options.lab_running:
        yield _lab_target(blocks[0], options, *running_lab(options.home, name), name)
        return
    own = test and options.lab_name is None
    if options.lab_name is not None and not makes:
        _refuse_unknown(options.home, name)
    with of_a_test(options.home, lab_directory(options.home, name)) if own else nullcontext():
        lab, tools = start_lab(options.home, name, options.lab_delays, options.lab_runtime)
        passed = False
        try:
            for block in blocks:
                register_images(block, lab)
            yield replace(_lab_target(blocks[0], options, lab, tools, name), generated=own)
            passed = True
        finally:
            if own:
                _end_lab(lab, remove=passed)


def start_lab(home: Path, name: str, delays: str, runtime: str = "process") -> tuple[Lab, Tools]:
    """Find or start a lab by name, with the tools it needs; what takes long is told on stderr."""
    from pathlib import Path

    from immtf.lab import client
    from immtf.lab.toolchain import Cache, Toolchain, cache_directory

    directory = lab_directory(home, name)
    tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready(lambda text: click.echo(text, err=True))
    lab = client.up(directory, path=tools.path, delays=delays, runtime=runtime, progress=lambda text: click.echo(text, err=True))
    if lab.cleared:
        click.echo(f"cleared what a dead lab left: {', '.join(lab.cleared)}", err=True)
    if lab.started:
        click.echo(f"lab {name} is up at {lab.endpoint}, network {lab.cidr}", err=True)
    return lab, tools


def running_lab(home: Path, name: str) -> tuple[Lab, Tools]:
    """Find a lab that is up, with the tools to use it. It may be another machine's as far as paths and programs go: in a container."""
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


def lab_directory(home: Path, name: str) -> Path:
    """Return the directory of a lab by its name."""
    if not name or name.startswith(".") or "/" in name:
        raise UsageError(f"{name!r} can't be the name of a lab", next="use letters, digits and dashes")
    return home / "labs" / name


def register_images(block: Block, lab: Lab) -> None:
    """Make the block's image trees (`<images>/<family>/<version>`) images of the lab; what is there already stays."""
    if block.lab is None or not block.lab.images.is_dir():
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


def _lab_target(block: Block, options: Options, lab: Lab, tools: Tools, name: str) -> Target:
    from immtf.adapters.terraform.overrides import lab_override

    directory = lab.environments.resolve() / block.name
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    variables: Mapping[str, Any] = {block.lab.network: lab.cidr} if block.lab else {}
    process = lab.environment(os.environ)
    return Target(
        cloud="lab",
        environment=name,
        is_test=True,
        home=options.home,
        process={**process, "TF_CLI_CONFIG_FILE": str(tools.cli_config)},
        terraform=str(tools.terraform),
        directory=directory,
        variables=variables,
        override=lab_override(
            endpoint=lab.endpoint,
            region=lab.region,
            access_key=process["AWS_ACCESS_KEY_ID"],
            secret_key=process["AWS_SECRET_ACCESS_KEY"],
            state=directory / "terraform.tfstate",
        ),
        calls=lambda: sum(lab.calls().values()),
        flags=f"{options.block} --lab"
        + (f" --lab-name {name}" if name != DEFAULT_LAB else "")
        + (f" --lab-runtime {lab.runtime}" if lab.runtime != "process" else ""),
    )
