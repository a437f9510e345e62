"""What a CI system's log is told beside the lines: annotations that can't be forged, sections that are always closed."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from immtf.model.events import CheckOverridden, Noted, RunHalted, StageFinished, StageStarted
from immtf.report.folding import Ci, FoldingReader, detect
from immtf.report.github import annotation, group
from immtf.report.gitlab import section_end, section_start
from immtf.report.lines import LinesReader
from tests.unit.report.examples import EXAMPLES, HALT, START, make_finished

if TYPE_CHECKING:
    from immtf.model.events import Event

NESTED = [
    EXAMPLES[0],
    StageStarted("clean-up", "it goes"),
    StageStarted("destroy", "all of it"),
    StageFinished("destroy", 1.0),
    StageFinished("clean-up", 2.0),
    make_finished(),
]


def told(*events: Event, ci: Ci = "github", sections: bool = True) -> list[str]:
    """Return the log of a run with lines, one event a second."""
    stream = io.StringIO(newline="")
    reader = FoldingReader(LinesReader(stream), stream, ci, sections=sections)
    for number, event in enumerate(events):
        reader(event, START + timedelta(seconds=number))
    reader.close()
    return stream.getvalue().split("\n")[:-1]


def commands(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("::")]


@pytest.mark.parametrize(
    ("choice", "environ", "wanted"),
    [
        ("auto", {}, "none"),
        ("auto", {"GITHUB_ACTIONS": "true"}, "github"),
        ("auto", {"GITLAB_CI": "true"}, "gitlab"),
        ("auto", {"GITHUB_ACTIONS": "false", "GITLAB_CI": ""}, "none"),
        ("none", {"GITHUB_ACTIONS": "true"}, "none"),
        ("gitlab", {"GITHUB_ACTIONS": "true"}, "gitlab"),
        ("github", {}, "github"),
    ],
)
def test_the_environment_says_which_system_it_is_and_an_option_overrules_it(choice: str, environ: dict[str, str], wanted: str) -> None:
    assert detect(choice, environ) == wanted


def test_an_annotation_has_its_place() -> None:
    line = annotation("error", "two mistakes", title="a: b, c", file="blocks/x,y.yaml", line=3, column=7)
    assert line == "::error file=blocks/x%2Cy.yaml,line=3,col=7,title=a%3A b%2C c::two mistakes"
    assert annotation("notice", "x") == "::notice::x"


def test_foreign_text_can_neither_end_an_annotation_nor_begin_another_command() -> None:
    line = annotation("warning", "100 %\r\n::add-mask::x\n\x1b[31m::error::y\x07", title="t::u,file=v\n::warning::w")
    assert line == "::warning title=t%3A%3Au%2Cfile=v %3A%3Awarning%3A%3Aw::100 %25%0A::add-mask::x%0A::error::y"
    assert "\n" not in group("a\n::error::b")


def test_a_halt_a_warning_and_an_overridden_check_are_annotated_and_good_news_once() -> None:
    events = [EXAMPLES[0], Noted("warning", "slow"), Noted("info", "fine"), CheckOverridden("", "snapshot", "none", "a backup"), HALT]
    lines = commands(told(*events, make_finished("halted", 20)))
    last = "no capacity for a new instance%0Asafe: the other nodes serve%0Anext: immtf upgrade terraform/blocks/consul --yes"
    assert lines == [
        "::warning title=immtf upgrade consul::slow",
        "::warning title=immtf upgrade consul%3A check::snapshot overridden: none; let pass by --allow: a backup",
        f"::error title=immtf upgrade consul%3A halted at server/a (exit 20)::{last}",
    ]
    assert commands(told(EXAMPLES[0], make_finished())) == [
        "::notice title=immtf upgrade consul%3A done%2C exit 0::nodes replaced: 1, volumes kept: 2, writes lost: 0"
    ]
    image = replace(make_finished(), nodes_replaced=0, volumes_kept=0, writes_lost=None, terraform_runs=0)
    assert commands(told(EXAMPLES[0], image)) == ["::notice title=immtf upgrade consul%3A done%2C exit 0::took 3 m 20 s"]
    assert commands(told(RunHalted("x", "", "", "", 1))) == ["::error title=immtf%3A halted (exit 1)::x"]


def test_groups_of_github_do_not_nest_and_the_lines_of_a_stage_stand_in_its_group() -> None:
    lines = [re.sub(r"^\S+Z ", "", line) for line in told(*NESTED)]
    begun = [line for line in lines if line.startswith(("::group", "::endgroup", "▸ consul stage", "✓ consul stage"))]
    assert begun == [
        "::group::clean-up: it goes",
        "▸ consul stage clean-up: it goes",
        "::endgroup::",
        "::group::destroy: all of it",
        "▸ consul stage destroy: all of it",
        "✓ consul stage destroy (1.0 s)",
        "::endgroup::",
        "✓ consul stage clean-up (2.0 s)",
    ]


def test_sections_of_gitlab_have_names_of_their_own_and_are_closed_before_a_halt() -> None:
    lines = told(StageStarted("observe", "x"), StageFinished("observe", 1.0), StageStarted("observe", "y"), HALT, ci="gitlab")
    marks = [line for line in lines if "section_" in line]
    at = int(START.timestamp())
    assert marks == [
        f"\x1b[0Ksection_start:{at}:immtf_1_observe\r\x1b[0Kobserve: x",
        f"\x1b[0Ksection_end:{at + 1}:immtf_1_observe\r\x1b[0K",
        f"\x1b[0Ksection_start:{at + 2}:immtf_2_observe\r\x1b[0Kobserve: y",
        f"\x1b[0Ksection_end:{at + 3}:immtf_2_observe\r\x1b[0K",
    ]
    assert lines.index(marks[-1]) < next(number for number, line in enumerate(lines) if "halted" in line)
    assert not commands(lines)


def test_a_section_s_name_holds_what_gitlab_takes() -> None:
    assert section_start("a b/ä:c", "t\r\nu", START).split(":")[2] == "a_b_c\r\x1b[0Kt u"
    assert section_end("a b", START).endswith(":a_b\r\x1b[0K")


def test_without_sections_only_annotations_are_written() -> None:
    assert commands(told(*NESTED, sections=False)) == commands(told(NESTED[0], NESTED[-1]))
    assert told(*NESTED, ci="gitlab", sections=False) == told(*NESTED, ci="none", sections=False)


def test_a_stream_that_is_gone_stops_nothing() -> None:
    stream, gone = io.StringIO(), io.StringIO()
    gone.close()
    reader = FoldingReader(LinesReader(stream), gone, "github", sections=True)
    for event in NESTED:
        reader(event, START)
    assert "done, exit 0" in stream.getvalue()
