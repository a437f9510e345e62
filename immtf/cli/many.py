"""A command on an infrastructure: which of its blocks, in which order, confirmed once; then each by a run of its own.

The place is found once, and once only is anything started or registered there (a lab, its images): the blocks' own runs find it as it is.
They are given all that leads there on their command lines, and nothing of this command's options is left in their environment. Terraform
variables go to each block that declares them, in a file that only this user can read: a command line can be seen by anybody.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.errors import UsageError
from immtf.plan.lease import DEFAULT_TTL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from immtf.app.blocks import Job
    from immtf.app.target import Target
    from immtf.cli.options import Options
    from immtf.model.block import Block
    from immtf.model.environment import Neighbours

LOCK = "tether"
NODES = frozenset({"plan", "upgrade"})  # `--only` names nodes of a single block
LEASING = frozenset({"create", "upgrade", "destroy"})
ALLOWING = frozenset({"plan", "create", "upgrade", "destroy"})


@dataclass
class Choice:
    """The blocks of a run: all of the infrastructure, the names chosen of them in order, what each waits for, and what is deployed.

    `after` is what each would wait for in an upgrade that is only planned, `why` the reasons for the order; `neighbours` are what each
    block's run is told of the others.
    """

    blocks: Mapping[str, Block]
    names: tuple[str, ...]
    waits: Mapping[str, Any]
    now: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, Any] | None = None
    why: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)

    @property
    def wanted(self) -> dict[str, Block]:
        """Return the chosen blocks in order."""
        return {name: self.blocks[name] for name in self.names}


def many(command: str, options: Options, alone: Callable[[], int], confirmed: str | None = None) -> int:
    """Run a command on an infrastructure or, where the argument is a single block, `alone`; return the exit code.

    Raises `UsageError` for an option that has no meaning there.
    """
    from immtf.cli.catalogue import blocks_at, is_infrastructure

    if not is_infrastructure(options.block):
        refuse_for_one(command, options)
        return alone()
    _refuse_for_many(options)
    blocks = blocks_at(options.block, options.home)
    if options.dry_run:
        return _dry(command, options, blocks)
    from immtf.cli.many_runs import run_on

    return run_on(command, options, blocks, confirmed)


def choose(command: str, options: Options, blocks: Mapping[str, Block], elsewhere: Sequence[str] = ()) -> Choice:
    """Return the blocks that the options choose, in the order of a command that goes by dependencies; `elsewhere` are deployed ones."""
    from immtf.plan.graph import Graph, chosen
    from immtf.plan.waits import waits_for

    names = chosen(Graph(blocks, elsewhere=elsewhere), options.only, options.since, options.until)
    if command == "destroy":
        names = tuple(reversed(names))
    return Choice(blocks, names, waits_for(command, {name: tuple(block.requires) for name, block in blocks.items()}, names))


def job_of(command: str, options: Options, choice: Choice, own: Mapping[str, Sequence[str]], *, confirm: bool = False) -> Job:
    """Return what is to be run: each chosen block's own command line."""
    from immtf.app.blocks import Job
    from immtf.cli.catalogue import is_lock

    return Job(
        command=command,
        blocks={name: _as_named(options.block, block.directory) for name, block in choice.wanted.items()},
        waits_for=choice.waits,
        options=place_options(command, options),
        own=own,
        parallel=options.parallel,
        confirm=confirm,
        versions={name: block.version for name, block in choice.wanted.items()},
        now=choice.now,
        after=choice.after,
        lock=str(options.block) if is_lock(options.block) else "",
        why=choice.why,
    )


def _as_named(infrastructure: Path, directory: Path) -> Path:
    """Return a block's directory below the path that was given, if that leads there: so it stands in the commands that are shown."""
    below = infrastructure / directory.name
    return below if below.resolve() == directory.resolve() else directory


def place_options(command: str, options: Options) -> tuple[str, ...]:
    """Return the options that lead a block's run to the same place, and that hold for all blocks alike."""
    words = []
    if options.lab:  # it is up, with all images in it, before the first block's run begins
        words += ["--lab", "--lab-running", *([f"--lab-name={options.lab_name}"] if options.lab_name else [])]
    words += [f"--environment={options.environment}"] if options.environment else []
    words += [f"--environments={options.environments}", f"--home={options.home}"]
    words += [f"--lease-ttl={options.lease_ttl:g}"] if command in LEASING and options.lease_ttl != DEFAULT_TTL_S else []
    words += [f"--move-limit={options.move_limit:g}"] if command == "upgrade" else []
    return tuple(words)


def allowed(command: str, options: Options, wanted: Mapping[str, Block]) -> dict[str, list[str]]:
    """Return by block the options for those of `--allow` that are its checks: a gate of one block is none of another's."""
    from immtf.plan.checks import allow, checks_of

    allow(options.allow, options.reason, checks_of(*wanted.values()))
    found: dict[str, list[str]] = {}
    for name, block in wanted.items() if options.allow and command in ALLOWING else ():
        mine = {check.id for check in checks_of(block)}
        ids = [item for item in options.allow if item in mine]
        found[name] = [*(f"--allow={item}" for item in ids), *([f"--reason={options.reason}"] if ids else [])]
    return found


def variables_of(options: Options, wanted: Mapping[str, Block]) -> dict[str, dict[str, Any]]:
    """Return by block the user's Terraform variables that it declares. Raises `UsageError` for one that no block does."""
    from immtf.adapters.terraform.hcl import declared_variables

    given = options.terraform_variables()
    if not given:
        return {}
    declared = {name: declared_variables(block.terraform) for name, block in wanted.items()}
    unknown = [name for name in given if not any(name in names for names in declared.values())]
    if unknown:
        raise UsageError(f"no block declares variable {', '.join(unknown)}", where="--var", next="is the name right? see each variables.tf")
    return {name: mine for name, names in declared.items() if (mine := {key: given[key] for key in given if key in names})}


@contextmanager
def variable_files(directory: Path, variables: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Write each block's variables into a file of mode 0600 and give the option that names it; they are gone afterwards."""
    from immtf.adapters import tether

    with ExitStack() as stack:
        found = {}
        if variables:  # a killed run's are removed by the next one, which knows by this that nobody uses them
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            stack.enter_context(tether.held(directory / LOCK))
        for name, values in variables.items():
            path = directory / f"{name}.tfvars.json"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(dict(values), file)
            found[name] = f"--var-file={path}"
        yield found


def children_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the blocks' runs: without the variables that stand for options, which would be given twice over there."""
    from immtf.cli import cli

    names = _option_variables(cli)
    return {name: value for name, value in environ.items() if name not in names}


def at_stake(target: Target, names: Sequence[str]) -> tuple[str, str]:
    """Return what is to be typed before these blocks are destroyed, and what that is: the environment's name, or those of all blocks.

    Without an environment nothing but the blocks themselves tells one infrastructure from another.
    """
    if target.directory is None:
        return ",".join(sorted(names)), "the blocks' names, with commas between them,"
    return target.environment, "the environment's name"


def refuse_early(options: Options, target: Target, blocks: Mapping[str, Block]) -> None:
    """Refuse what would fail in each block's run alike: no region, or a lock whose copies would have the states beside them."""
    from immtf.adapters.aws import Aws
    from immtf.adapters.ec2 import Ec2
    from immtf.adapters.terraform.hcl import own_backend
    from immtf.cli.catalogue import is_lock

    Ec2(Aws.from_environment(target.process))
    if target.directory is not None or not is_lock(options.block):
        return
    beside = [name for name, block in blocks.items() if own_backend(block.terraform) in {"", "local"}]
    if beside:
        raise UsageError(
            f"these keep their states beside their HCL, and of a lock's blocks copies are run: {', '.join(sorted(beside))}",
            where=str(options.block),
            next="name the environment that they are in (--environment NAME), or configure a backend in their HCL",
        )


def _option_variables(command: click.Command) -> set[str]:
    names: set[str] = set()
    for parameter in command.params:
        names.update([parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or ())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            names |= _option_variables(inner)
    return names


def _dry(command: str, options: Options, blocks: Mapping[str, Block]) -> int:
    """Show the order and the command lines. Without a place only the blocks' files are read, and the order is that of the dependencies."""
    from immtf.cli.many_order import UPGRADES, arrange, dry_look, required

    choose(command, options, blocks, required(blocks))  # a name that no block bears, before any place is looked for
    with dry_look(command, options, blocks) as look:
        order, elsewhere = "create" if command in UPGRADES else command, () if command == "create" else required(blocks)
        choice = arrange(command, options, blocks, look) if look else choose(order, options, blocks, elsewhere)
    if look is None and command in UPGRADES:
        click.echo("the order is that of dependencies: name an --environment, and it is that of the versions deployed there", err=True)
    given = variables_of(options, choice.wanted)
    own = {name: [*words] for name, words in allowed(command, options, choice.wanted).items()}
    from immtf.cli.many_runs import secrets_among, show_dry
    from immtf.report.record import masked

    words = [*(f"--var={item}" for item in options.variables), *(f"--var-file={path}" for path in options.variable_files)]
    shown = masked(words, secrets_among(blocks, os.environ, options) if given else ())
    for name in given:
        own[name] = [*own.get(name, []), *shown]
    show_dry(job_of(command, options, choice, own).planned(), options)
    return 0


def refuse_for_one(command: str, options: Options) -> None:
    """Refuse, on a single block, what chooses among blocks. `--only` names nodes there, where a command can choose among these."""
    chosen = {
        "--from": bool(options.since),
        "--until": bool(options.until),
        "--dry-run": options.dry_run,
        "--parallel": options.parallel > 1,
    }
    chosen["--only"] = bool(options.only) and command not in NODES
    for name, given in chosen.items():
        if given:
            raise UsageError(f"{name} is for an infrastructure, and this is a single block", where=str(options.block), next=_for_one(name))


def _for_one(name: str) -> str:
    if name == "--dry-run":
        return "`immtf plan` shows what an upgrade of one block would do"
    return f"leave {name} out, or name the directory that holds the blocks"


def _refuse_for_many(options: Options) -> None:
    """Refuse, on an infrastructure, what only one block can have."""
    for name, given in (("--image", options.image), ("--accept-unmarked", options.accept_unmarked)):
        if given:
            what = f"{name} is for one block, and this is an infrastructure"
            raise UsageError(what, where=str(options.block), next="name the block's own directory")
