"""What a command leaves for a CI system: the JUnit file, the page under a job, annotations; whatever becomes of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from immtf.cli import cli
from immtf.cli.ci import accounts, annotations_of
from immtf.errors import ImmtfError, LeaseHeld, UsageError
from immtf.plan.config.mistakes import ConfigInvalid, Mistake
from immtf.report.junit import Case
from tests.unit.cli.program import LIMIT_S, environment, immtf_program, make_tiny
from tests.unit.report.examples import EXAMPLES, START
from tests.unit.report.junit_reader import properties, read_junit, results, told

SECRET = "wJalrXUtnFEMI/K7MD&NG"
GITHUB = {"GITHUB_ACTIONS": "true"}


def read(path: Path) -> dict[str, str]:
    return results(read_junit(path.read_text()))


def test_a_run_leaves_its_junit_file_and_its_page(tiny: Path, env: dict[str, str]) -> None:
    page = tiny / "page.md"
    page.write_text("what was there\n")
    hidden = {**env, **GITHUB, "GITHUB_STEP_SUMMARY": str(page), "IMMTF_JUNIT": "out/junit.xml"}
    done = immtf_program("upgrade", "--yes", "--output", "lines", cwd=tiny, env=hidden)
    assert done.returncode == 0, done.stderr
    suite = read_junit((tiny / "out/junit.xml").read_text())
    assert results(suite) == {
        "tiny.run upgrade": "passed",
        **{f"tiny.stages {name}": "passed" for name in ("observe", "shared", "nodes", "rest")},
    }
    assert properties(suite)["run"] in done.stderr
    assert page.read_text().startswith("what was there\n\n### ✅ immtf upgrade tiny 1.0.0: done\n")
    commands = [line for line in done.stderr.splitlines() if line.startswith("::")]
    assert [line.split("::")[1].split(" ")[0] for line in commands] == ["group", "endgroup"] * 4 + ["notice"]


def test_a_run_that_fails_leaves_them_too_without_a_secret_and_json_stays_json(tiny: Path, env: dict[str, str]) -> None:
    """F49."""
    page = tiny / "page.md"
    hidden = {**env, **GITHUB, "GITHUB_STEP_SUMMARY": str(page), "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ACCESS_KEY_ID": "AKIA"}
    arguments = ("--output", "json", "--junit", "junit.xml", "--var", f"word={SECRET}")
    done = immtf_program("upgrade", "--yes", *arguments, cwd=tiny, env=hidden)
    assert done.returncode == 1
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()]
    error = next(line for line in done.stderr.splitlines() if line.startswith("::error title=immtf upgrade tiny%3A halted"))
    assert "•••" in error
    suite = read_junit((tiny / "junit.xml").read_text())
    assert results(suite) == {"tiny.run upgrade": "error", "tiny.stages observe": "error"}
    assert "•••" in told(suite, "tiny.run upgrade")[1]
    assert "•••" in page.read_text()
    parts = {SECRET, SECRET.replace("&", "&amp;"), SECRET.replace("&", "\\&")}
    assert not [text for text in parts if text in done.stdout + done.stderr + page.read_text() + (tiny / "junit.xml").read_text()]


def test_switched_off_nothing_is_written_for_a_ci_system(tiny: Path, env: dict[str, str]) -> None:
    page = tiny / "page.md"
    done = immtf_program("plan", "--output", "lines", "--ci", "none", cwd=tiny, env={**env, **GITHUB, "GITHUB_STEP_SUMMARY": str(page)})
    assert done.returncode == 10
    assert (page.exists(), "::" in done.stderr) == (False, False)
    done = immtf_program("plan", "--output", "lines", cwd=tiny, env={**env, "GITLAB_CI": "true"})
    assert "section_start:" in done.stderr


@pytest.mark.parametrize("place", ["", ".", "tiny/immtf.yaml/junit.xml"])
def test_a_file_that_can_not_be_written_is_told_before_the_run_begins(tmp_path: Path, place: str) -> None:
    make_tiny(tmp_path / "tiny")
    done = immtf_program("upgrade", "tiny", "--yes", "--junit", place, cwd=tmp_path)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".immtf").exists()


def test_what_ends_a_command_before_its_run_is_in_the_file_and_annotated(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / ".git").mkdir()
    make_tiny(tmp_path / "tiny", file="block: tiny\nversoin: 1.0.0\n")
    done = immtf_program("upgrade", "tiny", "--yes", "--junit", "junit.xml", cwd=tmp_path, env={**env, **GITHUB})
    assert done.returncode == 2
    assert read(tmp_path / "junit.xml") == {"immtf.run upgrade": "error"}
    assert "::error file=tiny/immtf.yaml,line=2,col=1,title=immtf::" in done.stderr
    done = immtf_program("upgrade", "--no-such", cwd=tmp_path, env={**env, **GITHUB})
    assert (done.returncode, "::error title=immtf::" in done.stderr) == (2, True)
    done = immtf_program(cwd=tmp_path, env={**env, **GITHUB})
    assert (done.returncode, "::" in done.stderr) == (2, False), "the help is no error to be annotated"
    done = immtf_program("upgrade", "--ci", "none", "nowhere", cwd=tmp_path, env={**env, **GITHUB})
    assert (done.returncode, "::error" in done.stderr) == (2, False)


def test_a_run_that_was_killed_is_no_success_and_an_older_file_does_not_stay(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text("an older run's")
    with accounts("upgrade", "r1", junit=junit, ci="none", environ={}) as listening:
        assert read(junit) == {"immtf.run upgrade": "error"}
        listening(EXAMPLES[0], START)
    assert read(junit) == {"consul.run upgrade": "error"}


def test_cases_may_be_added_and_what_ended_the_run_is_told(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    case = Case("image.tests", SECRET, 1.0, "failure", SECRET, SECRET, output=(SECRET,))

    def verify() -> None:
        with accounts("image verify", "r1", junit=junit, ci="auto", environ=GITHUB) as listening:
            listening.secrets = [SECRET]
            listening.add(case)
            raise LeaseHeld("another run works", next="wait")

    with pytest.raises(LeaseHeld):
        verify()
    assert read(junit) == {"immtf.run image verify": "error", "image.tests •••": "failure"}
    assert told(read_junit(junit.read_text()), "immtf.run image verify")[0] == "another run works; next: wait"
    assert "wJalr" not in junit.read_text()


def test_what_can_not_be_written_at_the_end_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {**GITHUB, "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "page")}
    with accounts("upgrade", "r1", junit=None, ci="auto", environ=environ) as listening:
        listening(EXAMPLES[0], START)
    assert "page: can't be written" in capsys.readouterr().err


def test_errors_as_annotations(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    mistakes = tuple(Mistake(folder / "immtf.yaml", 1, 2, "a", "is wrong") for folder in (tmp_path / "b", Path("/elsewhere")))
    assert [line.split(",")[0] for line in annotations_of(ConfigInvalid(mistakes))] == [
        "::error file=b/immtf.yaml",
        "::error file=/elsewhere/immtf.yaml",
    ]
    assert annotations_of(UsageError("no", next="yes")) == ["::error title=immtf::no%0Anext: yes"]
    assert annotations_of(ImmtfError("%")) == ["::error title=immtf::%25"]


FAULT = """
import sys
from pathlib import Path
from immtf.cli.options import Options
from immtf.cli.sessions import run
from immtf.errors import ImmtfError

def body(_session):
    try:
        raise ValueError("before " + sys.argv[2])
    except ValueError as error:
        raise RuntimeError(f"the library was given {sys.argv[2]!r}") from error

sys.exit(run("plan", Options(block=Path(sys.argv[1]), output="json"), body))
"""


def test_a_fault_of_immtf_s_own_shows_no_secret(tiny: Path, env: dict[str, str]) -> None:
    """F49: the traceback is printed, with what the run knows to be secret masked in it, and so is the journal."""
    hidden = {**env, "MY_TOKEN": SECRET}
    done = subprocess.run(
        [sys.executable, "-c", FAULT, str(tiny), SECRET], cwd=tiny, env=hidden, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 1
    assert "RuntimeError: the library was given •••" in done.stderr
    assert "ValueError: before •••" in done.stderr
    assert "a fault in immtf itself" in done.stderr
    (journal,) = tiny.glob(".immtf/runs/*/journal.jsonl")
    halt, end = [json.loads(line) for line in journal.read_text().splitlines()][-2:]
    assert (halt["what"], end["outcome"]) == ("a fault in immtf itself: RuntimeError: the library was given •••", "failed")
    assert not [text for text in (done.stdout, done.stderr, journal.read_text()) if SECRET in text]


def test_the_commands_that_run_something_take_both_options() -> None:
    for name, command in cli.commands.items():
        names = {option for parameter in command.params for option in parameter.opts}
        runs = name in {"create", "upgrade", "rollback", "repair", "test-create", "test-upgrade"}
        assert not runs or {"--junit", "--ci"} <= names, name


def test_what_an_option_is_without_it_stands_in_the_help(tmp_path: Path) -> None:
    text = " ".join(immtf_program("upgrade", "--help", cwd=tmp_path, env=environment(tmp_path, COLUMNS="300")).stdout.split())
    assert "[default: (900)]" in text
    assert "[default: 60]" in text
