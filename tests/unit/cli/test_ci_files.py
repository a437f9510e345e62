"""docs/ci: the files are what the CI systems take as far as can be seen here, and every immtf command in them is one of immtf's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

import immtf
from immtf.cli import cli
from immtf.cli.options import Chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

CI = Path(immtf.__file__).parents[1] / "docs" / "ci"
STOP_S = 1800  # what process 1 of the container waits for a Terraform that was left
PROGRAMS = {"immtf", "$IMMTF_IMAGE"}
SECONDS = {"s": 1, "m": 60, "h": 3600}


def load(name: str) -> Any:
    return YAML(typ="safe").load((CI / name).read_text())


def words_of(script: str) -> list[str]:
    """Return the words of a command; what the shell fills in is one word each."""
    return shlex.split(re.sub(r"\$\(([^)]*)\)", "filled-in", script))


def github_steps() -> list[dict[str, Any]]:
    return list(load("github-workflow.yml")["jobs"]["test"]["steps"])


def gitlab_jobs() -> dict[str, Any]:
    return {name: job for name, job in load("gitlab-ci.yml").items() if isinstance(job, dict) and "script" in job}


def scripts() -> Iterator[tuple[str, str]]:
    """Give every command of both files with what it is of."""
    for step in github_steps():
        if "run" in step:
            yield f"github {step.get('name', step['run'])}", step["run"]
    for name, job in gitlab_jobs().items():
        for script in job["script"]:
            yield f"gitlab {name}", script


RUNS = [(name, words_of(script)) for name, script in scripts() if PROGRAMS & set(words_of(script)) and "pull" not in words_of(script)]


def arguments_of(words: list[str]) -> list[str]:
    place = next(number for number, word in enumerate(words) if word in PROGRAMS)
    return words[place + 1 :]


@pytest.mark.parametrize(("name", "words"), RUNS, ids=[name for name, _ in RUNS])
def test_each_command_is_one_that_immtf_takes(name: str, words: list[str]) -> None:
    command, *rest = arguments_of(words)
    parsed = cli.commands[command].make_context(f"immtf {command}", rest, obj=Chosen())
    given = parsed.params
    assert (str(given["block"]), given["yes"], given["output"]) == ("$BLOCK", True, "lines"), name
    assert str(given["junit"]).endswith(f"immtf/{command}.xml") or str(given["junit"]) == f"$KEEP/{command}.xml"
    assert command != "test-upgrade" or given["source"]


def test_both_files_run_both_tests() -> None:
    assert sorted((name.split()[0], arguments_of(words)[0]) for name, words in RUNS) == [
        ("github", "test-create"),
        ("github", "test-upgrade"),
        ("gitlab", "test-create"),
        ("gitlab", "test-upgrade"),
    ]


def limits(words: list[str]) -> tuple[int, int]:
    """Return how long a command may run, and how long it has to stop, in seconds."""
    assert words[:2] == ["timeout", "--signal=TERM"], "the run is asked to end before the job is killed"
    stop, run = (re.fullmatch(r"(?:--kill-after=)?(\d+)([smh])", word) for word in words[2:4])
    assert stop
    assert run
    return int(run[1]) * SECONDS[run[2]], int(stop[1]) * SECONDS[stop[2]]


@pytest.mark.parametrize(("name", "words"), RUNS, ids=[name for name, _ in RUNS])
def test_a_run_has_as_long_to_stop_as_it_may_need(name: str, words: list[str]) -> None:
    assert limits(words)[1] > STOP_S, name
    if name.startswith("github"):
        assert f"--stop-timeout={STOP_S}" in words


def test_the_jobs_last_longer_than_the_runs_in_them() -> None:
    github = [sum(limits(words)) for name, words in RUNS if name.startswith("github")]
    job = load("github-workflow.yml")["jobs"]["test"]
    assert job["timeout-minutes"] * 60 > sum(github)
    session = next(step["with"]["role-duration-seconds"] for step in github_steps() if "role-duration-seconds" in step.get("with", {}))
    assert session <= 12 * 3600
    assert session > job["timeout-minutes"] * 60
    for name, found in gitlab_jobs().items():
        minutes = re.fullmatch(r"(\d+) minutes", found["timeout"])
        assert minutes
        (longest,) = (sum(limits(words)) for run, words in RUNS if run == f"gitlab {name}")
        assert int(minutes[1]) * 60 > longest


def test_the_workflow_has_what_github_takes() -> None:
    workflow = load("github-workflow.yml")
    assert set(workflow) == {"name", "on", "permissions", "env", "jobs"}
    assert workflow["permissions"]["id-token"] == "write"
    job = workflow["jobs"]["test"]
    assert {"runs-on", "steps", "timeout-minutes", "concurrency", "strategy"} <= set(job)
    assert job["concurrency"]["cancel-in-progress"] is False
    assert "${{ matrix.block }}" in job["concurrency"]["group"]
    for step in job["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert set(step) <= {"name", "uses", "with", "run", "if"}
        assert "@v" in step.get("uses", "@v")
    matrix = set(job["strategy"]["matrix"]["include"][0])
    named = set(re.findall(r"\$\{\{ matrix\.(\w+) \}\}", (CI / "github-workflow.yml").read_text()))
    assert named == matrix


def test_only_reports_and_journals_are_kept_and_whatever_happened() -> None:
    """F49: states hold secrets."""
    upload = next(step for step in github_steps() if step.get("uses", "").startswith("actions/upload-artifact"))
    assert upload["if"] == "always()"
    kept = [path.removeprefix("${{ runner.temp }}/immtf/") for path in upload["with"]["path"].splitlines()]
    shared = load("gitlab-ci.yml")[".immtf"]["artifacts"]
    assert kept == [path.removeprefix("immtf/") for path in shared["paths"]] == ["*.xml", "runs/*/journal.jsonl"]
    assert (shared["when"], shared["reports"]["junit"]) == ("always", "immtf/*.xml")


def test_no_secret_stands_in_a_command() -> None:
    """F49: variables go into the container by their names."""
    for name, words in RUNS:
        for word in words:
            assert not re.match(r"AWS_\w*(KEY|TOKEN)\w*=", word), (name, word)


def test_the_pipeline_has_what_gitlab_takes() -> None:
    pipeline = load("gitlab-ci.yml")
    shared = pipeline[".immtf"]
    keys = {
        "stage",
        "image",
        "rules",
        "parallel",
        "resource_group",
        "interruptible",
        "id_tokens",
        "variables",
        "before_script",
        "artifacts",
    }
    assert set(shared) == keys
    assert shared["stage"] in pipeline["stages"]
    assert shared["resource_group"] == "immtf-$BLOCK"
    assert all(isinstance(value, str) for value in shared["variables"].values()), "GitLab takes texts only"
    assert shared["image"]["entrypoint"] == [""], "the runner's shell has to start"
    for job in gitlab_jobs().values():
        assert set(job) == {"extends", "timeout", "script"}
        assert job["extends"] in pipeline
        assert all(isinstance(line, str) for line in job["script"])
