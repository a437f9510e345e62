"""What `test-create` and `test-upgrade` need besides their own block: the blocks to make first, a time to live, and what of it stays."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.app.ground import Ground
    from immtf.app.target import Target
    from immtf.cli.options import Options
    from immtf.model.block import Block

TTL = "6h"
TESTING = (
    option(
        "--blocks",
        type=click.Path(path_type=Path),
        metavar="DIR|LOCK",
        help="Where the blocks are that this one needs, which are made first; without it beside it.",
    ),
    option("--ttl", default=TTL, show_default=True, metavar="TIME", help="When `immtf reap` may take away what is left: 90m, 6h, 2d."),
    option("--keep-on-failure", is_flag=True, help="Leave the environment of a test that failed as it is, for a look at it."),
)


def ground_of(options: Options, before: Block | None = None) -> Ground:
    """Return what the test stands on. All that can be wrong with the blocks that it needs is told here, before there is an environment."""
    from immtf.app.ground import Ground
    from immtf.cli.many import children_environment, variable_files, variables_of
    from immtf.plan.config import load_block
    from immtf.plan.reaping import life_s

    life = life_s(options.ttl)
    block = load_block(options.block)
    producers = _producers(block, options, before)
    made = {producer.name: producer for producer in producers}
    given = variables_of(options, {**made, block.name: block, **({f"{block.name} {before.version}": before} if before else {})})
    return Ground(
        producers=producers,
        place=lambda target: leading_to(target, options),
        children=children_environment(os.environ),
        life_s=life,
        keep=options.keep_on_failure,
        definition=_definition(options),
        variables=lambda directory: variable_files(directory, {name: given[name] for name in made if name in given}),
    )


def leading_to(target: Target, options: Options) -> Sequence[str]:
    """Return the options that lead another command to the environment of a test."""
    from immtf.cli.many import place_options

    if target.cloud == "lab":
        return place_options("create", replace(options, lab_name=target.environment))
    return place_options("create", replace(options, environment=target.environment))


def _definition(options: Options) -> str:
    """Return the file of the definition that the environment is made by; "" where the name is that of a kept one, or none is given."""
    file = (options.environments / f"{options.environment}.yaml").resolve() if options.environment else None
    return str(file) if file and file.is_file() else ""


def _producers(block: Block, options: Options, before: Block | None) -> tuple[Block, ...]:
    """Return the blocks to make first, in order; those beside a block are read only where it needs any."""
    from immtf.plan.closure import closure

    if not block.requires and not (before and before.requires):
        return ()
    return closure(block, _known(block, options), before)


def _known(block: Block, options: Options) -> Mapping[str, Block]:
    from immtf.cli.catalogue import blocks_at

    return blocks_at(options.blocks or block.directory.parent, options.home)
