"""The command line: argv to use case to exit code; the only room that prints and exits.

Heavy imports (boto3, pydantic, rich's tables, the lab) stand inside the commands: `immtf --help` has none of them.
"""

from __future__ import annotations

import errno
import os
import sys

import rich_click as click

from immtf import __version__
from immtf.cli.blocks import create, destroy, plan, rollback, status, test_create, test_upgrade, upgrade
from immtf.cli.checks import checks
from immtf.cli.docker_args import docker_args
from immtf.cli.doctor import doctor, repair
from immtf.cli.graph import graph
from immtf.cli.images import image
from immtf.cli.lab import lab
from immtf.cli.locks import unlock
from immtf.cli.options import Chosen
from immtf.cli.reap import reap
from immtf.cli.reports import report
from immtf.cli.resolve import resolve
from immtf.cli.tools import schema
from immtf.errors import ExitCode, ImmtfError

EPILOG = (
    "Exit codes: 0 done or nothing to do, 1 error, 2 usage, 10 changes are pending, 20 a gate failed, 21 paused by SIGTERM, "
    "22 another run holds the lease, 23 the lease was lost, 24 a person is needed, 30 versions don't fit, "
    "130 interrupted."
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="immtf")
def cli() -> None:
    """Upgrade clusters of stateful servers that Terraform manages: one node at a time, each keeping its data."""


COMMANDS = (
    plan,
    create,
    upgrade,
    rollback,
    destroy,
    status,
    graph,
    unlock,
    test_create,
    test_upgrade,
    reap,
    image,
    lab,
    checks,
    doctor,
    repair,
    report,
    resolve,
    schema,
    docker_args,
)

for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    chosen = Chosen()
    try:
        code = cli.main(standalone_mode=False, obj=chosen)
    except click.Abort:
        click.echo("immtf: stopped before anything was begun", err=True)
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        _annotate(error, chosen)
        code = error.exit_code
    except ImmtfError as error:
        click.echo(f"immtf: {error}", err=True)
        _annotate(error, chosen)
        code = error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC:  # a reader that went away (EPIPE) is click's to handle
            raise
        _mute()
        click.echo(f"immtf: the output can't be written: {error.strerror}", err=True)
        code = ExitCode.ERROR
    sys.exit(int(code or 0))


def _annotate(error: Exception, chosen: Chosen) -> None:
    """Tell a CI system's log an error that ended the command line before there was a run, or past its end."""
    from immtf.cli.ci import annotate

    annotate(error, chosen.ci, os.environ)


def _mute() -> None:
    """Send what is left in stdout's buffer nowhere, or the interpreter fails once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
