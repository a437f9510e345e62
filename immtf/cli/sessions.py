"""From options to a session and its use case: the block, the place, the journal, the reader, the lease, the signals."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf.errors import Interrupted, UsageError
from immtf.model.block import ConsulGate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from immtf.app.closing import Outcome
    from immtf.app.session import Session
    from immtf.app.target import Target
    from immtf.cli.options import Options
    from immtf.errors import ExitCode
    from immtf.model.block import Block
    from immtf.model.events import Event
    from immtf.report.readers import Reader

CHANGING = frozenset({"create", "upgrade", "destroy", "test-create", "test-upgrade"})
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "CONSUL_HTTP_TOKEN")
SHORTEST_SECRET = 6


def run(command: str, options: Options, body: Callable[[Session], Outcome], *, test: bool = False, also: Sequence[Block] = ()) -> ExitCode:
    """Open a session, carry the use case out to its last event, and return the exit code."""
    from immtf.adapters.clock import Signals
    from immtf.adapters.journal import Journal
    from immtf.adapters.lease import held_lease
    from immtf.app.closing import run_to_end
    from immtf.app.session import Session, new_run_id
    from immtf.app.telling import now
    from immtf.cli.place import place_for
    from immtf.plan.config import load_block

    block = load_block(options.block)
    variables = options.terraform_variables()
    run_id = new_run_id()
    with ExitStack() as stack:
        signals = stack.enter_context(Signals().caught())
        target = stack.enter_context(place_for(block, options, test=test, makes=test or command == "create", also=also))
        secrets = _secrets(block, target.process)
        if command in CHANGING:  # before the journal: a run that was not let in leaves none
            holder = {"run": run_id, "command": command, "pid": str(os.getpid()), "since": f"{now():%Y-%m-%d %H:%M:%S} UTC"}
            stack.enter_context(held_lease(_lease_path(block, target), holder))
        journal = Journal(target.runs, run_id, now, secrets=secrets)
        stack.callback(journal.close)
        journal.check()
        reader = _reader(options, run_id, secrets)
        stack.callback(reader.close)
        session = Session(
            block, target, run_id, signals, (journal, _shown(reader, command, options, secrets)), variables, options.again(command)
        )
        stack.callback(session.close)
        code = run_to_end(session, command, lambda: body(session))
    if journal.failure is not None:
        click.echo(f"immtf: {journal.failure}", err=True)
    click.echo(f"journal: {journal.path}", err=True)
    return code


def confirmer(options: Options, *, name: str | None = None) -> Callable[[str], None]:
    """Return what asks a person before a change; with `name` that name has to be typed."""

    def confirm(question: str) -> None:
        if options.yes and name is None:
            return
        if not sys.stdin.isatty():
            way = "there is no terminal to ask at"
            raise UsageError(
                f"not confirmed: {way}", next="add --yes" if name is None else f"type the name at a terminal, or --confirm {name}"
            )
        if not _confirmed(question, name):
            raise UsageError("not confirmed: another name was typed", next="nothing was touched")

    return confirm


def _confirmed(question: str, name: str | None) -> bool:
    """Ask at the terminal; whether the name was typed. A no and Ctrl-C end the run: there is no safe point to wait for yet."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if name is None:
            return click.confirm(question, abort=True, err=True)
        return bool(click.prompt(f"{question}\nType the block's name to go on", err=True) == name)
    except click.Abort:
        raise Interrupted("not confirmed", next="nothing was touched") from None
    finally:
        signal.signal(signal.SIGINT, before)


def _lease_path(block: Block, target: Target) -> Path:
    """Return the lease's file: with the environment that immtf keeps, or by the root module, wherever the command is run from."""
    if target.directory is not None:
        return target.directory / "lease"
    identity = hashlib.sha256(str(block.terraform.resolve()).encode()).hexdigest()[:16]
    base = Path(target.process.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "immtf" / "leases" / f"{block.name}-{identity}"


def _reader(options: Options, run_id: str, secrets: list[str]) -> Reader:
    """Return the reader: JSON is data and goes to stdout, progress goes to stderr."""
    from immtf.report.readers import make_reader

    stream = sys.stdout if options.output == "json" else sys.stderr
    return make_reader(options.output, stream, run=run_id, secrets=secrets)  # type: ignore[arg-type]  # click.Choice checked it


def _secrets(block: Block, process: Mapping[str, str]) -> list[str]:
    """Return the texts that no reader may show: what AWS and the services are spoken to with. Shorter ones would mask words."""
    gates = [gate for cluster in block.clusters.values() for gate in cluster.gates]
    named = {gate.token_env for gate in gates if isinstance(gate, ConsulGate) and gate.token_env}
    return [value for name in sorted({*SECRETS, *named}) if len(value := process.get(name, "")) >= SHORTEST_SECRET]


def _shown(reader: Reader, command: str, options: Options, secrets: list[str]) -> Callable[[Event, datetime], None]:
    """Return the reader, but for the events that are the data of a command: those are printed to stdout."""
    from immtf.model.events import PlanMade, StatusTaken
    from immtf.report.record import masked

    data = {"plan": PlanMade, "status": StatusTaken}.get(command)
    if data is None or options.output == "json":
        return reader

    def show(event: Event, at: datetime) -> None:
        if isinstance(event, data):
            print_data(masked(event, secrets), options.output)
        else:
            reader(event, at)

    return show


def print_data(event: Event, output: str) -> None:
    """Print a plan or a status to stdout, as a table or as lines."""
    from immtf.model.events import PlanMade, StatusTaken
    from immtf.report import lists, tables

    if output == "lines" and isinstance(event, PlanMade):
        click.echo("\n".join(lists.plan_lines(event.rows, event.shared, event.image)))
    elif output == "lines" and isinstance(event, StatusTaken):
        click.echo("\n".join(lists.status_lines(event.rows, event.unfinished)))
    else:
        from rich.console import Console

        console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
        if isinstance(event, PlanMade):
            console.print(tables.plan_table(event.rows, event.shared, event.image))
        elif isinstance(event, StatusTaken):
            console.print(tables.status_table(event.rows, event.unfinished))
