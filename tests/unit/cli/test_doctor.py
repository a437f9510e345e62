"""`doctor` and `repair` as a person calls them, on a block without a cloud: what goes where, and with which exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.cli.program import immtf_program

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("output", ["text", "lines"])
def test_a_healthy_environment_in_one_line(tiny: Path, env: dict[str, str], output: str) -> None:
    done = immtf_program("doctor", ".", "--output", output, cwd=tiny, env=env)
    assert (done.returncode, done.stdout) == (0, "nothing is wrong\n"), done.stderr


def test_an_environment_without_a_block_is_that_of_the_directory_s_block(tiny: Path, env: dict[str, str]) -> None:
    """Tools alone would say nothing of the environment, and be taken for its health."""
    there = immtf_program("doctor", "--environment", "nosuch", cwd=tiny, env=env)
    assert (there.returncode, "there is no environment nosuch" in there.stderr) == (2, True)
    assert immtf_program("create", "--yes", "--environment", "mine", cwd=tiny, env=env).returncode == 0
    done = immtf_program("doctor", "--environment", "mine", cwd=tiny, env=env)
    assert done.stderr.startswith("doctor tiny 1.0.0   environment mine"), done.stderr
    assert done.stdout == "", "no tools: it went as far as the cloud, for which there are no credentials here"
    elsewhere = immtf_program("doctor", "--environment", "mine", "--home", "tiny/.immtf", cwd=tiny.parent, env=env)
    assert (elsewhere.returncode, "name the block" in elsewhere.stderr, elsewhere.stdout) == (2, True, "")


def test_the_way_from_the_finding_to_the_person(tiny: Path, env: dict[str, str]) -> None:
    """Terraform that can't plan is a finding with Terraform's own words, not the end of the doctor."""
    assert immtf_program("upgrade", "--yes", cwd=tiny, env=env).returncode == 0
    (tiny / "main.tf").write_text((tiny / "main.tf").read_text().replace("var.word }", "terraform_data.nowhere.id }", 1))
    done = immtf_program("doctor", ".", "--output", "json", cwd=tiny, env=env)
    assert done.returncode == 24, done.stderr
    (told,) = (event for line in done.stdout.splitlines() if (event := json.loads(line))["event"] == "diagnosed")
    assert [(row["id"], row["by"]) for row in told["findings"]] == [("plan-fails:root", "person")]
    shown = immtf_program("doctor", ".", cwd=tiny, env=env)
    assert shown.stdout.startswith("plan-fails:root\n  seen   ")
    assert "  by     a person" in shown.stdout
    refused = immtf_program("repair", ".", "--yes", cwd=tiny, env=env)
    assert (refused.returncode, "left for a person: plan-fails:root" in refused.stderr) == (24, True)


def test_nothing_to_repair_asks_nobody(tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("repair", ".", cwd=tiny, env=env)
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_can_not_be_repaired(tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("repair", ".", "stopped-node:server/a", "--yes", cwd=tiny, env=env)
    assert done.returncode == 2
    assert "not found: stopped-node:server/a" in done.stderr


def test_a_rollback_names_its_node(tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("rollback", cwd=tiny, env=env)
    assert (done.returncode, "--node" in done.stderr) == (2, True)
    done = immtf_program("rollback", "--node", "server/a", "--yes", cwd=tiny, env=env)
    assert (done.returncode, "this block takes no image" in done.stderr) == (2, True)
