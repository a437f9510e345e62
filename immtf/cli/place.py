"""Where a command works: AWS as the environment says, or a lab that is found or started; and how it is left.

A command with `--lab` uses the lab named, and starts it where there is none; that lab stays. A test gets a lab of its own, which is
taken down with it. On AWS a test gets an environment of its own, with its own state.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.app.target import Target
from immtf.cli.environments import aws_target, new_name
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
        with _lab_for([block, *also], options, test=test) as target:
            yield target
    else:
        yield aws_target(options, test=test, makes=makes)


@contextmanager
def _lab_for(blocks: Sequence[Block], options: Options, *, test: bool) -> Iterator[Target]:
    name = options.lab_name or (new_name() if test else DEFAULT_LAB)
    own = test and options.lab_name is None
    lab, tools = start_lab(options.home, name, options.lab_delays)
    passed = False
    try:
        for block in blocks:
            register_images(block, lab)
        yield replace(_lab_target(blocks[0], options, lab, tools, name), generated=own)
        passed = True
    finally:
        if own:
            _end_lab(lab, remove=passed)


def start_lab(home: Path, name: str, delays: str) -> tuple[Lab, Tools]:
    """Find or start a lab by name, with the tools it needs; what takes long is told on stderr."""
    from pathlib import Path

    from immtf.lab import client
    from immtf.lab.toolchain import Cache, Toolchain, cache_directory

    directory = lab_directory(home, name)
    tools = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).ready(lambda text: click.echo(text, err=True))
    lab = client.up(directory, path=tools.path, delays=delays)
    if lab.cleared:
        click.echo(f"cleared what a dead lab left: {', '.join(lab.cleared)}", err=True)
    if lab.started:
        click.echo(f"lab {name} is up at {lab.endpoint}, network {lab.cidr}", err=True)
    return lab, tools


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
        flags=f"{options.block} --lab" + (f" --lab-name {name}" if name != DEFAULT_LAB else ""),
    )
