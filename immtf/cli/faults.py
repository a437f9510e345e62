"""What is shown of an error that leaves a session: nothing that the run knows to be secret.

An error of ours has its fields masked. A fault in immtf itself has its traceback printed here, masked, since Python's own
printing knows of no secrets: messages of libraries hold what they were given.
"""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

import rich_click as click

from immtf.errors import ExitCode, ImmtfError
from immtf.report.record import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


@contextmanager
def told_without(secrets: Collection[str], spelled: Callable[[str], str]) -> Iterator[None]:
    """Let errors of the body out with these texts masked; a fault ends the program with 1, its traceback masked on stderr.

    `spelled` writes the commands in an error's `next` out for this block and place.
    """
    try:
        yield
    except ImmtfError as error:
        error.what, error.where, error.next = (masked(text, secrets) for text in (error.what, error.where, spelled(error.next)))
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told here and ends the program
        click.echo(masked("".join(traceback.format_exception(error)), secrets).rstrip(), err=True)
        click.echo("immtf: a fault in immtf itself: report it with this traceback and the run's journal", err=True)
        sys.exit(int(ExitCode.ERROR))
