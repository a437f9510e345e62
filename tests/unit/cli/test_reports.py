"""`report`: a run told again, as text, as a picture or as a page; two runs beside each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.program import immtf_program
from tests.unit.cli.runs import write_runs
from tests.unit.report.page.runs import DATA, Page

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "20260102-030405-9f3a"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_runs(tmp_path)
    return tmp_path


def test_runs_are_listed_newest_first(home: Path) -> None:
    done = immtf_program("report", "--list", cwd=home)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert {row[0]: row[-1] for row in rows} == {
        "20260104-030405-aabb": "nothing_to_do",
        "20260103-030405-aaaa": "unfinished",
        "20260102-030405-9f3a": "done",
    }
    assert done.returncode == 0


def test_without_any_run_the_list_is_empty(tmp_path: Path) -> None:
    done = immtf_program("report", "--list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_run_is_told_again_by_the_beginning_of_its_id(home: Path) -> None:
    for output in ("text", "lines"):
        done = immtf_program("report", "20260102", "--output", output, cwd=home)
        assert done.returncode == 0, done.stderr
        assert "server/a" in done.stdout
    told = immtf_program("report", "20260102-030405-9f3a", "--output", "json", cwd=home).stdout
    assert told == (home / ".immtf/runs/20260102-030405-9f3a/journal.jsonl").read_text()


@pytest.mark.parametrize(("name", "told"), [("2026010", "3 runs begin with"), ("nope", "there is no run 'nope'")])
def test_a_run_that_is_not_one_is_refused_with_those_that_are(home: Path, name: str, told: str) -> None:
    done = immtf_program("report", name, cwd=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "20260104-030405-aabb" in done.stderr


def test_a_run_as_a_picture(home: Path) -> None:
    done = immtf_program("report", "20260102", "--svg", "run.svg", cwd=home)
    assert (done.returncode, done.stdout) == (0, "written: run.svg\n")
    assert (home / "run.svg").read_text().startswith("<svg")
    refused = immtf_program("report", "20260102", "--svg", "no/such/place.svg", cwd=home)
    assert refused.returncode == 1
    assert "no/such/place.svg: can't be written: No such file or directory" in refused.stderr


def test_a_run_as_a_page_and_as_a_picture_at_once(home: Path) -> None:
    done = immtf_program("report", FIRST, "--html", "run.html", "--svg", "run.svg", cwd=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "written: run.svg\nwritten: run.html\n", "")
    page = Page((home / "run.html").read_text())
    assert "immtf upgrade consul 1.1.0" in page.words
    refused = immtf_program("report", FIRST, "--html", "no/such/place.html", cwd=home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no/such/place.html: can't be written: No such file or directory" in refused.stderr


def test_a_journal_that_was_brought_from_elsewhere(home: Path) -> None:
    done = immtf_program("report", str(DATA / "upgraded.jsonl"), "--html", "run.html", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "20261122-131626-044b" in Page((home / "run.html").read_text()).words


def test_a_journal_of_a_newer_format_leaves_no_page(home: Path) -> None:
    (home / "new.jsonl").write_text('{"v": 2, "seq": 1}\n')
    done = immtf_program("report", "new.jsonl", "--html", "run.html", cwd=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "new.jsonl:1: its format has version 2" in done.stderr
    assert not (home / "run.html").exists()


class TestCompare:
    """Each run is named by its id, its journal, or its page."""

    @pytest.fixture
    def page(self, home: Path) -> str:
        assert immtf_program("report", FIRST, "--html", "a.html", cwd=home).returncode == 0
        return "a.html"

    def test_as_a_table(self, home: Path, page: str) -> None:
        done = immtf_program("report", "compare", page, str(DATA / "upgraded.jsonl"), cwd=home)
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split() for line in done.stdout.splitlines()]
        assert [row[:2] for row in rows[:2]] == [["A", f"{FIRST}:"], ["B", "20261122-131626-044b:"]]
        assert ["A", "B", "B", "less", "A", "B", "to", "A"] in rows
        assert ["AWS", "calls", "412", "864", "+452", "2.10"] in rows

    def test_a_page_tells_the_same_as_its_journal(self, home: Path, page: str) -> None:
        for output in ("text", "lines", "json"):
            told = {immtf_program("report", "compare", name, "last", "--output", output, cwd=home).stdout for name in (page, FIRST)}
            assert len(told) == 1

    def test_as_lines_and_as_data(self, home: Path, page: str) -> None:
        lines = immtf_program("report", "compare", page, FIRST, "--output", "lines", cwd=home).stdout
        assert "duration: A 3 m 20 s; B 3 m 20 s; B less A 0.0 s; B to A 1.00" in lines.splitlines()
        data = json.loads(immtf_program("report", "compare", page, FIRST, "--output", "json", cwd=home).stdout)
        assert {row["difference"] for row in data["rows"]} <= {0, None}

    def test_as_a_page_of_both(self, home: Path, page: str) -> None:
        done = immtf_program("report", "compare", page, "last", "--html", "both.html", cwd=home)
        assert (done.returncode, done.stdout) == (0, "written: both.html\n")
        assert len(Page((home / "both.html").read_text()).pictures()) == 2

    def test_what_is_no_run_is_refused(self, home: Path, page: str) -> None:
        (home / "no.html").write_text("<p>hello</p>")
        (home / "locked.html").write_bytes(b"\xff")
        for names, code, told in (
            ((page,), 2, "two runs are compared, and 1 are named"),
            ((page, page, page), 2, "two runs are compared, and 3 are named"),
            ((page, "no.html"), 1, "no.html: is no page of `immtf report RUN --html`"),
            ((page, "locked.html"), 1, "locked.html: is no page of"),
            ((page, "nope"), 2, "there is no run 'nope'"),
            ((page, page, "--svg", "x.svg"), 2, "write a page of both: --html FILE"),
        ):
            done = immtf_program("report", "compare", *names, cwd=home)
            assert (done.returncode, done.stdout) == (code, "")
            assert told in done.stderr

    def test_two_runs_without_the_word_are_refused_with_it(self, home: Path) -> None:
        done = immtf_program("report", FIRST, "last", cwd=home)
        assert done.returncode == 2
        assert "immtf report compare A B" in done.stderr
