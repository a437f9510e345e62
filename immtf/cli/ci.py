"""What a run leaves for the CI system that it runs in: a JUnit file, a page under the job, annotations.

The JUnit file is written before anything else as that of a run which never ended, and replaced at the end, however that comes: so a
path that can't be written is told before the run begins, a run that was killed is no success, and no earlier run's file stays.
What can't be written at the end changes nothing of how the run ended; it is told.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from immtf import __version__
from immtf.adapters.files import append_to_file, replace_file
from immtf.errors import ImmtfError
from immtf.report import github
from immtf.report.cases import Cases
from immtf.report.folding import FoldingReader, detect
from immtf.report.record import masked
from immtf.report.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime

    from immtf.model.events import Event
    from immtf.report.junit import Case
    from immtf.report.readers import Reader

PAGE = "GITHUB_STEP_SUMMARY"


def folded(reader: Reader, output: str, ci: str, environ: Mapping[str, str]) -> Reader:
    """Return the reader, with what its CI system's log reads around it: annotations, and with lines the stages folded.

    `output` and `ci` are the values of `--output` and `--ci`. It goes to stderr, so that JSON on stdout stays data.
    """
    found = detect(ci, environ)
    return reader if found == "none" else FoldingReader(reader, sys.stderr, found, sections=output == "lines")


class Accounts:
    """Listens to a run, and writes its JUnit file and its page where they are wanted. `secrets` are never written."""

    def __init__(self, cases: Cases, summary: Summary, junit: Path | None, page: Path | None) -> None:
        self._cases, self._summary, self._junit, self._page = cases, summary, junit, page
        self.secrets: Collection[str] = ()

    def __call__(self, event: Event, at: datetime) -> None:
        """Take one event; `at` is when it happened."""
        told = masked(event, self.secrets)
        self._cases.take(told, at)
        self._summary.take(told, at)

    def add(self, case: Case) -> None:
        """Take a case that no event tells."""
        texts = {name: masked(getattr(case, name), self.secrets) for name in ("group", "name", "reason", "text", "output")}
        self._cases.more.append(replace(case, **texts))

    def refuse(self, error: ImmtfError) -> None:
        """Take what kept the run from its first event, or stopped it past its last one."""
        self._cases.refuse(error)
        self._summary.refuse(error)

    def begin(self) -> None:
        """Write the JUnit file of a run that never ended. Raises `ImmtfError` where that can't be done."""
        if self._junit is not None:
            replace_file(self._junit, self._cases.document())

    def end(self) -> None:
        """Write what there is to tell; what can't be written is told on stderr."""
        if self._junit is not None:
            _tried(replace_file, self._junit, masked(self._cases.document(), self.secrets))
        if self._page is not None:
            _tried(append_to_file, self._page, masked(self._summary.markdown(), self.secrets))


@contextmanager
def accounts(command: str, run_id: str, *, junit: Path | None, ci: str, environ: Mapping[str, str]) -> Iterator[Accounts]:
    """Give what listens to a run for its CI system; whatever ends the body, the files are written. `ci` is the value of `--ci`.

    Raises `ImmtfError` before the body where the JUnit file can't be written.
    """
    page = environ.get(PAGE) if detect(ci, environ) == "github" else None
    listening = Accounts(Cases(run_id, command, "", __version__), Summary(f"immtf {command}"), junit, Path(page) if page else None)
    listening.begin()
    try:
        yield listening
    except ImmtfError as error:
        listening.refuse(error)
        raise
    finally:
        listening.end()


def _tried(write: Callable[[Path, str], None], path: Path, text: str) -> None:
    try:
        write(path, text)
    except ImmtfError as error:
        click.echo(f"immtf: {error}", err=True)


def annotate(error: Exception, choice: str, environ: Mapping[str, str]) -> None:
    """Write an error that no run told as annotations, one for each mistake that has a place in a file."""
    if detect(choice, environ) == "github":
        for line in annotations_of(error):
            click.echo(line, err=True)


def annotations_of(error: Exception) -> list[str]:
    """Return an error as annotations; places are told as from the top of the repository, by which GitHub finds them."""
    from immtf.plan.config.mistakes import ConfigInvalid

    if isinstance(error, ConfigInvalid):
        return [
            github.annotation("error", str(item), title="immtf", file=_in_repository(item.file), line=item.line, column=item.column)
            for item in error.mistakes
        ]
    told = str(error) if isinstance(error, ImmtfError) else getattr(error, "message", str(error))
    return [github.annotation("error", told, title="immtf")]


def _in_repository(file: Path) -> str:
    top = next((folder for folder in file.parents if (folder / ".git").exists()), None)
    return str(file.relative_to(top)) if top else str(file)
