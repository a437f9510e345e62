"""Options that several commands share. Each has an environment variable `IMMTF_<OPTION>` that stands for it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import rich_click as click

from immtf.errors import UsageError
from immtf.plan.lease import DEFAULT_TTL_S, LONGEST_TTL_S, SHORTEST_TTL_S

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., Any])


MOVE_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the shared options say, as one value for the use cases."""

    block: Path
    lab: bool = False
    lab_name: str | None = None
    lab_delays: str = "none"
    lab_runtime: str = "process"
    lab_running: bool = False
    environment: str | None = None
    environments: Path = Path("environments")
    image: str | None = None
    only: tuple[str, ...] = ()
    node: str = ""
    findings: tuple[str, ...] = ()
    source: str = ""
    accept_unmarked: tuple[str, ...] = ()
    move_limit: float = MOVE_LIMIT_S
    allow: tuple[str, ...] = ()
    reason: str | None = None
    variables: tuple[str, ...] = ()
    variable_files: tuple[Path, ...] = ()
    output: str = "text"
    yes: bool = False
    home: Path = Path(".immtf")
    lease_ttl: float = DEFAULT_TTL_S
    junit: Path | None = None
    ci: str = "auto"
    blocks: Path | None = None
    ttl: str = "6h"
    keep_on_failure: bool = False
    since: str | None = None
    until: str | None = None
    parallel: int = 1
    dry_run: bool = False
    neighbours: Path | None = None

    def again(self, command: str) -> str:
        """Return the command line that does the same again, for a person to copy."""
        words = ["immtf", command, str(self.block), *self.findings]
        words += ["--lab"] if self.lab else []
        words += [f"--lab-name={self.lab_name}"] if self.lab and self.lab_name else []
        words += [f"--lab-delays={self.lab_delays}"] if self.lab and self.lab_delays != "none" else []
        words += [f"--lab-runtime={self.lab_runtime}"] if self.lab and self.lab_runtime != "process" else []
        words += ["--lab-running"] if self.lab and self.lab_running else []
        words += [f"--environment={self.environment}"] if self.environment else []
        words += [f"--image={self.image}"] if self.image else []
        words += [f"--only={node}" for node in self.only]
        words += [f"--from={self.source}"] if self.source else []
        words += [f"--from={self.since}"] if self.since else []
        words += [f"--until={self.until}"] if self.until else []
        words += [f"--parallel={self.parallel}"] if self.parallel > 1 else []
        words += [f"--node={self.node}"] if self.node else []
        words += [f"--accept-unmarked={node}" for node in self.accept_unmarked]
        words += [f"--lease-ttl={self.lease_ttl:g}"] if self.lease_ttl != DEFAULT_TTL_S else []
        words += [f"--move-limit={self.move_limit:g}"] if self.move_limit != MOVE_LIMIT_S else []
        words += [f"--blocks={self.blocks}"] if self.blocks else []
        words += [f"--ttl={self.ttl}"] if self.ttl != "6h" else []
        words += ["--keep-on-failure"] if self.keep_on_failure else []
        words += [f"--allow={check}" for check in self.allow]
        words += [f"--reason={self.reason}"] if self.allow and self.reason else []
        return shlex.join([*words, *self._elsewhere()])

    def elsewhere(self) -> str:
        """Return the options that any other command on the same environment needs too, beside the block and the place."""
        return shlex.join(self._elsewhere())

    def _elsewhere(self) -> list[str]:
        home = [f"--home={self.home}"] if str(self.home) != ".immtf" else []
        home += [f"--environments={self.environments}"] if str(self.environments) != "environments" else []
        return [*home, *(f"--var={item}" for item in self.variables), *(f"--var-file={path}" for path in self.variable_files)]

    def terraform_variables(self) -> dict[str, Any]:
        """Return the user's Terraform variables: files in their order, then `--var`. Values are JSON where they can be read so."""
        found: dict[str, Any] = {}
        for path in self.variable_files:
            found.update(_variable_file(path))
        for item in self.variables:
            name, equals, value = item.partition("=")
            if not equals or not name.strip():
                raise UsageError(
                    f"{item!r} is not NAME=VALUE", where="--var", next='write it as --var size=20 or --var \'nodes=["a","b"]\''
                )
            found[name.strip()] = _value(value)
        return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _variable_file(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"can't be read as JSON: {error}", where=str(path), next="give the variables as a .tfvars.json file") from error
    if not isinstance(found, dict):
        raise UsageError("holds no variables", where=str(path), next="give an object of names and values")
    return found


@dataclass(slots=True)
class Chosen:
    """The value of `--ci`, kept in the context for an error that ends the command line before there is a run."""

    ci: str = "auto"


def option(*names: str, variable: str = "", callback: Callable[..., Any] | None = None, **settings: Any) -> Callable[[F], F]:
    """Return a click option with its environment variable, which is shown in the help; `variable` where it isn't the option's name."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    named = variable or "IMMTF_" + long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=named, show_envvar=True, callback=callback or not_empty, **{"show_default": True} | settings)


def not_empty(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    """Refuse `--image "$UNSET"`: an empty value would mean the default, which nobody asked for. An empty variable IMMTF_… is as none."""
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("the value is empty: give one, or leave the option out.")
    return value


def _remembered(context: click.Context, _option: click.Parameter, value: str) -> str:
    context.ensure_object(Chosen).ci = value
    return value


class Lines(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """Texts that may hold spaces: in the environment's variable each stands on a line of its own."""

    name = "text"
    envvar_list_splitter = "\n"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the lines that hold anything: a text of several lines often ends with an empty one."""
        return [line for line in rv.splitlines() if line.strip()]


class BlockPath(click.Path):
    """The directory of a block. An empty one is refused: it would be the current directory, which nobody named."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            self.fail("the block's directory is empty: name one, or leave it out.", param, ctx)
        return super().convert(value, param, ctx)


BLOCK = click.argument("block", type=BlockPath(path_type=Path, exists=False), default=".", envvar="IMMTF_BLOCK")
OUTPUT = option("--output", type=click.Choice(["text", "lines", "json"]), default="text", help="How to tell what happens.")
HOME = option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=".immtf",
    help="Where immtf keeps journals, labs and test environments.",
)
JUNIT = option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write how the run went as JUnit XML: its stages, nodes and gates.",
)
CI = option(
    "--ci",
    type=click.Choice(["auto", "none", "github", "gitlab"]),
    default="auto",
    callback=_remembered,
    is_eager=True,
    help="For which CI system's log to write as well: annotations, a summary, folded stages. `auto` sees it by itself.",
)
YES = option("--yes", is_flag=True, help="Don't ask.")
IMAGE = option("--image", metavar="ID|VERSION", help="The image to roll out; without it the newest that the block's constraint allows.")
ONLY = option(
    "--only",
    multiple=True,
    metavar="NODE",
    help="Change this node only, e.g. server/a; of an infrastructure, this block. May be repeated.",
)
ENVIRONMENT = option(
    "--environment", metavar="NAME", help="An environment: one that a file defines, or whose states immtf keeps, as those that tests leave."
)
ENVIRONMENTS = option(
    "--environments",
    type=click.Path(path_type=Path, file_okay=False),
    default="environments",
    help="The directory of the files that define environments.",
)
ACCEPT = option(
    "--accept-unmarked",
    multiple=True,
    metavar="NODE",
    help="Take this node's volume for good although it carries no mark. May be repeated.",
)
LEASE_TTL = option(
    "--lease-ttl",
    type=click.IntRange(int(SHORTEST_TTL_S), int(LONGEST_TTL_S)),
    default=int(DEFAULT_TTL_S),
    show_default=True,
    help="Seconds without a sign of life after which another run may take the lease over. For a state in S3.",
)
ALLOW = (
    option("--allow", multiple=True, metavar="CHECK", help="Let this check pass, in this run. `immtf checks` lists them. May be repeated."),
    option("--reason", metavar="TEXT", help="Why --allow is right; it is kept in the journal."),
)
MOVE_LIMIT = option(
    "--move-limit",
    type=click.FloatRange(min=1),
    default=MOVE_LIMIT_S,
    metavar="SECONDS",
    show_default=f"{MOVE_LIMIT_S:g}",
    help="How long a stop, a detach or a start may take before a person is asked.",
)
LAB = (
    option("--lab", is_flag=True, help="Work in the lab: a rehearsal cloud on this machine, with real Terraform and real servers."),
    option("--lab-name", metavar="NAME", help="Which lab; `default` is the one that `immtf lab up` starts."),
    option("--lab-delays", type=click.Choice(["none", "aws"]), default="none", help="How long the lab's cloud takes for what it does."),
    option(
        "--lab-runtime",
        type=click.Choice(["process", "docker"]),
        default="process",
        help="What the lab's instances are: processes, or containers that boot.",
    ),
    option("--lab-running", is_flag=True, help="Use the lab as it runs: start none, and register none of the block's images."),
)
VARIABLES = (
    option(
        "--var",
        "variables",
        multiple=True,
        type=Lines(),
        metavar="NAME=VALUE",
        help="A Terraform variable; the value may be JSON. May be repeated.",
    ),
    option(
        "--var-file",
        "variable_files",
        multiple=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="Terraform variables as JSON. May be repeated.",
    ),
)


def shared(*options: Callable[[Any], Any], block: Callable[[Any], Any] = BLOCK) -> Callable[[F], F]:
    """Return a decorator that puts the options on a command, in this order; `block` is its argument."""

    def decorate(function: F) -> F:
        decorated: Any = function
        for item in reversed((block, *options, ENVIRONMENT, ENVIRONMENTS, *LAB, *VARIABLES, OUTPUT, CI, HOME)):
            decorated = item(decorated)
        return cast("F", decorated)

    return decorate
