"""The run itself of a command on an infrastructure: its journal, its readers, its signals, from the first event to the last."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.many import allowed, at_stake, children_environment, choose, job_of, refuse_early, variable_files, variables_of
from immtf.cli.many_order import Look, arrange, neighbour_files, required
from immtf.errors import ImmtfError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from immtf.app.target import Target
    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.block_events import BlocksPlanned
    from immtf.model.events import Event
    from immtf.report.readers import Reader
    from immtf.run.blocks import Tally
    from immtf.run.gates import Patience

QUESTIONS = {
    "create": "Create these blocks in environment {environment}, in this order?",
    "upgrade": "Upgrade these blocks in environment {environment}, in this order?",
    "destroy": "Delete all of these blocks in environment {environment}, the data on their volumes too?",
}


def run_on(command: str, options: Options, blocks: Mapping[str, Block], confirmed: str | None) -> int:
    """Carry a command out on the chosen blocks, to its last event, and return the exit code."""
    from immtf.adapters.clock import Signals, WallClock
    from immtf.adapters.journal import Journal
    from immtf.adapters.tether import tether_of, tethered
    from immtf.app.session import new_run_id
    from immtf.app.telling import Teller, now
    from immtf.cli.ci import accounts
    from immtf.cli.faults import told_without
    from immtf.cli.place import place_for
    from immtf.run.gates import Patience

    run_id = new_run_id()
    with ExitStack() as stack:
        listening = stack.enter_context(accounts(command, run_id, junit=options.junit, ci=options.ci, environ=os.environ))
        choose(command, options, blocks, required(blocks))  # a name that no block bears, before any place is looked for
        signals = stack.enter_context(Signals().caught())
        stack.enter_context(tethered(tether_of(os.environ)))
        first, *others = blocks.values()
        place = replace(options, only=(), block=first.directory)
        target = stack.enter_context(place_for(first, place, test=False, makes=command == "create", also=others))
        refuse_early(options, target, blocks)
        secrets = secrets_among(blocks, target.process, options)
        listening.secrets = secrets
        stack.enter_context(told_without(secrets, lambda text: text.replace("`immtf again", f"`{options.again(command)}")))
        journal = Journal(target.runs, run_id, now, secrets=secrets)
        stack.callback(journal.close)
        journal.check()
        reader = _reader(options, run_id, secrets)
        stack.callback(reader.close)
        tell = Teller((journal, _shown(reader, command, options, secrets), listening))
        patience = Patience(WallClock(signals), signals, tell)
        work = _Work(command, options, blocks, target, patience, signals.is_pause, target.runs / run_id, confirmed)
        code = work.to_its_end()
    if journal.failure is not None:
        click.echo(f"immtf: {journal.failure}", err=True)
    click.echo(f"journal: {journal.path}", err=True)
    return code


@dataclass
class _Work:
    """One command's work on its blocks, between its first and its last event; `directory` is the run's own."""

    command: str
    options: Options
    blocks: Mapping[str, Block]
    target: Target
    patience: Patience
    pause: Callable[[], bool]
    directory: Path
    confirmed: str | None

    def __post_init__(self) -> None:
        self.tell = self.patience.emit
        self.again = self.options.again(self.command)

    def to_its_end(self) -> int:
        """Tell the beginning, do the work, and tell the end, whatever it is."""
        from immtf.app.blocks import finished, halted
        from immtf.app.closing import ended_by
        from immtf.model.events import RunFinished, RunHalted, RunStarted

        clock = self.patience.clock
        began = clock.monotonic()
        process = self.target.process
        who = f"{process.get('USER') or process.get('LOGNAME') or 'unknown'}@{process.get('HOSTNAME') or 'this machine'}"
        name = self.options.block.resolve().name
        self.tell(RunStarted(self.command, name, "", self.target.environment, self.target.cloud, who))
        try:
            tally = self._run()
        except ImmtfError as error:
            outcome = ended_by(error, pause=self.pause())
            following = error.next.replace("`immtf again", f"`{self.again}")
            self.tell(RunHalted(error.what, error.where, "no block was begun", following, int(outcome.exit_code)))
            took = round(clock.monotonic() - began, 3)
            self.tell(RunFinished(outcome.outcome, 0, 0, None, None, None, duration_s=took, own_s=took, exit_code=int(outcome.exit_code)))
            return int(outcome.exit_code)
        halt = halted(tally, self.again)
        if halt is not None:
            self.tell(halt)
        self.tell(finished(tally, clock.monotonic() - began))
        return int(tally.code)

    def _run(self) -> Tally:
        from immtf.app.blocks import run_many

        look = Look(target=self.target, interrupted=self.patience.cancel.is_set, tell=self.tell)
        choice = arrange(self.command, self.options, self.blocks, look)
        own = allowed(self.command, self.options, choice.wanted)
        with (
            variable_files(self.directory / "variables", variables_of(self.options, choice.wanted)) as variables,
            neighbour_files(self.directory / "neighbours", choice.neighbours) as neighbours,
        ):
            for name, word in (*variables.items(), *neighbours.items()):
                own[name] = [*own.get(name, []), word]
            job = job_of(self.command, self.options, choice, own, confirm=not self.target.is_test)
            self.tell(job.planned())
            self._confirm(choice.names)
            environment = children_environment(os.environ)
            return run_many(job, directory=self.directory, environment=environment, patience=self.patience, pause=self.pause)

    def _confirm(self, names: Sequence[str]) -> None:
        from immtf.cli.sessions import confirmer

        if self.command not in QUESTIONS:
            return
        name, what = at_stake(self.target, names)
        if self.command == "destroy" and self.confirmed == name:
            return
        typed = name if self.command == "destroy" and not self.target.is_test else None
        confirmer(self.options, name=typed, again=self.again, what=what)(
            QUESTIONS[self.command].format(environment=self.target.environment)
        )


def show_dry(planned: BlocksPlanned, options: Options) -> None:
    """Print the order of the blocks and the command line of each: data, so to stdout."""
    from immtf.app.telling import now
    from immtf.model.event_record import to_record
    from immtf.report.lists import block_lines
    from immtf.report.record import stamp

    if options.output == "json":
        click.echo(json.dumps(to_record(planned, run="dry-run", seq=1, at=stamp(now())), ensure_ascii=False))
        return
    if options.output == "lines":
        click.echo("\n".join(block_lines(planned.rows)))
    else:
        from rich.console import Console

        from immtf.report.tables import blocks_table

        Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(blocks_table(planned.rows))
    for row in planned.rows:
        click.echo(f"{row.block}: {row.command}")


def secrets_among(blocks: Mapping[str, Block], process: Mapping[str, str], options: Options) -> list[str]:
    """Return what nobody may be shown of a run over these blocks, the longest first."""
    from immtf.adapters.terraform.hcl import sensitive_variables
    from immtf.cli.secret_texts import secret_texts

    variables = options.terraform_variables()
    found = {text for block in blocks.values() for text in secret_texts(block, process, variables, sensitive_variables(block.terraform))}
    return sorted(found, key=lambda text: (-len(text), text))


def _reader(options: Options, run_id: str, secrets: list[str]) -> Reader:
    from immtf.cli.ci import folded
    from immtf.report.readers import MaskingReader, make_reader

    stream = sys.stdout if options.output == "json" else sys.stderr
    reader = make_reader(options.output, stream, run=run_id, secrets=secrets)  # type: ignore[arg-type]  # click.Choice checked it
    return MaskingReader(folded(reader, options.output, options.ci, os.environ), secrets)


def _shown(reader: Reader, command: str, options: Options, secrets: list[str]) -> Callable[[Event, datetime], None]:
    """Return the reader, but for what is the data of a command: of each block that is printed to stdout, with the block's name."""
    from immtf.cli.sessions import print_data
    from immtf.model.block_events import BlockTold
    from immtf.model.events import PlanMade, StatusTaken
    from immtf.report.record import masked

    kind = {"plan": PlanMade, "status": StatusTaken}.get(command)
    if kind is None or options.output == "json":
        return reader

    def show(event: Event, at: datetime) -> None:
        if isinstance(event, BlockTold) and isinstance(event.told, kind):
            print_data(masked(event.told, secrets), options.output, block=event.block)
        else:
            reader(event, at)

    return show
