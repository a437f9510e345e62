"""The options that choose among the blocks of an infrastructure, and say how they are run."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from immtf.cli.options import option

ONLY_BLOCK = option(
    "--only", multiple=True, metavar="BLOCK", variable="IMMTF_ONLY_BLOCK", help="Of an infrastructure, this block only. May be repeated."
)
CHOICE = (
    option(
        "--from",
        "since",
        metavar="BLOCK",
        variable="IMMTF_FROM_BLOCK",
        help="Of an infrastructure, this block and everything that needs it.",
    ),
    option(
        "--until",
        metavar="BLOCK",
        help="Of an infrastructure, this block and everything that it needs.",
    ),
)
MANY = (
    *CHOICE,
    option(
        "--parallel",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Of an infrastructure, how many blocks that don't need each other are under way at once.",
    ),
    option("--dry-run", is_flag=True, help="Of an infrastructure, show the order, why it is so, and each block's command; change nothing."),
)
# what a run over many blocks tells the run of each
NEIGHBOURS = click.option("--neighbours", type=click.Path(path_type=Path, dir_okay=False), hidden=True)
