"""The port of all readers, and the one place that makes them. Nothing heavy is imported before a reader is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TextIO, TypeAlias, assert_never

from immtf.report.record import masked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from immtf.model.events import Event

Kind: TypeAlias = Literal["text", "lines", "json"]


class Reader(Protocol):
    """Is told every event of a run, in order."""

    def __call__(self, event: Event, at: datetime) -> None:
        """Take one event; `at` is when it happened. Never raises because of the stream behind it."""

    def close(self) -> None:
        """Leave the terminal as it was found. May be called twice, and without any event before."""


class MaskingReader:
    """Hands every event on with the secrets in it masked."""

    def __init__(self, reader: Reader, secrets: Collection[str]) -> None:
        self._reader = reader
        self._secrets = secrets

    def __call__(self, event: Event, at: datetime) -> None:
        self._reader(masked(event, self._secrets), at)

    def close(self) -> None:
        self._reader.close()


def make_reader(
    kind: Kind, stream: TextIO, *, run: str = "", secrets: Collection[str] = (), environ: Mapping[str, str] | None = None
) -> Reader:
    """Make the reader for `--output KIND`.

    `run` is the run's id (json), `secrets` are never written, `environ` is the environment that says what the terminal can do
    (text; the process's own where none is given).
    """
    made = _made(kind, stream, run, environ)
    return MaskingReader(made, secrets) if secrets else made


def _made(kind: Kind, stream: TextIO, run: str, environ: Mapping[str, str] | None) -> Reader:
    match kind:
        case "text":
            from immtf.report.text import make_text_reader

            return make_text_reader(stream, environ=environ)
        case "lines":
            from immtf.report.lines import LinesReader

            return LinesReader(stream)
        case "json":
            from immtf.report.json_lines import JsonReader

            return JsonReader(stream, run=run)
        case _:
            assert_never(kind)
