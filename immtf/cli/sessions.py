"""From options to a session and its use case: the block, the place, the journal, the reader, the lease, the signals."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import rich_click as click

from immtf.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from immtf.app.closing import Outcome
    from immtf.app.session import Session
    from immtf.app.target import Target
    from immtf.cli.options import Options
    from immtf.errors import ExitCode
    from immtf.model.block import Block
    from immtf.model.environment import Neighbours
    from immtf.model.events import Event
    from immtf.report.readers import Reader

CHANGING = frozenset({"create", "upgrade", "rollback", "repair", "destroy", "test-create", "test-upgrade"})


def run(command: str, options: Options, body: Callable[[Session], Outcome], *, test: bool = False, also: Sequence[Block] = ()) -> ExitCode:
    """Open a session, carry the use case out to its last event, and return the exit code."""
    from immtf.adapters.clock import Signals
    from immtf.adapters.journal import Journal
    from immtf.adapters.lease import held_lease
    from immtf.adapters.tether import tether_of, tethered
    from immtf.app.closing import run_to_end, spelled_for
    from immtf.app.leasing import Leases, make_holder
    from immtf.app.session import Session, new_run_id
    from immtf.app.telling import now
    from immtf.cli.ci import accounts
    from immtf.cli.faults import told_without
    from immtf.cli.place import place_for
    from immtf.cli.secret_texts import secret_texts, texts_of
    from immtf.plan.checks import allow, checks_of
    from immtf.plan.config import load_block
    from immtf.run.moves import Limits

    run_id, leases = new_run_id(), None
    with ExitStack() as stack:
        listening = stack.enter_context(accounts(command, run_id, junit=options.junit, ci=options.ci, environ=os.environ))
        block = load_block(options.block)
        variables = options.terraform_variables()
        overrides = allow(options.allow, options.reason, checks_of(block, *also))
        signals = stack.enter_context(Signals().caught())
        stack.enter_context(tethered(tether_of(os.environ)))
        target = stack.enter_context(place_for(block, options, test=test, makes=test or command == "create", also=also))
        secrets = secret_texts(block, target.process, variables, _sensitive(block, *also))
        listening.secrets = secrets
        again = options.again(command)
        spelled = partial(spelled_for, target=target, again=again, elsewhere=options.elsewhere())
        stack.enter_context(told_without(secrets, spelled))
        if command in CHANGING:  # before the journal: a run that was not let in leaves none
            holder = make_holder(run_id, command, f"{now():%Y-%m-%d %H:%M:%S} UTC", target.process)
            leases = Leases(holder, stack.enter_context(held_lease(lease_path(block, target), asdict(holder))), options.lease_ttl)
        journal = Journal(target.runs, run_id, now, secrets=secrets)
        stack.callback(journal.close)
        reader = _reader(options, run_id, secrets)
        stack.callback(reader.close)
        listeners = (journal, _shown(reader, command, options, secrets), listening)
        session = Session(block, target, run_id, signals, listeners, variables, again, overrides=overrides, neighbours=_neighbours(options))
        session.elsewhere, session.accepted = options.elsewhere(), frozenset(options.accept_unmarked)
        session.limits = Limits.of(options.move_limit)
        session.leases, session.command = leases, command
        session.hide = lambda values: secrets.extend(texts_of(values))  # every reader has this very list
        stack.callback(session.close)
        journal.check()  # at last: what was refused until here was no run, and has no journal
        code = run_to_end(session, command, lambda: body(session))
    if journal.failure is not None:
        click.echo(f"immtf: {journal.failure}", err=True)
    click.echo(f"journal: {journal.path}", err=True)
    return code


def _neighbours(options: Options) -> Neighbours | None:
    """Return what a run over many blocks tells of the others."""
    from immtf.plan.neighbours import read_neighbours

    return read_neighbours(options.neighbours) if options.neighbours else None


def _sensitive(*blocks: Block) -> frozenset[str]:
    """Return the variables that any of these blocks declares as sensitive: the user's are given to those that declare them."""
    from immtf.adapters.terraform.hcl import sensitive_variables

    return frozenset().union(*(sensitive_variables(block.terraform) for block in blocks))


def confirmer(
    options: Options, *, name: str | None = None, again: str = "immtf again", what: str = "the block's name"
) -> Callable[[str], None]:
    """Return what asks a person before a change; with `name` that name has to be typed. `again` is the command that is told to go on.

    `what` that name is.
    """

    def confirm(question: str) -> None:
        if options.yes and name is None:
            return
        if not sys.stdin.isatty():
            way = "there is no terminal to ask at"
            on = f"`{again} --yes`" if name is None else f"`{again} --confirm {name}`, or type the name at a terminal"
            raise UsageError(f"not confirmed: {way}", next=on)
        if not _confirmed(question, name, again, what):
            raise UsageError("not confirmed: another name was typed", next=f"what has to be typed is {name}: `{again}`")

    return confirm


def _confirmed(question: str, name: str | None, again: str, what: str) -> bool:
    """Ask at the terminal; whether the name was typed. A no, Ctrl-C and SIGTERM end the run: there is no safe point to wait for yet."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if name is None:
            return click.confirm(question, abort=True, err=True)
        return bool(click.prompt(f"{question}\nType {what} to go on", err=True) == name)
    except click.Abort:
        raise Interrupted("not confirmed", next=f"`{again}` asks anew") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def lease_path(block: Block, target: Target) -> Path:
    """Return the lease's file: with the environment that immtf keeps, or by the root module, wherever the command is run from."""
    from immtf.adapters.lease import lease_file

    if target.directory is not None:
        return target.directory / "lease"
    identity = hashlib.sha256(str(block.terraform.resolve()).encode()).hexdigest()[:16]
    return lease_file(f"{block.name}-{identity}", block.terraform, target.process)


def _reader(options: Options, run_id: str, secrets: list[str]) -> Reader:
    """Return the reader: JSON is data and goes to stdout, progress and what a CI system reads go to stderr."""
    from immtf.cli.ci import folded
    from immtf.report.readers import MaskingReader, make_reader

    stream = sys.stdout if options.output == "json" else sys.stderr
    reader = make_reader(options.output, stream, run=run_id, secrets=secrets)  # type: ignore[arg-type]  # click.Choice checked it
    return MaskingReader(folded(reader, options.output, options.ci, os.environ), secrets)


def _shown(reader: Reader, command: str, options: Options, secrets: list[str]) -> Callable[[Event, datetime], None]:
    """Return the reader, but for the events that are the data of a command: those are printed to stdout."""
    from immtf.model.events import Diagnosed, PlanMade, StatusTaken
    from immtf.report.record import masked

    data = {"plan": PlanMade, "status": StatusTaken, "doctor": Diagnosed}.get(command)
    if data is None or options.output == "json":
        return reader

    def show(event: Event, at: datetime) -> None:
        if isinstance(event, data):
            print_data(masked(event, secrets), options.output)
        else:
            reader(event, at)

    return show


def print_data(event: Event, output: str, block: str = "") -> None:
    """Print a plan, a status or a diagnosis to stdout, as a table or as lines; with a block's name where there are several."""
    from immtf.model.events import Diagnosed, PlanMade, StatusTaken
    from immtf.report import lists, tables

    begins = f"{block}: " if block else ""
    if isinstance(event, Diagnosed):
        click.echo("\n".join(lists.finding_lines(event.findings)))
    elif output == "lines" and isinstance(event, PlanMade):
        _print_lines(begins, lists.plan_lines(event.rows, event.shared, event.image, event.outputs))
    elif output == "lines" and isinstance(event, StatusTaken):
        _print_lines(begins, lists.status_lines(event.rows, event.unfinished))
    else:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        if block:
            console.print(f"block {block}", style="bold", markup=False)
        if isinstance(event, PlanMade):
            console.print(tables.plan_table(event.rows, event.shared, event.image, event.outputs))
        elif isinstance(event, StatusTaken):
            console.print(tables.status_table(event.rows, event.unfinished))


def _print_lines(begins: str, lines: Sequence[str]) -> None:
    """Print lines, each with its beginning; nothing where there are none, since an empty line says of nobody whose it is."""
    for line in lines:
        click.echo(f"{begins}{line}")
