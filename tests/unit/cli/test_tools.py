"""`doctor`, `schema` and `report`: what needs no cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest

from immtf.adapters.journal import Journal
from immtf.app.telling import now
from immtf.model.events import RunFinished, RunStarted
from tests.unit.cli.program import SOURCE, environment, immtf_program
from tests.unit.report.examples import START, make_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from immtf.model.events import Event

STARTED = RunStarted("plan", "consul", "1.1.0", "default", "aws", "eve@ci")
NOTHING = RunFinished("nothing_to_do", 0, 0, None, None, None)


def write_journal(home: Path, run_id: str, events: Sequence[tuple[Event, datetime]]) -> None:
    journal = Journal(home / "runs", run_id, now)
    for event, at in events:
        journal(event, at)
    journal.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_journal(tmp_path / ".immtf", "20260102-030405-9f3a", make_run())
    for day, run_id, rest in ((1, "20260103-030405-aaaa", []), (2, "20260104-030405-aabb", [NOTHING])):
        at = START + timedelta(days=day)
        write_journal(tmp_path / ".immtf", run_id, [(STARTED, at), *((event, at) for event in rest)])
    return tmp_path


def test_doctor_on_a_machine_with_nothing(tmp_path: Path) -> None:
    done = immtf_program("doctor", cwd=tmp_path)
    assert done.returncode == 1
    for name in ("terraform", "hashicorp/aws", "consul", "etcd"):
        assert f"missing  {name}" in done.stdout
    assert done.stdout.count("to get it: ") == 4
    assert list(tmp_path.iterdir()) == [], "it fetches nothing and leaves nothing"


def test_doctor_as_json(tmp_path: Path) -> None:
    done = immtf_program("doctor", "--output", "json", cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [row["name"] for row in rows] == ["terraform", "hashicorp/aws", "consul", "etcd"]
    assert all(row["problem"] and row["ways"] and not row["path"] for row in rows)


def test_the_schema_of_a_block_fits_the_example(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    done = immtf_program("schema", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    example = YAML(typ="safe").load((SOURCE / "terraform/blocks/consul/immtf.yaml").read_text())
    jsonschema.validate(example, json.loads(done.stdout))
    assert immtf_program("schema", "block", cwd=tmp_path).stdout == done.stdout


def test_the_schema_of_an_environment_is_the_published_one(tmp_path: Path) -> None:
    done = immtf_program("schema", "environment", cwd=tmp_path)
    assert json.loads(done.stdout) == json.loads((SOURCE / "docs/environment.schema.json").read_text())


def test_the_schema_of_events_fits_a_journal(home: Path) -> None:
    done = immtf_program("schema", "events", cwd=home)
    fits = jsonschema.Draft202012Validator(json.loads(done.stdout))
    for line in (home / ".immtf/runs/20260102-030405-9f3a/journal.jsonl").read_text().splitlines():
        fits.validate(json.loads(line))


def test_an_output_that_is_full_is_told(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - the device itself
        done = subprocess.run(
            [sys.executable, "-m", "immtf", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "immtf: the output can't be written: No space left on device\n"


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
