"""From a command on images to its session and use case: the place, the journal, the reader, the signals.

The family is named, or is that of the block that is named; in a lab the block's image trees are registered first, as for any command on it.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.options import CI, HOME, LAB, OUTPUT, Options, option
from immtf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from immtf.app.closing import Outcome
    from immtf.app.imaging.session import ImageSession
    from immtf.app.target import Target
    from immtf.errors import ExitCode
    from immtf.lab.client import Lab
    from immtf.lab.toolchain import Tools
    from immtf.model.block import Block
    from immtf.model.events import Event

FAMILY = option("--family", metavar="NAME", help="The images' family (tag immtf:family).")
BLOCK = option(
    "--block",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A block whose family is meant; in a lab its image trees are registered first.",
)


@dataclass(frozen=True)
class Scene:
    """What a command on images works on: the session, the family ("" for none named), the block and the lab where there are such."""

    session: ImageSession
    family: str
    block: Block | None
    lab: Lab | None


def on_images(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that puts these options on a command, and those that all commands on images share."""

    def decorate(function: Any) -> Any:
        for item in reversed((*options, FAMILY, BLOCK, *LAB, OUTPUT, CI, HOME)):
            function = item(function)
        return function

    return decorate


def run(
    command: str, subject: str, arguments: dict[str, Any], body: Callable[[Scene], Outcome], place: Callable[..., Any] | None = None
) -> ExitCode:
    """Open a session, carry the use case out to its last event, and return the exit code.

    `subject` is the image that is named, or "". `place` gives the target and the lab, where that isn't found as for images.
    """
    from immtf.adapters.clock import Signals
    from immtf.adapters.journal import Journal
    from immtf.app.imaging.session import ImageSession, run_to_end
    from immtf.app.session import new_run_id
    from immtf.app.telling import now
    from immtf.cli.ci import accounts, folded
    from immtf.plan.config import load_block
    from immtf.report.readers import make_reader

    path, family = arguments.pop("block"), arguments.pop("family") or ""
    options = Options(block=path or Path(), **arguments)
    block = load_block(path) if path else None
    family = family or (block.image.family if block and block.image else "")
    run_id = new_run_id()
    with ExitStack() as stack:
        listening = stack.enter_context(accounts(command, run_id, junit=options.junit, ci=options.ci, environ=os.environ))
        signals = stack.enter_context(Signals().caught())
        target, lab = stack.enter_context((place or _place)(options, block))
        journal = Journal(target.runs, run_id, now)
        stack.callback(journal.close)
        stream = sys.stdout if options.output == "json" else sys.stderr
        told = make_reader(options.output, stream, run=run_id)  # type: ignore[arg-type]  # click.Choice checked it
        reader = folded(told, options.output, options.ci, os.environ)
        stack.callback(reader.close)
        listeners = (journal, _shown(reader, options.output), listening)
        session = ImageSession(family or "images", subject, target, run_id, signals, listeners, target.flags)
        journal.check()
        code = run_to_end(session, command, lambda: body(Scene(session, family, block, lab)))
    if journal.failure is not None:
        click.echo(f"immtf: {journal.failure}", err=True)
    click.echo(f"journal: {journal.path}", err=True)
    return code


@contextmanager
def _place(options: Options, block: Block | None) -> Iterator[tuple[Target, Lab | None]]:
    """Give the place: AWS as the environment says, or the lab that is named, started where it isn't up."""
    from immtf.app.target import Target
    from immtf.cli.place import DEFAULT_LAB, register_images

    if not options.lab:
        flags = _flags(options, ())
        yield Target(cloud="aws", environment="images", is_test=False, home=options.home, process=os.environ, flags=flags), None
        return
    name = options.lab_name or DEFAULT_LAB
    lab, _ = _lab(options, name, [block] if block is not None else [])
    if block is not None and not options.lab_running:
        register_images(block, lab)
    flags = _flags(options, ("--lab", *(("--lab-name", name) if name != DEFAULT_LAB else ())))
    yield Target(cloud="lab", environment=name, is_test=True, home=options.home, process=lab.environment(os.environ), flags=flags), lab


def _lab(options: Options, name: str, blocks: Sequence[Block]) -> tuple[Lab, Tools]:
    from immtf.cli.place import running_lab, start_lab

    if options.lab_running:
        return running_lab(options.home, name)
    return start_lab(options.home, name, options.lab_delays, options.lab_runtime, blocks)


def _flags(options: Options, place: tuple[str, ...]) -> str:
    home = (f"--home={options.home}",) if str(options.home) != ".immtf" else ()
    return shlex.join([*place, *home])


def _shown(reader: Any, output: str) -> Callable[[Event, datetime], None]:
    """Return the reader, but for lists of images: those are a command's data and go to stdout."""
    from immtf.model.events import ImagesListed

    if output == "json":
        return reader  # type: ignore[no-any-return]  # a reader is such a function

    def show(event: Event, at: datetime) -> None:
        if isinstance(event, ImagesListed):
            print_images(event, output)
        else:
            reader(event, at)

    return show


def print_images(event: Any, output: str) -> None:
    """Print a list of images to stdout, as a table or as lines."""
    from immtf.report import lists, tables

    if output == "lines":
        click.echo("\n".join(lists.image_lines(event.rows)))
        return
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(tables.image_table(event.rows))


def pairs(variables: tuple[str, ...]) -> dict[str, str]:
    """Read `--var NAME=VALUE`, as Packer takes them: values are texts."""
    found = {}
    for item in variables:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{item!r} is not NAME=VALUE", where="--var", next="write it as --var instance_type=t3.large")
        found[name.strip()] = value
    return found
