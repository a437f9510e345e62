"""`immtf reap`: what tests left is found by its records and its tags, and removed when its time is over."""

from __future__ import annotations

import os
import shlex
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from immtf.cli.options import CI, ENVIRONMENT, ENVIRONMENTS, HOME, LAB, OUTPUT, YES, Options, option
from immtf.errors import ExitCode, ImmtfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from immtf.adapters.lease.hands import Hands
    from immtf.app.reaping import Order
    from immtf.app.target import Target
    from immtf.cli.imaging import Scene
    from immtf.lab.client import Lab
    from immtf.model.block import Block
    from immtf.model.environment import Environment
    from immtf.model.reaping import Left

    Places = Callable[[], Sequence[Left]]

DRY_RUN = option("--dry-run", is_flag=True, help="Show what would go, and why, and touch nothing.")


def _options(function: Any) -> Any:
    for item in reversed((DRY_RUN, YES, ENVIRONMENT, ENVIRONMENTS, LAB[0], LAB[1], OUTPUT, CI, HOME)):
        function = item(function)
    return function


@click.command()
@_options
def reap(**arguments: Any) -> int:
    """Remove what tests left that were killed, or kept what failed, and whose time is over; nothing else.

    On AWS: the environments in --home and, with --environment, those of that definition; then everything in the account and region that
    bears a test's tags and an end in the past. With --lab in a lab, and labs that tests left. Exit code 24 where something is left.
    """
    from immtf.app import reaping as use
    from immtf.cli.imaging import run
    from immtf.cli.sessions import confirmer

    options = Options(block=Path(), **arguments)
    _refuse(options)
    left = _reap_labs(options)
    if options.lab and _lab(options) is None:
        click.echo(f"no lab {_lab_name(options)} is up: nothing else to look at", err=True)
        return left
    again = _again(options)

    def body(scene: Scene) -> Any:
        return use.reap(scene.session, _order(scene, options), confirmer(options, again=again))

    words = {"output": options.output, "ci": options.ci, "home": options.home, "lab": options.lab, "lab_name": options.lab_name}
    code = run("reap", "", {**words, "block": None, "family": "environments"}, body, place=partial(_place, again=again))
    return code or left


def _refuse(options: Options) -> None:
    if options.lab_name and not options.lab:
        raise UsageError("--lab-name is for a lab", next=f"immtf reap --lab --lab-name {options.lab_name}")


def _again(options: Options) -> str:
    words = ["immtf", "reap", *(["--lab"] if options.lab else []), *([f"--lab-name={options.lab_name}"] if options.lab_name else [])]
    words += [f"--environment={options.environment}"] if options.environment else []
    words += [f"--environments={options.environments}"] if str(options.environments) != "environments" else []
    words += [f"--home={options.home}"] if str(options.home) != ".immtf" else []
    return shlex.join(words)


def _reap_labs(options: Options) -> int:
    """Take down the labs that tests made for themselves and left; nothing in them is worth a question."""
    from immtf.cli.orphans import labs_over, take_down

    code = ExitCode.DONE
    for directory, why in labs_over(options.home, time.time()):
        if options.dry_run:
            click.echo(f"lab {directory.name} goes: {why}", err=True)
            continue
        try:
            take_down(options.home, directory)
        except (ImmtfError, OSError) as error:
            click.echo(f"immtf: lab {directory.name} is left: {error}", err=True)
            code = ExitCode.PERSON_NEEDED
            continue
        click.echo(f"took down lab {directory.name}: {why}; its logs: {directory / 'logs'}", err=True)
    return code


def _lab_name(options: Options) -> str:
    from immtf.cli.place import DEFAULT_LAB

    return options.lab_name or DEFAULT_LAB


def _lab(options: Options) -> Lab | None:
    """Return the lab if it is up; none is started for this."""
    from immtf.cli.place import lab_directory
    from immtf.lab import client

    return client.find(lab_directory(options.home, _lab_name(options)))


@contextmanager
def _place(options: Options, _block: Block | None, *, again: str) -> Iterator[tuple[Target, Lab | None]]:
    """Give the place: AWS as the environment says, in the definition's region where one is named, or the lab, which is up."""
    from immtf.app.target import Target
    from immtf.cli.environments import terraform_program

    flags = again.removeprefix("immtf reap").strip()
    at = partial(Target, is_test=True, home=options.home, flags=flags)
    if not options.lab:
        definition = _definition(options)
        region = {"AWS_REGION": definition.region, "AWS_DEFAULT_REGION": definition.region} if definition and definition.region else {}
        yield at(cloud="aws", environment="tests", process={**os.environ, **region}, terraform=terraform_program()), None
        return
    from immtf.cli.place import running_lab

    lab, tools = running_lab(options.home, _lab_name(options))
    process = {**lab.environment(os.environ), "TF_CLI_CONFIG_FILE": str(tools.cli_config)}
    yield at(cloud="lab", environment=lab.directory.name, process=process, terraform=str(tools.terraform)), lab


def _order(scene: Scene, options: Options) -> Order:
    """Return where to look: in the home or the lab, and beside the states of the definition that is named, or that tests went by."""
    from immtf.adapters.records import definitions_of, kept_environments, lab_environment
    from immtf.app.reaping import Order

    named, lab, hands = _definition(options), scene.lab, _hands(scene)
    if lab is not None:
        places: list[Places] = [partial(lab_environment, lab.directory, lab.environments, hands)]
    else:
        places = [partial(kept_environments, options.home, hands)]
    if named is not None:
        places.append(partial(_beside_states, scene, options, hands, named))
    for file, names in definitions_of(options.home, lab.directory if lab else None).items():
        if named is None or Path(file).resolve() != named.file.resolve():
            places.append(partial(_by_definition, scene, options, hands, file, names))
    return Order(places, _provider(scene, lab) if lab else {}, dry_run=options.dry_run)


def _hands(scene: Scene) -> Hands:
    """Return what takes the leases of what goes."""
    from immtf.adapters.lease.hands import Hands
    from immtf.app.leasing import make_holder
    from immtf.app.telling import now
    from immtf.run.gates import check_cancel

    session = scene.session
    holder = make_holder(session.run_id, "reap", f"{now():%Y-%m-%d %H:%M:%S} UTC", session.target.process)
    return Hands(holder, session.clock, session.tell, partial(check_cancel, session.patience, "reap"))


def _by_definition(scene: Scene, options: Options, hands: Hands, file: str, names: tuple[str, ...]) -> Sequence[Left]:
    """Return the environments of a definition that tests went by. Raises `ImmtfError` where it can't be read any more."""
    from immtf.plan.config import load_environment

    try:
        return _beside_states(scene, options, hands, load_environment(Path(file)))
    except UsageError as error:
        what = f"the definition that {', '.join(names)} were made by can't be read: {error.what}"
        raise ImmtfError(what, where=file, next="put it where it was") from error


def _beside_states(scene: Scene, options: Options, hands: Hands, definition: Environment) -> Sequence[Left]:
    """Return the environments that have records beside a definition's states in S3; in a lab, in the lab's own."""
    from immtf.adapters.aws import Aws
    from immtf.adapters.bucket import Bucket
    from immtf.adapters.records import lab_environment
    from immtf.model.events import Noted
    from immtf.plan.environments import in_lab

    lab, process = scene.lab, dict(scene.session.target.process)
    template = in_lab(definition.backend, endpoint=lab.endpoint, region=lab.region) if lab else definition.backend
    if lab is not None and template is None:
        return lab_environment(lab.directory, lab.environments, hands, defined=True)
    if template is None or not Bucket.serves(template):
        where = "its states are not in one bucket in S3, with a directory for each environment"
        text = f"{definition.file}: {where}, so there are no records: what tests left by it is found by its tags only"
        scene.session.tell(Noted("warning", text))
        return ()
    kept = options.home / "environments"
    local = (lambda _name: (lab.directory, lab.environments)) if lab else (lambda name: (kept / name, kept / name))
    return Bucket(template, Aws.from_environment(process), process).environments(local, hands, generated=lab is None)


def _provider(scene: Scene, lab: Lab) -> dict[str, Any]:
    """Return the settings of Terraform's provider in a lab."""
    from immtf.adapters.terraform.overrides import lab_override
    from immtf.model.environment import Backend

    process = scene.session.target.process
    access_key, secret_key = process["AWS_ACCESS_KEY_ID"], process["AWS_SECRET_ACCESS_KEY"]
    override = lab_override(
        endpoint=lab.endpoint, region=lab.region, backend=Backend("local"), access_key=access_key, secret_key=secret_key
    )
    return dict(override["provider"]["aws"])


def _definition(options: Options) -> Environment | None:
    """Return the definition that is named. Raises `UsageError` where there is none, or where it is no test's."""
    if options.environment is None:
        return None
    from immtf.plan.config import load_environment

    file = options.environments / f"{options.environment}.yaml"
    if not file.is_file():
        what = f"no file defines an environment {options.environment}"
        raise UsageError(what, where=str(options.environments), next="name one of class test")
    found = load_environment(file)
    if not found.is_test:
        what = f"this environment is no test's: its class is {found.kind}"
        raise UsageError(what, where=str(file), next="only tests' environments are reaped")
    return found
