from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from immtf.model.events import NodeStarted, PlanMade, ProbeReported, RunHalted, StageFinished, StageStarted, StepStarted
from immtf.report.live import Frame
from immtf.report.progress import Progress
from tests.unit.report.examples import NODE, START, make_plan_row, make_run, make_told


def drawn(progress: Progress, seconds: float = 20, width: int = 80) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, _environ={}).print(Frame().draw(progress, START + timedelta(seconds=seconds)))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_is_never_wider_than_the_terminal_nor_higher_for_it(width: int) -> None:
    progress = Progress()
    for event, at in make_run()[:9]:
        progress.take(event, at)
    progress.take(StepStarted(NODE, "gates_after", "a long reason " * 20), START)
    lines = drawn(progress, width=width)
    assert max(map(len, lines)) <= width
    assert len(lines) == 5


def test_a_wait_of_terraform_goes_on_between_its_lines() -> None:
    progress = Progress()
    progress.take(make_told("apply_progress", 10.0), START)
    assert any("aws_instance.this create 25 s" in line for line in drawn(progress, seconds=15))


def test_of_many_nodes_those_around_the_one_at_work_are_shown() -> None:
    progress = Progress()
    progress.take(PlanMade(tuple(make_plan_row(f"server/{n:02}") for n in range(81)), (), ""), START)
    progress.take(NodeStarted("server/40", 41, 81, "replace", "x"), START)
    text = "\n".join(drawn(progress))
    assert "server/36" in text
    assert "server/44" in text
    assert "server/45" not in text
    assert "72 more nodes" in text


def test_a_halted_node_stands_out() -> None:
    progress = Progress()
    progress.take(StepStarted(NODE, "apply", "x"), START)
    progress.take(RunHalted("x", NODE, "y", "z", 20), START)
    assert any(line.startswith("✗  server/a") for line in drawn(progress))


def test_a_gap_without_writes_is_said() -> None:
    progress = Progress()
    progress.take(ProbeReported(7, 3, 4.0, 4.0), START)
    assert "7 writes acknowledged · 3 failed · gap now 4.0 s, longest 4.0 s" in drawn(progress)[-1]


def test_a_stage_without_a_node_at_work_has_a_row_of_its_own() -> None:
    progress = Progress()
    progress.take(StageStarted("observe", "Terraform's full plan"), START)
    assert any("run observe" in " ".join(line.split()) and "Terraform's full plan" in line for line in drawn(progress))
    progress.take(StepStarted(NODE, "apply", "x"), START)
    assert not any("full plan" in line for line in drawn(progress))
    progress.take(StageFinished("observe", 3.0), START)
    assert not any("observe" in line for line in drawn(progress))


def test_what_terraform_waits_for_before_it_begins_is_shown() -> None:
    progress = Progress()
    progress.take(StepStarted(NODE, "apply", "x"), START)
    progress.take(make_told("waiting", message="an earlier Terraform is at work"), START)
    assert any("an earlier Terraform" in line for line in drawn(progress))
