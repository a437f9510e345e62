"""`schema`: the JSON schemas, for editors and readers."""

from __future__ import annotations

import json

import rich_click as click


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
