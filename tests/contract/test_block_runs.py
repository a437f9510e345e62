"""Runs of single blocks as real processes: what they tell, how they end, and what reaches them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import immtf
from immtf.adapters.children import Children
from immtf.errors import ToolMissing
from immtf.model.events import Noted, RunStarted
from immtf.model.running import RunEnd, RunOrder, Told
from immtf.report.relay import MOST_TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(immtf.__file__).parents[1]
PROGRAM = (sys.executable, "-m", "tests.contract.block_program")
LIMIT_S = 120.0


class Bench:
    """Children, and everything that they told and how they ended so far."""

    def __init__(self, folder: Path, *program: str, **more: str) -> None:
        self.environment = {"PATH": os.defpath, "HOME": str(folder), "PYTHONPATH": str(SOURCE), "STOP": str(folder / "stop"), **more}
        self.children = Children(folder / "runs", self.environment, program=program or PROGRAM, cwd=SOURCE)
        self.folder = folder
        self.told: list[Told] = []
        self.ends: dict[str, RunEnd] = {}

    def start(self, *hows: str) -> None:
        for how in hows:
            self.children.start(RunOrder(how, (how,)))

    def until(self, held: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not held():
            assert time.monotonic() < deadline, (self.told, self.ends)
            self.told += self.children.told()
            self.ends |= {end.block: end for end in self.children.ended()}
            time.sleep(0.02)

    def run(self, *hows: str) -> RunEnd:
        self.start(*hows)
        self.until(lambda: len(self.ends) == len(hows))
        return self.ends[hows[-1]]

    def notes(self) -> list[str]:
        return [told.event.message for told in self.told if isinstance(told.event, Noted)]

    def lines(self) -> list[str]:
        return [told.line for told in self.told if told.event is None]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    yield found
    (tmp_path / "stop").touch()
    found.children.signal("SIGKILL")
    found.until(lambda: not found.children._runs)


@pytest.mark.parametrize(
    ("how", "ending", "code", "problem", "following"),
    [
        ("done", "done", 0, "", ""),
        ("nothing", "nothing_to_do", 0, "", ""),
        ("pending", "pending", 10, "", ""),
        ("halted", "failed", 20, "server/a: no leader", "immtf upgrade b"),
        ("unread", "failed", 2, "x/immtf.yaml: there is no such file", "name the block's directory"),
        ("killed", "failed", 1, "it was killed by SIGKILL", ""),
        ("silent", "failed", 1, "it ended with exit code 0, without a word of its end: whether it is done is not known", ""),
    ],
)
def test_how_a_run_ended_is_known_by_its_code_and_its_last_words(
    bench: Bench, how: str, ending: str, code: int, problem: str, following: str
) -> None:
    """Success only from positive evidence."""
    end = bench.run(how)
    assert (end.ending, end.exit_code, end.problem, end.next) == (ending, code, problem, following)


def test_a_fault_is_told_by_the_end_of_its_errors(bench: Bench) -> None:
    assert "RuntimeError: a fault" in bench.run("crash").problem


def test_everything_is_told_in_order_before_the_end(bench: Bench) -> None:
    bench.start("done")
    seen: list[str] = []
    while not bench.ends:
        bench.told += bench.children.told()
        ends = bench.children.ended()
        if ends:
            seen = [type(told.event).__name__ for told in bench.told]
            bench.ends = {end.block: end for end in ends}
    assert seen == ["RunStarted", "Noted", "RunFinished"]
    assert isinstance(bench.told[0].event, RunStarted)


def test_text_that_is_no_event_is_told_as_a_line_cut_and_bounded(bench: Bench) -> None:
    """A child that prints what it likes neither stops nor floods the run."""
    assert bench.run("garbage").exit_code == 3
    lines = bench.lines()
    assert lines[0].endswith("{]")
    assert lines[1].startswith("noted, its format has version 99")
    assert lines[2] == "red"
    assert len(lines[3]) == 2001
    assert len(lines) == MOST_TEXTS + 1
    assert lines[-1] == "more than 500 lines of text: the rest is not told"


def test_a_child_has_a_group_of_its_own_no_input_and_just_the_environment_that_it_is_given(bench: Bench) -> None:
    bench.run("who")
    group, empty, names = bench.notes()[0].split(" ", 2)
    assert (group, empty) == ("True", "''")
    assert set(names.split(",")) - {"LC_CTYPE"} == set(bench.environment)


def test_a_signal_reaches_every_run_that_is_under_way_and_each_ends_when_it_will(bench: Bench) -> None:
    """F21."""
    bench.start("orderly", "stubborn", "done")
    bench.until(lambda: {told.block for told in bench.told} >= {"orderly", "stubborn"} and "done" in bench.ends)
    bench.children.signal("SIGTERM")
    bench.until(lambda: "orderly" in bench.ends and "got SIGTERM" in bench.notes())
    bench.children.signal("SIGINT")
    bench.until(lambda: "got SIGINT" in bench.notes())
    (bench.folder / "stop").touch()
    bench.until(lambda: "stubborn" in bench.ends)
    assert bench.ends["orderly"].ending == "interrupted"
    assert bench.ends["orderly"].exit_code == 21
    assert bench.ends["stubborn"].ending == "done"


def test_one_that_did_not_listen_yet_was_only_interrupted(bench: Bench) -> None:
    bench.start("deaf")
    bench.until(lambda: "begun" in bench.lines())
    bench.children.signal("SIGTERM")
    bench.until(lambda: "deaf" in bench.ends)
    assert (bench.ends["deaf"].ending, bench.ends["deaf"].exit_code) == ("interrupted", 21)


def test_a_program_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        Bench(tmp_path, str(tmp_path / "none")).start("done")


def test_what_they_wrote_is_private_and_gone_afterwards(bench: Bench) -> None:
    bench.run("done")
    files = list((bench.folder / "runs").iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    bench.children.clear()
    assert not (bench.folder / "runs").exists()


def test_immtf_itself_on_a_block_that_cannot_be_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sys.executable, "-m", "immtf")
    bench.children.start(RunOrder("none", ("plan", str(tmp_path / "none"), "--output=json", "--ci=none")))
    bench.until(lambda: bool(bench.ends))
    end = bench.ends["none"]
    assert (end.ending, end.exit_code) == ("failed", 2)
    assert (end.problem, end.next) == (f"{tmp_path}: there is no file none", "name the directory of a block, or write its immtf.yaml")


@pytest.mark.parametrize("again", [1, 2], ids=["once", "twice"])
def test_a_signal_to_what_has_ended_is_no_error(bench: Bench, again: int) -> None:
    bench.start("done")
    bench.until(lambda: len(bench.told) == 3)
    for _ in range(again):
        bench.children.signal("SIGTERM")
    bench.until(lambda: "done" in bench.ends)
    assert bench.ends["done"].ending in {"done", "interrupted"}
