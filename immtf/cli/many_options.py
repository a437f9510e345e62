"""The options that choose among the blocks of an infrastructure, and say how they are run."""

from __future__ import annotations

import rich_click as click

from immtf.cli.options import option

ONLY_BLOCK = option(
    "--only", multiple=True, metavar="BLOCK", variable="IMMTF_ONLY_BLOCK", help="Of an infrastructure, this block only. May be repeated."
)
MANY = (
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
    option(
        "--parallel",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Of an infrastructure, how many blocks that don't need each other are under way at once.",
    ),
    option("--dry-run", is_flag=True, help="Of an infrastructure, show the order and each block's command, and read nothing."),
)
