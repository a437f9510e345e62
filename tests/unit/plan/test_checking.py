"""What a run of a user's tests comes to: held only where something was seen to pass and nothing to fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from immtf.model.checking import BlockFacts, CheckResult, NodeFacts, VolumeFacts
from immtf.plan.checking import LONGEST, Ran, facts_of, judge_run
from immtf.plan.testfiles import missing_tests
from tests.fakes.builders import make_instance, make_place
from tests.fakes.world import make_block

if TYPE_CHECKING:
    from pathlib import Path

    from immtf.model.checking import Outcome


def make_results(*outcomes: Outcome, file: str = "test_a.py", why: str = "") -> tuple[CheckResult, ...]:
    """Return tests t0, t1 … with these outcomes; each that isn't passed says why."""
    return tuple(
        CheckResult(f"{file}::t{number}", item, "" if item == "passed" else why or f"because {number}")
        for number, item in enumerate(outcomes)
    )


def ran(*outcomes: Outcome, exit_code: int = 1, **more: Any) -> Ran:
    return Ran(exit_code=exit_code, results=make_results(*outcomes), **more)


@pytest.mark.parametrize(
    ("what", "reason"),
    [(ran("passed", exit_code=0), "1 passed"), (ran("passed", "skipped", "passed", exit_code=0), "2 passed, 1 skipped")],
)
def test_held(what: Ran, reason: str) -> None:
    verdict = judge_run(what)
    assert (verdict.held, verdict.reason, verdict.final) == (True, reason, False)


UNREADABLE = (CheckResult("test_b.py", "broken", "SyntaxError: invalid syntax (line 3)"),)
DENIED = [
    (ran("passed", "failed", "passed"), "1 of 3 failed: t1: because 1", False),
    (ran("failed", "failed", "passed"), "2 of 3 failed: t0: because 0; t1: because 1", False),
    (
        Ran(exit_code=1, results=make_results("failed", "failed", why="i-1: no agent")),
        "2 of 2 failed, each with: i-1: no agent (t0, t1)",
        False,
    ),
    (ran("failed", exit_code=0), "1 of 1 failed: t0: because 0", False),
    (ran("skipped", "skipped", exit_code=0), "all of 2 were skipped: because 0", False),
    (ran(exit_code=0), "there is not one test", True),
    (ran(exit_code=5), "there is not one test", True),
    (Ran(exit_code=5, problem="it left no report"), "there is not one test", True),
    (Ran(exit_code=0, problem="it left no report"), "pytest ended with 0: it left no report", False),
    (Ran(exit_code=3, results=(), said="INTERNALERROR> x"), "pytest ended with 3: INTERNALERROR> x", False),
    (ran("passed", exit_code=1), "pytest ended with 1", False),
    (ran("passed", exit_code=-9, said="killed"), "pytest ended with -9: killed", False),
    (
        Ran(exit_code=4, problem="it left no report", said="ERROR: no such option"),
        "pytest ended with 4: it left no report: ERROR: no such option",
        True,
    ),
    (Ran(exit_code=2, results=UNREADABLE), "test_b.py can't be read: SyntaxError: invalid syntax (line 3)", True),
    (
        Ran(exit_code=2, results=(*UNREADABLE, *make_results("failed"))),
        "test_b.py can't be read: SyntaxError: invalid syntax (line 3)",
        True,
    ),
    (ran(exit_code=-9, late=True, limit_s=120), "not ended within 120 s", False),
    (
        ran("passed", "failed", exit_code=2, late=True, limit_s=2.5, under_way="t2"),
        "not ended within 2.5 s; t2 was under way; 1 of 2 failed: t1: because 1",
        False,
    ),
    (ran("passed", exit_code=0, late=True, limit_s=1), "not ended within 1 s", False),
]


@pytest.mark.parametrize(("what", "reason", "final"), DENIED)
def test_denied_and_why(what: Ran, reason: str, final: bool) -> None:
    verdict = judge_run(what)
    assert not verdict.held
    assert verdict.reason == reason
    assert verdict.final is final
    assert verdict.unknown is ("failed" not in reason), "no test failed: nothing is known of the node"


def test_tests_of_several_files_are_told_with_them() -> None:
    both = make_results("failed", file="one/test_a.py") + make_results("failed", file="test_b.py", why="other")
    assert judge_run(Ran(exit_code=1, results=both)).reason == "2 of 2 failed: one/test_a.py::t0: because 0; test_b.py::t0: other"


def test_a_reason_is_one_short_line_that_moves_no_cursor() -> None:
    told = judge_run(
        Ran(exit_code=1, results=(CheckResult("a::t[\n" + "y" * 999, "failed", "\n\x1b[31m red \u202e" + "x" * 999 + "\nsecond"),))
    ).reason
    assert told.isprintable()
    assert "second" not in told
    assert len(told) < 2 * LONGEST + 40
    assert told.endswith("…")


NINE: list[Outcome] = ["failed"] * 9


@pytest.mark.parametrize("same", [True, False])
def test_of_many_failures_five_are_told(same: bool) -> None:
    results = make_results(*NINE, why="same" if same else "")
    told = judge_run(Ran(exit_code=1, results=results)).reason
    assert told.startswith("9 of 9 failed")
    assert "t4" in told
    assert "t5" not in told
    assert "and 4 more" in told


def test_facts_of_a_node() -> None:
    facts = facts_of(make_block(), make_place("a", mount="/data"), make_instance(), "1.2.0", "prod")
    assert facts.node == NodeFacts(
        name="server/a",
        cluster="server",
        key="a",
        instance_id="i-a",
        address="10.0.0.1",
        zone="eu-west-1a",
        image_id="ami-old",
        image_version="1.2.0",
        volumes=(VolumeFacts("data", "vol-a", "/data"),),
    )
    assert facts.block == BlockFacts(name="consul", version="1.1.0", environment="prod")


@pytest.mark.parametrize(
    ("named", "missing"),
    [
        ("tests", ""),
        ("tests/test_a.py", ""),
        ("deep", ""),
        ("own", ""),
        ("empty", "holds no tests"),
        ("readme.md", "is not a file of tests"),
        ("nowhere", "there is nothing at"),
        ("tests/test_a.py/x", "there is nothing at"),
        ("nul\0", "there is nothing at|can't be read"),
        ("loop", "there is nothing at|can't be read"),
        ("x" * 300, "can't be read|there is nothing at"),
    ],
)
def test_where_there_are_tests(tmp_path: Path, named: str, missing: str) -> None:
    for file in ("tests/test_a.py", "deep/er/a_test.py", "own/pytest.ini", "empty/check.py", "readme.md"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    told = missing_tests(tmp_path / named)
    assert re.search(missing, told) if missing else told == ""
