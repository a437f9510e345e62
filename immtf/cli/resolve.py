"""`immtf resolve`: the newest versions of blocks that fit together, of all that are published; and the lock file of them."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.options import Lines, not_empty, option
from immtf.errors import UsageError, VersionsUnresolved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from immtf.model.published import Place, Published
    from immtf.plan.resolve import Wish
    from immtf.plan.shelf import Candidate, Shelf


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME[=CONSTRAINT]…", callback=not_empty)
@option(
    "--published",
    "places",
    multiple=True,
    required=True,
    type=Lines(),
    metavar="DIR|git:DIR|image:NAME|registry:HOST/NAME",
    help="Where blocks are published: directories, the tags of a git repository, container images here or in a registry. May be repeated.",
)
@option("--lock", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the result, for runs: `immtf upgrade FILE`.")
@option("--output", type=click.Choice(["text", "json"]), default="text", help="How to tell the result.")
def resolve(names: tuple[str, ...], places: tuple[str, ...], lock: Path | None, output: str) -> None:
    """Find the newest versions of blocks, and of all that they need, that fit together. Exit code 30 where none do.

    NAME=CONSTRAINT asks for certain versions, in Terraform's syntax: consul=1.2.0, 'consul=~> 1.2'.
    """
    from immtf.plan.lockfile import read_place
    from immtf.plan.resolve import newer_than, read_wish
    from immtf.report.resolved import as_json, as_text, left_out

    wishes = [read_wish(name) for name in names]
    if lock is not None and lock.suffix != ".lock":
        raise UsageError(
            "a lock file's name ends in .lock: so a command knows it from a block", where=str(lock), next=f"--lock {lock}.lock"
        )
    shelf = _shelf([read_place(text) for text in places])
    chosen = _chosen(wishes, shelf)
    for line in [*shelf.remarks, *left_out(shelf.unread)]:
        click.echo(line, err=True)
    blocks = {name: _sealed(one.published) for name, one in chosen.items()}
    newer = newer_than(chosen, wishes, shelf)
    shown = as_text(blocks, newer) if output == "text" else as_json([str(wish) for wish in wishes], blocks, newer, shelf.unread)
    if lock is not None:
        _write(lock, wishes, blocks)
    click.echo(shown)


def _shelf(places: Sequence[Place]) -> Shelf:
    from immtf.adapters.published import look
    from immtf.plan.shelf import stock

    found = {place: look(place, os.environ) for place in places}
    for one in found.values():
        if one.remark:
            click.echo(one.remark, err=True)
    published = [one for each in found.values() for one in each.published]
    unread = [one for each in found.values() for one in each.unread]
    return stock(published, unread, [str(place) for place in found])


def _chosen(wishes: Sequence[Wish], shelf: Shelf) -> Mapping[str, Candidate]:
    from immtf.plan.conflict import told
    from immtf.plan.resolve import Conflict, cycle_in
    from immtf.plan.resolve import resolve as solve

    try:
        found = solve(wishes, shelf)
    except Conflict:
        raise told(wishes, shelf) from None
    if row := cycle_in(found.chosen):
        what = f"what fits goes in a circle: {', '.join(f'{one} needs {other.name}' for one, other in pairwise([*row, row[0]]))}"
        raise VersionsUnresolved(what, next=f"ask for an older {row[0].name} or publish one that doesn't need {[*row, row[0]][1].name}")
    if not found.sure:
        click.echo("newer versions of what was asked for may fit too: the search for them was given up; ask for them to see", err=True)
    return found.chosen


def _sealed(one: Published) -> Published:
    """Return a version with the digest of its content."""
    if one.digest:
        return one
    from immtf.adapters.published import content_digest
    from immtf.plan.config import load_block

    return replace(one, digest=content_digest(load_block(Path(one.place.where))))


def _write(lock: Path, wishes: Sequence[Wish], blocks: Mapping[str, Published]) -> None:
    from immtf.adapters.files import replace_file
    from immtf.adapters.published.materialised import placed
    from immtf.model.lock import Lock
    from immtf.plan.lockfile import lock_text

    asked: dict[str, str] = {}
    for wish in wishes:
        asked[wish.name] = f"{asked[wish.name]}, {wish.constraint}" if wish.name in asked else wish.constraint.text
    there = {name: replace(one, place=placed(one.place, lock)) for name, one in blocks.items()}
    replace_file(lock, lock_text(Lock(asked, there)))
    click.echo(f"written: {lock}", err=True)
