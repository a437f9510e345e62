"""A reader for a CI system's log, around the reader that tells the run: sections that can be folded, and annotations.

A section is a stage. Stages may lie within each other (a test's clean-up holds a destroy), and sections of GitHub may not: so one that
begins ends the one before, and no section ever stays open past a halt, where the lines that matter most would be folded away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from immtf.model import events as e
from immtf.report import github, gitlab
from immtf.report.sturdy import SturdyStream
from immtf.report.wording import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from immtf.model.events import Event
    from immtf.report.readers import Reader

Ci: TypeAlias = Literal["none", "github", "gitlab"]


def detect(choice: str, environ: Mapping[str, str]) -> Ci:
    """Return the CI system of `--ci`; for `auto` the one that says so in the environment."""
    if choice in {"github", "gitlab"}:
        return "github" if choice == "github" else "gitlab"
    if choice != "auto":
        return "none"
    if environ.get("GITHUB_ACTIONS") == "true":
        return "github"
    return "gitlab" if environ.get("GITLAB_CI") == "true" else "none"


class FoldingReader:
    """Hands every event to `reader`, and writes what `ci` reads to `stream`, in front of it and behind it. `sections`: fold stages."""

    def __init__(self, reader: Reader, stream: TextIO, ci: Ci, *, sections: bool) -> None:
        self._reader = reader
        self._stream = SturdyStream(stream)
        self._ci = ci
        self._sections = sections
        self._open = ""
        self._stage = ""
        self._count = 0
        self._command = "immtf"

    def __call__(self, event: Event, at: datetime) -> None:
        """Tell one event; `at` is when it happened."""
        if isinstance(event, e.RunStarted):
            self._command = plain(f"immtf {event.command} {event.block}")
        if isinstance(event, e.StageStarted | e.RunHalted | e.RunFinished):
            self._end(at)
        if isinstance(event, e.StageStarted):
            self._begin(event, at)
        self._reader(event, at)
        if isinstance(event, e.StageFinished) and event.stage == self._stage:
            self._end(at)
        if self._ci == "github":
            self._write(*github.annotated(event, self._command))

    def close(self) -> None:
        self._reader.close()

    def _begin(self, event: e.StageStarted, at: datetime) -> None:
        if not self._sections:
            return
        self._count += 1
        self._stage, self._open = event.stage, f"immtf_{self._count}_{event.stage}"
        title = f"{event.stage}: {event.what}"
        self._write(github.group(title) if self._ci == "github" else gitlab.section_start(self._open, title, at))

    def _end(self, at: datetime) -> None:
        if self._open:
            self._write(github.END_GROUP if self._ci == "github" else gitlab.section_end(self._open, at))
            self._open = self._stage = ""

    def _write(self, *lines: str) -> None:
        if lines:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
