"""`immtf checks`: every check by name, and which of them a person may let pass."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immtf.plan.checks import Check


@click.command()
@click.argument("block", type=click.Path(path_type=Path), required=False, envvar="IMMTF_BLOCK")
@OUTPUT
def checks(block: Path | None, output: str) -> None:
    """List every check that can stop a run, and which of them `--allow=ID --reason TEXT` lets pass.

    With a block, its gates stand there by their own ids.
    """
    from immtf.plan.checks import checks_of
    from immtf.plan.config import load_block

    found = checks_of(load_block(block)) if block else checks_of()
    if output == "json":
        rows = [{"id": check.id, "overridable": check.overridable, "guards": check.guards, "why": check.why} for check in found]
        click.echo(json.dumps(rows, indent=2))
    elif output == "lines":
        for check in found:
            click.echo(f"{check.id} {_word(check)}: {check.guards}; {check.why}")
    else:
        _show(found)


def _word(check: Check) -> str:
    return "--allow" if check.overridable else "hard"


def _show(found: Sequence[Check]) -> None:
    from rich.console import Console

    from immtf.report.tables import checks_table

    rows = [(check.id, _word(check), check.guards, check.why) for check in found]
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(checks_table(rows))
