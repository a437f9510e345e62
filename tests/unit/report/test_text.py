from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from rich.console import Console

from immtf.model.events import Noted, RunFinished, RunHalted, StageFinished, StageStarted, StepWaited
from immtf.report.text import TextReader, make_text_reader
from tests.unit.report.examples import EXAMPLES, HALT, NODE, START, make_finished, make_gate, make_run, make_told

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told_to(stream: io.StringIO, environ: dict[str, str]) -> str:
    reader = make_text_reader(stream, environ=environ)
    for event, at in make_run():
        reader(event, at)
    reader.close()
    return stream.getvalue()


def make_reader_on(width: int, *, live: bool = False, waits: bool = False) -> tuple[TextReader, io.StringIO]:
    stream = Terminal() if live else io.StringIO()
    console = Console(file=stream, width=width, height=40, highlight=False, markup=False, emoji=False, _environ={"TERM": "xterm"})
    return TextReader(console, live=live, waits=waits, clock=lambda: 0.0), stream


class TestInALog:
    @pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1", "TERM": "xterm-256color"}, {"TTY_INTERACTIVE": "1", "TERM": "xterm"}])
    def test_no_frame_is_ever_redrawn(self, environ: dict[str, str]) -> None:
        text = told_to(io.StringIO(), environ)
        assert HIDE not in text
        assert "\x1b[2K" not in text
        assert "\x1b[1A" not in text
        assert text.count("now i-0a2, away for 47 s") == 1

    def test_without_a_wish_there_are_no_colours_and_no_line_is_longer_than_120(self) -> None:
        text = told_to(io.StringIO(), {"COLUMNS": "300"})
        assert "\x1b" not in text
        assert max(map(len, text.splitlines())) <= 120

    def test_waits_are_told_as_thinned_lines(self) -> None:
        text = told_to(io.StringIO(), {})
        assert "aws_instance.this create 0.0 s" in text
        assert text.count("does not hold: 2 voters of 3") == 1

    def test_a_dumb_terminal_is_a_log_too(self) -> None:
        for environ in ({"TERM": "dumb"}, {}):
            assert HIDE not in told_to(Terminal(), environ)


class TestInATerminal:
    def test_what_is_finished_stands_above_once_and_in_order(self) -> None:
        reader, stream = make_reader_on(110, live=True)
        for event, at in make_run():
            reader(event, at)
        reader.close()
        text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())
        finished = [line for line in text.splitlines() if re.match(r"\d\d:\d\d [✓↷▸]", line)]
        assert [" ".join(line.split()[1:5]) for line in finished] == [
            "▸ server/a replace node",
            "✓ server/a apply node",
            "✓ server/a gates after",
            "✓ server/a at its",
            "↷ server/b nothing to",
            "✓ consul stage nodes",
        ]

    def test_the_region_shows_step_gate_passes_terraform_and_probe(self) -> None:
        reader, stream = make_reader_on(110, live=True)
        for event, at in make_run()[:14]:
            reader(event, at)
            reader(Noted("info", "look"), at)  # a line above makes the region be drawn again
        reader.close()
        shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())
        for part in (
            "upgrade consul 1.1.0 · stage nodes · node 1 of 2 · 00:06",
            "aws_instance.this create 10 s",
            "●○○ 3 voters",
            "○○○ 2 voters of 3",
            "1,204 writes acknowledged · 0 failed · gap now 0.1 s, longest 1.4 s",
            "·  server/b",
        ):
            assert part in shown

    def test_the_cursor_comes_back_and_the_region_goes(self) -> None:
        reader, stream = make_reader_on(80, live=True)
        reader(StageStarted("nodes", "x"), START)
        reader.close()
        assert stream.getvalue().count(HIDE) == stream.getvalue().count(SHOW) == 1

    def test_between_stages_the_region_rests_so_that_a_question_can_be_asked(self) -> None:
        reader, stream = make_reader_on(80, live=True)
        reader(make_told("refresh_start"), START)
        reader(Noted("info", "would be deleted"), START)
        assert HIDE not in stream.getvalue()
        reader(StageStarted("observe", "x"), START)
        reader(StageFinished("observe", 1.0), START)
        reader(EXAMPLES[1], START)
        assert stream.getvalue().count(HIDE) == stream.getvalue().count(SHOW) == 1
        assert stream.getvalue().rindex("aws_security_group.this") > stream.getvalue().rindex(SHOW)
        reader(StageStarted("nodes", "x"), START)
        assert stream.getvalue().count(HIDE) == 2
        reader.close()

    def test_after_the_end_of_a_halted_run_nothing_is_redrawn(self) -> None:
        reader, stream = make_reader_on(80, live=True)
        reader(StageStarted("nodes", "x"), START)
        reader(StepWaited(NODE, "stop", "x", 1.0, 2.0), START)
        for event in (HALT, make_finished("halted", 20), Noted("info", "bye")):
            reader(event, START)
        assert stream.getvalue().count(HIDE) == stream.getvalue().count(SHOW) == 1
        assert stream.getvalue().rindex("bye") > stream.getvalue().rindex(SHOW)


def test_a_gate_has_a_line_of_its_own_only_outside_a_step() -> None:
    reader, stream = make_reader_on(110)
    held = make_gate(held=True, reason="3 voters", passes=3)
    reader(StepWaited(NODE, "gates_after", "x", 1.0, 2.0), START)
    reader(held, START)
    assert "held 3 of 3" not in stream.getvalue()
    other, stream = make_reader_on(110)
    other(held, START)
    assert "held 3 of 3: 3 voters" in stream.getvalue()


def test_times_are_since_the_start_of_the_run() -> None:
    reader, stream = make_reader_on(110)
    reader(EXAMPLES[0], START)
    reader(Noted("info", "x"), START + timedelta(seconds=187))
    assert "03:07 · consul" in stream.getvalue()


def test_brackets_in_foreign_text_are_no_markup() -> None:
    reader, stream = make_reader_on(110)
    reader(Noted("warning", 'module.server["a"] [/] [bold] :boom:'), START)
    assert 'module.server["a"] [/] [bold] :boom:' in stream.getvalue()


class TestHalt:
    def test_it_is_shown_last_with_the_command_in_one_piece(self) -> None:
        command = "immtf upgrade terraform/blocks/consul " + "--only server/a " * 8 + "--yes"
        reader, stream = make_reader_on(80)
        reader(RunHalted("no capacity", NODE, "the others serve", command, 20), START)
        assert stream.getvalue() == ""
        reader(make_finished("halted", 20), START)
        text = stream.getvalue()
        assert text.index("outcome") < text.index("halted, exit 20") < text.index("no capacity") < text.index("the others serve")
        assert f"next   {command}\n" in text

    def test_a_place_that_is_not_known_has_no_line(self) -> None:
        reader, stream = make_reader_on(80)
        reader(RunHalted("no capacity", "", "nothing was touched", "immtf plan", 1), START)
        reader.close()
        assert "where" not in stream.getvalue()

    def test_it_is_shown_once_even_if_the_run_never_says_its_end(self) -> None:
        reader, stream = make_reader_on(80)
        reader(HALT, START)
        reader.close()
        reader.close()
        assert stream.getvalue().count("no capacity") == 1


def test_the_summary_tells_writes_and_shares_of_the_time() -> None:
    reader, stream = make_reader_on(80)
    reader(make_finished(), START)
    text = " ".join(stream.getvalue().split())
    parts = (
        "nodes replaced 1",
        "volumes kept 2",
        "writes acknowledged 1,204 writes",
        "writes lost 0",
        "longest gap 1.4 s",
        "away server/a 47 s",
        "AWS calls 412",
        "Terraform runs 11",
        "duration 3 m 20 s",
        "terraform 1 m 40 s, 50 %",
        "servers 1 m 30 s, 45 %",
    )
    for part in parts:
        assert part in text


def test_without_a_probe_the_summary_says_nothing_of_writes() -> None:
    reader, stream = make_reader_on(80)
    reader(RunFinished("nothing_to_do", 0, 0, None, None, None), START)
    assert "writes" not in stream.getvalue()
    assert "nothing to do" in stream.getvalue()
    reader(RunFinished("failed", 0, 0, 5, None, None, exit_code=1), START)
    assert stream.getvalue().count("not known") == 2
