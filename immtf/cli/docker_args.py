"""`immtf docker-args`: the command that runs this in its container, here and now."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import OUTPUT, BlockPath, option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from immtf.plan.container import Situation

WORDS = click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")


@click.command("docker-args", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@WORDS
@option("--container", default="immtf", metavar="IMAGE", help="The container's image.")
@option("--baked", is_flag=True, help="The block is in the image.")
@option("--block", type=BlockPath(path_type=Path), metavar="DIR", help="The directory of the block; without it the current one.")
@option("--volume", default="immtf", metavar="VOLUME|DIR", help="Where journals, leases and test environments are kept.")
@option("--docker", "engine", is_flag=True, help="Let the container use Docker's engine. Known by itself where the command needs it.")
@OUTPUT
def docker_args(command: tuple[str, ...], output: str, **arguments: object) -> None:
    """Print the `docker run` command for COMMAND (for example `upgrade --yes`): credentials, block, journals, stop timeout.

    Variables stand in it by name, never with their values. Nothing is run.
    """
    from immtf.plan.container import docker_run

    call = docker_run(_situation(command or ("plan",), os.environ, **arguments))  # type: ignore[arg-type]  # click gives them by name
    if output == "json":
        click.echo(json.dumps({"argv": call.words, "notes": call.notes}))
        return
    click.echo(call.text(" ") if output == "lines" else call.text())
    for note in call.notes:
        click.echo(f"note: {note}", err=True)


def _situation(
    command: tuple[str, ...], environment: Mapping[str, str], *, container: str, baked: bool, block: Path | None, volume: str, engine: bool
) -> Situation:
    """Look at this machine."""
    from immtf.plan.container import FILES, Situation, needs_engine

    inside = bool(environment.get("IMMTF_INSIDE"))
    engine = engine or needs_engine(command, environment)
    top, place = (None, None) if baked or inside else _block(block or Path())
    aws_files = Path(environment.get("HOME") or "/nowhere") / ".aws"
    kept = _kept(volume, engine=engine and not inside)
    socket = environment.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock"
    return Situation(
        image=container,
        command=command,
        environment=environment,
        files=frozenset(name for name in FILES if environment.get(name) and Path(environment[name]).is_file()),
        top=top,
        block=place,
        keep=kept,
        keep_there=inside or "/" not in kept or Path(kept).is_dir(),
        user=(os.getuid(), os.getgid()),
        terminal=not inside and sys.stdin.isatty() and sys.stdout.isatty(),
        aws_files=aws_files if aws_files.is_dir() and not inside else None,
        engine=engine,
        socket=socket,
        socket_group=_group(Path(socket)) if engine else None,
        inside=inside,
        baked=baked,
    )


def _block(block: Path) -> tuple[Path, Path]:
    """Return the directory to be mounted and the block's in it; a directory without a block's file is mounted for what it is."""
    from immtf.adapters.worktree import common_ancestor
    from immtf.plan.config import load_block

    place = block.resolve()
    file = place if place.is_file() else place / "immtf.yaml"
    root = load_block(block).terraform if file.exists() else place
    directory = file.parent
    return Path(os.path.commonpath([common_ancestor(root), directory])), directory


def _kept(keep: str, *, engine: bool) -> str:
    """Return a volume's name as it is, a directory as its path; with Docker's engine it must be a directory."""
    if "/" in keep or keep.startswith("."):
        return str(Path(keep).absolute())
    return str(Path(".immtf").absolute()) if engine else keep


def _group(socket: Path) -> int | None:
    try:
        return socket.stat().st_gid
    except OSError:
        return None
