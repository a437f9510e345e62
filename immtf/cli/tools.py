"""`schema` and `report`: commands that need no block's cloud."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from immtf.cli.options import HOME, OUTPUT, option
from immtf.errors import ImmtfError


@click.command()
@click.argument("which", type=click.Choice(["block", "environment", "events"]), default="block")
def schema(which: str) -> None:
    """Print the JSON schema of immtf.yaml, of an environment's file, or of the events, for editors and readers."""
    if which == "events":
        from immtf.report.schema import schema_text

        click.echo(schema_text().rstrip())
        return
    from immtf.plan.config import environment_schema, json_schema

    click.echo(json.dumps(environment_schema() if which == "environment" else json_schema(), indent=2))


@click.command()
@click.argument("run", default="last")
@HOME
@OUTPUT
@option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write the run as a picture.")
@option("--list", "listed", is_flag=True, help="List the runs instead.")
def report(run: str, home: Path, output: str, svg: Path | None, listed: bool) -> None:
    """Tell a run again from its journal: by its id, the beginning of it, or `last`."""
    import sys

    from immtf.adapters.journal import find, runs
    from immtf.report.journals import read_journal
    from immtf.report.readers import make_reader

    if listed:
        for info in runs(home / "runs"):
            click.echo(f"{info.run_id}  {info.command:<13} {info.block:<12} {info.environment:<12} {info.outcome}")
        return
    info = find(home / "runs", run)
    told = read_journal(info.path)
    if svg is not None:
        from immtf.report.picture import to_svg

        _write(svg, to_svg(told, title=f"immtf {info.command} {info.block}"))
        return
    reader = make_reader(output, sys.stdout, run=info.run_id)  # type: ignore[arg-type]  # click.Choice checked it
    for event, at in told:
        reader(event, at)
    reader.close()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImmtfError(f"can't be written: {error.strerror}", where=str(path)) from error
    click.echo(f"written: {path}")
