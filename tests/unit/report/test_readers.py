from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, TextIO

import pytest

from immtf.model.events import Noted
from immtf.report.readers import Kind, make_reader
from immtf.report.sturdy import SturdyStream
from tests.unit.report.examples import EXAMPLES, START, make_run

if TYPE_CHECKING:
    from pathlib import Path

KINDS: list[Kind] = ["text", "lines", "json"]


def test_json_has_one_event_a_line_in_the_published_format() -> None:
    stream = io.StringIO()
    reader = make_reader("json", stream, run="r1")
    for event, at in make_run():
        reader(event, at)
    reader.close()
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(make_run()) + 1))
    assert {record["run"] for record in records} == {"r1"}
    assert records[0]["event"] == "run_started"
    assert records[-1]["away_s"] == {"server/a": 47.3}


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_masked_in_every_reader(kind: Kind) -> None:
    """F49."""
    stream = io.StringIO()
    reader = make_reader(kind, stream, secrets=["s3cr3t-token"], environ={})
    reader(Noted("warning", "token s3cr3t-token was refused"), START)
    reader.close()
    assert "token ••• was refused" in stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_can_be_told_and_closing_twice_does_no_harm(kind: Kind) -> None:
    reader = make_reader(kind, io.StringIO(), environ={})
    for event in EXAMPLES:
        reader(event, START)
    reader.close()
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_when_nobody_reads_any_more(kind: Kind) -> None:
    """`immtf upgrade | head` must not stop between two nodes."""
    receiver, sender = os.pipe()
    os.close(receiver)
    stream = os.fdopen(sender, "w", buffering=1)
    reader = make_reader(kind, stream, environ={})
    for event, at in make_run():
        reader(event, at)
    reader.close()
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_stream_or_a_full_disk_is_silent(kind: Kind) -> None:
    def tell(stream: TextIO) -> None:
        reader = make_reader(kind, stream, environ={})
        reader(EXAMPLES[0], START)
        reader.close()

    closed = io.StringIO()
    closed.close()
    tell(closed)
    full = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115 - its close fails, as it should
    tell(full)
    with pytest.raises(OSError, match="No space"):
        full.close()


@pytest.mark.parametrize("kind", ["text", "lines"])
def test_signs_that_an_encoding_lacks_become_letters(kind: Kind) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    reader = make_reader(kind, stream, environ={})
    for event, at in make_run():
        reader(event, at)
    reader(Noted("info", "größer"), START)
    reader.close()
    text = raw.getvalue().decode("ascii")
    assert "+ server/a" in text
    assert "gr\\xf6\\xdfer" in text


def test_a_sturdy_stream_is_what_rich_expects_of_a_file(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w", encoding="utf-8") as file:
        sturdy = SturdyStream(file)
        assert sturdy.writable()
        assert not sturdy.isatty()
        assert sturdy.fileno() == file.fileno()
    assert not sturdy.isatty()
    assert SturdyStream(io.StringIO()).encoding == "utf-8"


def test_making_lines_or_json_imports_no_rich() -> None:
    """`immtf --help` stays fast: only the text reader needs rich."""
    code = (
        "import io, sys; from immtf.report.readers import make_reader; make_reader('lines', io.StringIO()); "
        "make_reader('json', io.StringIO()); import immtf.adapters.journal; sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
