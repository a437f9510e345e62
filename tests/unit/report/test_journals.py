from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from immtf.errors import ImmtfError
from immtf.model.event_record import to_record
from immtf.model.events import Noted
from immtf.report.journals import read_journal
from immtf.report.record import encode, stamp
from tests.unit.report.examples import START, make_run

if TYPE_CHECKING:
    from pathlib import Path


def lines_of_a_run() -> list[str]:
    return [encode(to_record(event, run="r", seq=seq, at=stamp(at))) for seq, (event, at) in enumerate(make_run(), 1)]


def test_a_journal_is_read_as_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(lines_of_a_run()) + "\n", encoding="utf-8")
    assert read_journal(path) == make_run()


@pytest.mark.parametrize("torn", ["{", '{"v":1,"seq":20,"at":"2026', "\0\0\0", '"text"'])
def test_the_torn_last_line_of_a_killed_run_is_passed_over(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join([*lines_of_a_run(), torn]), encoding="utf-8")
    assert read_journal(path) == make_run()


def test_a_line_torn_within_a_character_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes("\n".join(lines_of_a_run()).encode() + b'\n{"v":1,"event":"\xe2\x80')
    assert len(read_journal(path)) == len(make_run())


def test_a_damaged_line_in_the_middle_is_said_with_its_number(tmp_path: Path) -> None:
    """F47: a corrupt journal is said to be one."""
    lines = lines_of_a_run()
    lines[2] = lines[2][:20]
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ImmtfError, match=r"journal\.jsonl:3: this line was damaged"):
        read_journal(path)


def test_a_newer_format_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("\n".join(line.replace('"v":1', '"v":2') for line in lines_of_a_run()), encoding="utf-8")
    with pytest.raises(ImmtfError, match=r"journal\.jsonl:1: its format has version 2"):
        read_journal(path)


def test_unknown_events_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    newer = '{"v":1,"seq":1,"at":"2026-11-21T09:00:00Z","run":"r","event":"node_sang","song":"x"}'
    path.write_text("\n".join([newer, "", *lines_of_a_run(), ""]), encoding="utf-8")
    assert read_journal(path) == make_run()


def test_line_ends_of_other_alphabets_do_not_cut_a_line(tmp_path: Path) -> None:
    event = Noted("info", "one\u2028two\x85three")
    path = tmp_path / "journal.jsonl"
    path.write_text(encode(to_record(event, run="r", seq=1, at=stamp(START))) + "\n", encoding="utf-8")
    assert read_journal(path) == [(event, START)]


def test_a_journal_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ImmtfError, match="can't be read: No such file"):
        read_journal(tmp_path / "journal.jsonl")
