"""`doctor` and `repair`: what is wrong with this machine's tools, or with an environment; and its mending."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import rich_click as click

from immtf.cli.options import ACCEPT, JUNIT, LEASE_TTL, MOVE_LIMIT, YES, Options, shared
from immtf.errors import ExitCode, UsageError

BLOCK = click.argument("block", type=click.Path(path_type=Path, exists=False), required=False)
FINDINGS = click.argument("findings", nargs=-1, metavar="[FINDING]...")


@click.command()
@shared(block=BLOCK)
def doctor(block: Path | None, **arguments: Any) -> int:
    """Say what is wrong with a block's environment, and what would mend it; without a block, which tools are here.

    In a block's directory name it as `.`, or name the environment; how to get a tool that is missing is told with it.
    Exit code 10 when `repair` mends it all, 24 when something is for a person.
    """
    if block is None:
        if not (arguments["environment"] or arguments["lab"]):
            return _tools(str(arguments["output"]))
        block = _here()
    from immtf.app import doctor as use
    from immtf.cli.sessions import lease_path, run

    options = Options(block=block, **arguments)
    return run("doctor", options, lambda session: use.doctor(session, lease_path(session.block, session.target)))


@click.command()
@shared(ACCEPT, LEASE_TTL, MOVE_LIMIT, JUNIT, YES)
@FINDINGS
def repair(findings: tuple[str, ...], **arguments: Any) -> int:
    """Mend what `doctor` found: the findings that are named, or all that need no person, one after the other.

    Each is shown before it is done, and goes through the same gates as an upgrade. No volume is ever deleted; a snapshot goes only
    when it is named.
    """
    from immtf.app import doctor as use
    from immtf.cli.sessions import confirmer, run

    options = Options(findings=findings, **arguments)
    return run("repair", options, lambda session: use.repair(session, findings, confirmer(options)))


def _here() -> Path:
    """Return the block of this directory, for an environment or lab that is named without one. Raises `UsageError` where there is none."""
    from immtf.plan.config.load import FILE_NAME

    if not Path(FILE_NAME).exists():
        raise UsageError(
            "an environment is looked at for a block, and this is no block's directory",
            where=str(Path.cwd()),
            next="name the block: `immtf doctor DIR --environment NAME`; for the tools alone leave the environment and --lab out",
        )
    return Path()


def _tools(output: str) -> int:
    """Show which tools were found, where and at which version; and how to get what is missing."""
    from immtf.lab.toolchain import ALL, ETCD, Cache, Toolchain, cache_directory

    found = Toolchain(Cache(cache_directory(os.environ, Path.home())), os.environ).find((*ALL, ETCD))
    for tool in found:
        if output == "json":
            row = {"name": tool.name, "version": tool.version, "path": str(tool.path or ""), "source": tool.source, "problem": tool.problem}
            click.echo(json.dumps({**row, "ways": tool.ways}))
        elif tool.usable:
            click.echo(f"ok       {tool.name:<14} {tool.version:<10} {tool.path} ({tool.source})")
        else:
            click.echo(f"missing  {tool.name:<14} {tool.problem}\n         to get it: {tool.ways}")
    return ExitCode.DONE if all(tool.usable for tool in found if tool.name != ETCD) else ExitCode.ERROR  # not every block runs etcd
