"""`immtf graph`: an infrastructure's blocks, their versions and what they require, as text, SVG or DOT."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.options import BLOCK, ENVIRONMENT, ENVIRONMENTS, HOME, LAB, Options, option
from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.adapters.clock import Signals
    from immtf.model.block import Block
    from immtf.model.drawing import Drawing, Standing
    from immtf.model.rows import NodeRow

LAB_FLAG, LAB_NAME = LAB[:2]
AT_ONCE = 4  # blocks whose status is asked for side by side


@click.command()
@BLOCK
@option("--format", "form", type=click.Choice(["text", "svg", "dot"]), default="text", help="What to draw it as; it goes to stdout.")
@ENVIRONMENT
@ENVIRONMENTS
@LAB_FLAG
@LAB_NAME
@option("--health", is_flag=True, help="Look at the nodes of each deployed block too, as `immtf status` does; this takes its time.")
@HOME
def graph(form: str, health: bool, **arguments: Any) -> None:
    """Draw the blocks of a directory: in which stages they are made, and what each requires of which.

    With --environment or --lab, also which version of each is deployed there, and with --health how its nodes are.
    """
    from immtf.cli.catalogue import blocks_at
    from immtf.plan.drawing import draw
    from immtf.plan.graph import Graph

    options = Options(**arguments)
    blocks = blocks_at(options.block, options.home)
    alone = {need for block in blocks.values() for need in block.requires} if len(blocks) == 1 else set()
    title = f"environment {options.environment}" if options.environment else f"lab {options.lab_name or 'default'}" if options.lab else ""
    if health and not title:
        raise UsageError("needs a place to look at", where="--health", next="add --environment NAME or --lab")
    standings = _standings(blocks, options, health=health) if title else None
    made = Graph(blocks, elsewhere={*alone, *(standings or {})})
    click.echo(_drawn(draw(made, standings, title), form), nl=False)


def _drawn(drawing: Drawing, form: str) -> str:
    if form == "svg":
        from immtf.report.graph_picture import graph_svg

        return graph_svg(drawing)
    from immtf.report.graphs import graph_dot, graph_text

    return graph_dot(drawing) if form == "dot" else graph_text(drawing)


def _standings(blocks: Mapping[str, Block], options: Options, *, health: bool) -> dict[str, Standing]:
    """Return how the deployed blocks stand in the environment, those too whose state can't be read; nothing is started or made for that."""
    from immtf.adapters.clock import Signals
    from immtf.app.deployed import look_at_deployed
    from immtf.cli.place import place_for
    from immtf.plan.drawing import standing_of, unread

    if options.lab:
        _refuse_absent_lab(options)
    sample = next(iter(blocks.values()))
    place = replace(options, lab_running=options.lab, block=sample.directory)
    with Signals().caught() as signals, place_for(sample, place, test=False, makes=False) as target:
        found, problems = look_at_deployed(target, blocks, signals.is_set)
        seen = _health({name: blocks[name] for name in found if name in blocks}, options, signals) if health else {}
    return {
        **{name: standing_of(item, *seen.get(name, ())) for name, item in found.items()},
        **{name: unread(error) for name, error in problems.items()},
    }


def _health(blocks: Mapping[str, Block], options: Options, signals: Signals) -> dict[str, tuple[Sequence[NodeRow], str]]:
    """Ask the blocks that have nodes how these are."""
    import os

    from immtf.app.blocks import Job
    from immtf.app.health import take_health
    from immtf.cli.many import children_environment, place_options

    asked = {name: block.directory for name, block in blocks.items() if block.clusters}
    job = Job(command="status", blocks=asked, options=place_options("status", options), parallel=AT_ONCE)
    return take_health(job, children_environment(os.environ), signals) if asked else {}


def _refuse_absent_lab(options: Options) -> None:
    from immtf.cli.place import DEFAULT_LAB, lab_directory
    from immtf.lab import client

    name = options.lab_name or DEFAULT_LAB
    directory = lab_directory(options.home, name)
    if client.find(directory) is None:
        raise UsageError(
            f"no lab {name} is up", where=str(directory), next="`immtf create --lab` makes blocks in one; `immtf graph` starts none"
        )
