"""The page under a job: the figures, what failed, the next command; and nothing in it that is foreign becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from immtf.errors import LeaseHeld
from immtf.model.events import NodeStarted, Noted, PlanMade, RunHalted
from immtf.report.summary import MOST_WARNINGS, Summary, escaped, fenced
from tests.unit.report.examples import EXAMPLES, HALT, NODE, START, make_finished, make_plan_row, make_run

if TYPE_CHECKING:
    from immtf.model.events import Event


def page(*events: Event) -> str:
    summary = Summary("immtf upgrade")
    for event in events:
        summary.take(event, START)
    return summary.markdown()


def test_a_run_that_went_well() -> None:
    text = page(*(event for event, _ in make_run()))
    assert text.startswith("\n### ✅ immtf upgrade consul 1.1.0: done\n\nenvironment test-1, cloud lab, image ami-1 (1.1.0)\n\n")
    for row in ("| outcome | done |", "| nodes replaced | 1 |", "| volumes kept | 2 |", "| writes lost | 0 |", "| duration | 3 m 20 s |",
                f"| away {NODE} | 47 s |", f"| {NODE} | done in 1 m 11 s, away for 47 s |",
                "| server/b | skipped: runs 1.1.0 and is healthy |"):  # fmt: skip
        assert f"\n{row}\n" in text
    assert text.endswith("|\n\n")
    assert "Halted" not in text


def test_a_command_on_images_says_nothing_of_nodes() -> None:
    """In such a run Terraform never ran, so none can have been replaced."""
    text = page(replace(make_finished(), nodes_replaced=0, volumes_kept=0, terraform_runs=0))
    assert "| outcome | done |" in text
    assert "| duration | 3 m 20 s |" in text
    assert not re.search("nodes replaced|volumes kept|Terraform runs", text)


def test_a_halt_is_told_with_what_is_safe_and_the_next_command_as_it_is_typed() -> None:
    text = page(EXAMPLES[0], EXAMPLES[1], NodeStarted(NODE, 1, 2, "replace", "x"), Noted("warning", "a|b"), EXAMPLES[14], HALT,
                make_finished("halted", 20))  # fmt: skip
    assert text.startswith("\n### ❌ immtf upgrade consul 1.1.0: halted\n")
    assert f"**Halted at {NODE} (exit 20):** no capacity for a new instance\n\n**Safe:** the other nodes serve\n\n" in text
    assert "**Next:**\n\n```text\nimmtf upgrade terraform/blocks/consul --yes\n```\n" in text
    assert f"| {NODE} | at work |\n| server/b | not reached |" in text
    assert "Warnings:\n\n- a\\|b\n- http:8080 let pass: http:8080: answered 404 (the page is new in 1.1)\n" in text


def test_a_node_that_nothing_was_to_be_done_for_is_not_told_as_left_out() -> None:
    plan = EXAMPLES[1]
    assert isinstance(plan, PlanMade)
    text = page(EXAMPLES[0], replace(plan, rows=(replace(plan.rows[0], action="skip"), make_plan_row("server/b"))), HALT)
    assert f"| {NODE} | nothing to do |\n| server/b | not reached |" in text


def test_what_kept_a_run_from_beginning() -> None:
    summary = Summary("immtf upgrade")
    summary.refuse(LeaseHeld("another run works", next="wait"))
    summary.refuse(LeaseHeld("second"))
    assert summary.markdown().startswith("\n### ❌ immtf upgrade: not begun\n\n**Halted (exit 22):** another run works\n\n**Next:**")


def test_a_run_that_never_ended_is_no_success() -> None:
    assert page(EXAMPLES[0]).startswith("\n### ❌ immtf upgrade consul 1.1.0: unfinished\n")
    assert "Next" not in page(RunHalted("x", "", "", "", 1))


def test_many_warnings_are_cut() -> None:
    text = page(*(Noted("warning", f"w{number}") for number in range(MOST_WARNINGS + 5)))
    assert text.endswith(f"- w{MOST_WARNINGS - 1}\n- and 5 more: see the journal\n\n")


@pytest.mark.parametrize("text", ["a|b\nc", "<script>x</script>", "[x](y)", "`x`", "**x**", "@team", "# x", "\\|", "a_b_c", "~~x~~", "$x$"])
def test_no_text_becomes_markup(text: str) -> None:
    done = escaped(text)
    assert "\n" not in done
    bare = done.replace("\\\\", "")
    assert not any(mark in bare.replace(f"\\{mark}", "") for mark in "|<>[]`*@#_~$")


def test_a_command_with_fences_in_it_stays_in_its_fence() -> None:
    assert fenced("a ```` b\n```") == "`````text\na ```` b ```\n`````"
    assert fenced("x") == "```text\nx\n```"
