"""Each block's command line, and how the whole ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from immtf.app.blocks import Job, finished, halted, outcome_of
from immtf.errors import ExitCode
from immtf.model.events import RunFinished
from immtf.model.running import RunEnd
from immtf.run.blocks import Tally

BLOCKS = {"base": Path("infra/base"), "consul": Path("infra/consul")}
DONE = RunFinished("done", 1, 2, None, None, None, {"server/a": 3.0}, 10, 4, 9.0, 5.0, 3.0, 1.0)
PROBED = RunFinished("done", 2, 3, 100, 1, 2.5, {"server/a": 4.0}, 20, 6, 9.0, 5.0, 3.0, 1.0)


@pytest.mark.parametrize(
    ("command", "confirm", "wanted"),
    [
        ("create", False, ("create", "infra/base", "--yes", "--lab")),
        ("upgrade", True, ("upgrade", "infra/base", "--yes", "--lab")),
        ("destroy", False, ("destroy", "infra/base", "--yes", "--lab")),
        ("destroy", True, ("destroy", "infra/base", "--yes", "--confirm=base", "--lab")),
        ("plan", True, ("plan", "infra/base", "--lab")),
        ("status", False, ("status", "infra/base", "--lab")),
    ],
)
def test_a_block_s_command_line_is_told_what_was_confirmed_and_where_to_work(command: str, confirm: bool, wanted: tuple[str, ...]) -> None:
    job = Job(command=command, blocks=BLOCKS, options=("--lab",), confirm=confirm)
    assert job.orders()[0].argv == (*wanted, "--output=json", "--ci=none")


def test_an_option_of_one_block_goes_to_that_one_only() -> None:
    job = Job(command="plan", blocks=BLOCKS, own={"consul": ["--allow=tcp:8300"]})
    assert ["--allow=tcp:8300" in order.argv for order in job.orders()] == [False, True]


def test_the_order_is_told_with_versions_waits_and_commands() -> None:
    waits = {"consul": {"base", "elsewhere"}}
    planned = Job(command="plan", blocks=BLOCKS, waits_for=waits, versions={"base": "2.0.0"}, now={"base": "1.0.0"}, parallel=2).planned()
    assert [(row.block, row.version, row.now, row.after) for row in planned.rows] == [
        ("base", "2.0.0", "1.0.0", ()),
        ("consul", "", "", ("base",)),
    ]
    assert planned.rows[0].command == "immtf plan infra/base --output=json --ci=none"
    assert planned.parallel == 2


def test_the_figures_of_all_blocks_are_added_up() -> None:
    ends = (RunEnd("base", "done"), RunEnd("consul", "done"))
    end = finished(Tally(ends, ExitCode.DONE, {"base": DONE, "consul": PROBED}), 12.3456)
    assert (end.outcome, end.nodes_replaced, end.volumes_kept, end.aws_api_calls, end.terraform_runs) == ("done", 3, 5, 30, 10)
    assert (end.writes_acknowledged, end.writes_lost, end.longest_write_gap_s) == (100, 1, 2.5)
    assert end.away_s == {"base server/a": 3.0, "consul server/a": 4.0}
    assert (end.duration_s, end.terraform_s) == (12.346, 10.0)


def test_what_no_block_knows_is_not_known() -> None:
    end = finished(Tally((RunEnd("base", "done"),), ExitCode.DONE, {"base": DONE}), 1.0)
    assert (end.writes_acknowledged, end.writes_lost, end.longest_write_gap_s) == (None, None, None)


@pytest.mark.parametrize(
    ("endings", "code", "outcome"),
    [
        (("nothing_to_do", "nothing_to_do"), 0, "nothing_to_do"),
        (("nothing_to_do", "done"), 0, "done"),
        (("pending", "done"), 10, "pending"),
        (("failed", "done"), 20, "halted"),
        (("interrupted", "done"), 130, "interrupted"),
        (("interrupted", "done"), 21, "paused"),
    ],
)
def test_the_word_for_how_the_whole_ended(endings: tuple[str, ...], code: int, outcome: str) -> None:
    ends = tuple(RunEnd(str(number), ending) for number, ending in enumerate(endings))  # type: ignore[arg-type]  # a test's text
    assert outcome_of(Tally(ends, ExitCode(code), {})) == outcome
    assert (halted(Tally(ends, ExitCode(code), {}), "again") is None) == (code in {0, 10})


def test_a_halt_names_each_block_that_did_not_end_well_and_the_command_that_goes_on() -> None:
    ends = (RunEnd("base", "done"), RunEnd("consul", "failed", 20), RunEnd("web", "skipped"))
    halt = halted(Tally(ends, ExitCode.GATE_FAILED, {}), "immtf upgrade infra")
    assert halt is not None
    assert halt.what == "2 of 3 blocks did not end well: consul (failed), web (skipped)"
    assert halt.safe.startswith("1 of 3 blocks are done; ")
    assert (halt.next, halt.exit_code) == ("immtf upgrade infra", 20)
