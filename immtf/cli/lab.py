"""`immtf lab up|down|status|order`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import HOME, OUTPUT, option
from immtf.cli.orders import order

if TYPE_CHECKING:
    from pathlib import Path

NAME = option("--name", default="default", variable="IMMTF_LAB_NAME", help="Which lab.")


@click.group()
def lab() -> None:
    """Start, end and look at the lab: a rehearsal cloud on this machine."""


lab.add_command(order)


@lab.command()
@NAME
@HOME
@option(
    "--delays",
    variable="IMMTF_LAB_DELAYS",
    type=click.Choice(["none", "aws"]),
    default="none",
    help="How long the lab's cloud takes for what it does.",
)
@option(
    "--runtime",
    variable="IMMTF_LAB_RUNTIME",
    type=click.Choice(["process", "docker"]),
    default="process",
    help="What instances are: processes on loopback addresses, or containers that boot.",
)
def up(name: str, home: Path, delays: str, runtime: str) -> None:
    """Start the lab, or find it running. What a dead one left is cleared first."""
    from immtf.cli.place import start_lab

    found, tools = start_lab(home, name, delays, runtime)
    click.echo(f"lab {name}: {found.endpoint}, network {found.cidr}, controller {found.pid}, terraform {tools.terraform}")


@lab.command()
@NAME
@HOME
def down(name: str, home: Path) -> None:
    """End the lab and everything that runs in it. The instances' logs are kept."""
    from immtf.cli.orphans import sweep_containers
    from immtf.cli.place import lab_directory
    from immtf.lab import client

    directory = lab_directory(home, name)
    sweep_containers(home, directory)
    click.echo(f"lab {name} is down; logs: {directory / 'logs'}" if client.down(directory) else f"there was no lab {name}")


@lab.command()
@HOME
@OUTPUT
@option("--name", variable="IMMTF_LAB_NAME", help="Which lab; without it every one that is found.")
def status(name: str | None, home: Path, output: str) -> None:
    """Show what really runs: instances, their volumes and services."""
    from immtf.cli.place import lab_directory
    from immtf.lab import client

    names = [name] if name else sorted(path.name for path in (home / "labs").glob("*") if path.is_dir())
    found = {item: live for item in names if (live := client.find(lab_directory(home, item)))}
    if not found:
        click.echo("no lab is up; `immtf lab up` starts one", err=True)
    for item, live in found.items():
        if output == "json":
            rows = [{field: getattr(row, field) for field in row.__slots__} for row in live.status()]
            click.echo(json.dumps({"lab": item, "endpoint": live.endpoint, "network": live.cidr, "instances": rows}))
        else:
            _print(item, live)


def _print(name: str, live: object) -> None:
    from rich.console import Console
    from rich.table import Table

    from immtf.lab.client import Lab

    assert isinstance(live, Lab)  # noqa: S101 - for the type checker
    table = Table("instance", "image", "address", "runs", "pid", "volumes", "services", "log", title=f"lab {name} at {live.endpoint}")
    for row in live.status():
        mounts = ", ".join(f"{volume} at {path}" for path, volume in row.mounts.items()) or "-"
        services = ", ".join(f"{service} {state}" for service, state in row.services.items()) or "-"
        runs = "yes" if row.running else "no"
        addresses = ", ".join([row.address, *(f"{address} ({index})" for index, address in sorted(row.interfaces.items()))])
        table.add_row(row.instance_id, row.image_id, addresses, runs, str(row.pid or "-"), mounts, services, row.log)
    Console(width=None if Console().is_terminal else 200).print(table)
