from __future__ import annotations

import os
from typing import TYPE_CHECKING

from immtf.lab.guest.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_are_named_and_never_torn(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = Journal(log, lambda: 0.0)
    reader, writer = journal.open("db")
    os.write(writer, b"one\ntw")
    assert journal.read(reader)
    assert journal.read(reader), "nothing to read is not the end"
    journal.say("init", "between")
    os.write(writer, b"o\r\nno end")
    os.close(writer)
    assert journal.read(reader)
    assert not journal.read(reader)
    os.close(log)
    stamp = "1970-01-01T00:00:00.000Z"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{stamp} db: one",
        f"{stamp} init: between",
        f"{stamp} db: two",
        f"{stamp} db: no end",
    ]
    assert journal.readers == ()


def test_a_line_without_end_is_written_in_pieces(tmp_path: Path) -> None:
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = Journal(log, lambda: 0.0)
    reader, writer = journal.open("db")
    os.write(writer, b"x" * 20000)
    journal.read(reader)
    os.close(writer)
    journal.read(reader)
    os.close(log)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.count("x") for line in lines] == [8192, 8192, 3616]
