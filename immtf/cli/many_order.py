"""The order of a run over many blocks, each step right by what is deployed then, and what each block's run is told of the others.

A dry run and the run itself come to it in the same way. All states are read once; nothing here grows faster than the blocks with what they
require.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import rich_click as click

from immtf.cli.many import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from immtf.app.deployed import Read
    from immtf.app.target import Target
    from immtf.cli.many import Choice
    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.environment import Deployed, Neighbours
    from immtf.run.ports import Listener

UPGRADES = frozenset({"plan", "upgrade"})
LOOKING = UPGRADES | {"destroy"}  # a dry run of these looks at what is deployed, where a place is named


@dataclass(frozen=True, kw_only=True)
class Look:
    """How what is deployed is looked at: where, what ends it, who is told; `read` reads a state in the place of Terraform."""

    target: Target
    interrupted: Callable[[], bool]
    tell: Listener
    read: Read | None = None


def arrange(command: str, options: Options, blocks: Mapping[str, Block], look: Look) -> Choice:
    """Return the chosen blocks in their order: by what they require or, of an upgrade and its plan, by what is deployed.

    Raises what `immtf.app.deployed` raises where an upgrade is refused.
    """
    states = look.target.states
    if command in UPGRADES and (states is not None or command == "upgrade"):
        return _upgrade(command, options, blocks, look)
    if command == "plan":
        _warn(look, "which versions are deployed is not known here, so each block is planned by itself; `upgrade` needs --environment")
    there = states.there() if command == "create" and states is not None else None
    choice = choose(command, options, blocks, required(blocks) if there is None else there)
    if states is not None and (command == "destroy" or there is not None):
        from immtf.app.deployed import look_at_deployed
        from immtf.model.environment import Deployed

        deployed, unread = look_at_deployed(look.target, blocks, look.interrupted, look.read)
        deployed |= {name: Deployed(name, problem=f"{error.where} {error.what}") for name, error in unread.items()}
        _know(command, choice, deployed, listed=states.there() is not None)
    return choice


def _upgrade(command: str, options: Options, blocks: Mapping[str, Block], look: Look) -> Choice:
    """Return the order of an upgrade; what it refuses, its plan refuses. Where something is to be created first, each is planned alone."""
    from immtf.app.deployed import read_deployed, refuse_missing, upgrade_steps
    from immtf.plan.checks import allow, checks_of

    choice = choose(command, options, blocks, required(blocks))
    deployed = read_deployed(look.target, blocks, look.interrupted, look.read)
    listed = look.target.states is None or look.target.states.there() is not None
    missing = [name for name in choice.names if name not in deployed]
    create = replace(options, only=tuple(missing), since=None, until=None).again("create")
    if command == "upgrade":
        refuse_missing(missing, create)
    elif missing:
        _warn(look, f"not deployed yet: {', '.join(missing)}: `upgrade` goes on only after `{create}`; each block is planned by itself")
        _know("create", choice, deployed, listed=listed)
        return choice
    overrides = allow(options.allow, options.reason, checks_of(*blocks.values()))
    declared = _declared(choice.wanted)
    steps = upgrade_steps(deployed, choice.wanted, overrides, look.tell, listed=listed, declared=declared)
    choice.names = tuple(step.name for step in steps)
    choice.after = {step.name: step.after for step in steps}
    choice.waits = choice.after if command == "upgrade" else {}
    choice.why = {step.name: step.reasons for step in steps}
    _know(command, choice, deployed, listed=listed, declared=declared)
    return choice


def _know(
    command: str, choice: Choice, deployed: Mapping[str, Deployed], *, listed: bool, declared: Mapping[str, frozenset[str]] | None = None
) -> None:
    """Keep what is deployed of the chosen blocks, and what each one's run has to know of the others."""
    from immtf.model.environment import Neighbours
    from immtf.plan.neighbours import before_each, consumers_of

    wanted = choice.wanted
    choice.now = {name: deployed[name].version for name in wanted if name in deployed}
    consumers = consumers_of(command, wanted, deployed)
    before = before_each(wanted, consumers) if command == "plan" else {}
    choice.neighbours = {
        name: Neighbours(
            consumers[name],
            listed,
            before.get(name, {}),
            {other: (declared or {})[other] for other in before.get(name, ()) if other in block.uses},
        )
        for name, block in wanted.items()
    }


def _declared(wanted: Mapping[str, Block]) -> dict[str, frozenset[str]]:
    """Return the outputs that the HCL of producers declares, of those of which another block lists what it uses."""
    from immtf.adapters.terraform.hcl import declared_outputs

    used = sorted({name for block in wanted.values() for name in block.uses} & set(wanted))
    return {name: declared_outputs(wanted[name].terraform) for name in used}


def _warn(look: Look, message: str) -> None:
    from immtf.model.events import Noted

    look.tell(Noted("warning", message))


@contextmanager
def neighbour_files(directory: Path, neighbours: Mapping[str, Neighbours]) -> Iterator[dict[str, str]]:
    """Write what each block's run is told of the others, and give the option that names it; the files are gone afterwards."""
    from immtf.plan.neighbours import as_text

    found = {}
    try:
        for name, item in neighbours.items():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = directory / f"{name}.json"
            path.write_text(as_text(item))
            found[name] = f"--neighbours={path.absolute()}"
        yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def dry_look(command: str, options: Options, blocks: Mapping[str, Block]) -> Iterator[Look | None]:
    """Give a look at the place of a dry run; None where the command needs none, or none is named. Nothing is started or made for it."""
    from immtf.adapters.clock import Signals
    from immtf.cli.place import place_for, refuse_absent_lab

    if command not in LOOKING or not (options.environment or options.lab):
        yield None
        return
    if options.lab:
        refuse_absent_lab(options)
    sample = next(iter(blocks.values()))
    place = replace(options, lab_running=options.lab, only=(), block=sample.directory)
    with Signals().caught() as signals, place_for(sample, place, test=False, makes=False) as target:
        yield Look(target=target, interrupted=signals.is_set, tell=_say)


def _say(event: object) -> None:
    """Tell an event of a dry run, which has no reader: its output is data."""
    from immtf.report.entries import entry, mark

    told = entry(event)  # type: ignore[arg-type]  # whatever is told is an event
    click.echo(f"{mark(told.sort)} {told.subject}: {told.words}", err=True)


def required(blocks: Mapping[str, Block]) -> list[str]:
    """Return the blocks that are required and not here: where they are, or whether, is not known yet."""
    return sorted({name for block in blocks.values() for name in block.requires} - set(blocks))
