"""`doctor` and `schema`: what needs no cloud."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]  # it carries no types
import pytest

from tests.unit.cli.program import SOURCE, environment, immtf_program
from tests.unit.cli.runs import write_runs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_runs(tmp_path)
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
