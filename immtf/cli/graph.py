"""`immtf graph`: an infrastructure's blocks, their versions and what they require, as text, SVG or DOT."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.many_options import CHOICE, ONLY_BLOCK
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
@ONLY_BLOCK
@CHOICE[0]
@CHOICE[1]
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
    from immtf.cli.catalogue import blocks_at, is_infrastructure
    from immtf.cli.many import refuse_for_one
    from immtf.cli.many_order import required
    from immtf.plan.drawing import draw, only
    from immtf.plan.graph import Graph, chosen

    options = Options(**arguments)
    if not is_infrastructure(options.block):
        refuse_for_one("graph", options)
    blocks = blocks_at(options.block, options.home)
    choice = options.only, options.since, options.until
    names = chosen(Graph(blocks, elsewhere=required(blocks)), *choice)
    alone = {need for block in blocks.values() for need in block.requires} if len(blocks) == 1 else set()
    title = f"environment {options.environment}" if options.environment else f"lab {options.lab_name or 'default'}" if options.lab else ""
    if health and not title:
        raise UsageError("needs a place to look at", where="--health", next="add --environment NAME or --lab")
    standings = _standings(blocks, options, names if health else ()) if title else None
    drawing = draw(Graph(blocks, elsewhere={*alone, *(standings or {})}), standings, title)
    click.echo(_drawn(only(drawing, names) if any(choice) else drawing, form), nl=False)


def _drawn(drawing: Drawing, form: str) -> str:
    if form == "svg":
        from immtf.report.graph_picture import graph_svg

        return graph_svg(drawing)
    from immtf.report.graphs import graph_dot, graph_text

    return graph_dot(drawing) if form == "dot" else graph_text(drawing)


def _standings(blocks: Mapping[str, Block], options: Options, asked: Sequence[str]) -> dict[str, Standing]:
    """Return how the deployed blocks stand in the environment, those too whose state can't be read; nothing is started or made for that.

    `asked` are those whose nodes are looked at too.
    """
    from immtf.adapters.clock import Signals
    from immtf.app.deployed import look_at_deployed
    from immtf.cli.place import place_for, refuse_absent_lab
    from immtf.plan.drawing import standing_of, unread

    if options.lab:
        refuse_absent_lab(options)
    sample = next(iter(blocks.values()))
    place = replace(options, lab_running=options.lab, only=(), block=sample.directory)
    with Signals().caught() as signals, place_for(sample, place, test=False, makes=False) as target:
        found, problems = look_at_deployed(target, blocks, signals.is_set)
        seen = _health({name: blocks[name] for name in asked if name in found}, options, signals) if asked else {}
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
