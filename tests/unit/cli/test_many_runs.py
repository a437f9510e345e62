"""Real runs over blocks that need no cloud: made, upgraded, destroyed, refused, failed, killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.cli.infrastructure import REQUIRES, make_block, make_infrastructure
from tests.unit.cli.program import immtf_program
from tests.unit.report.junit_reader import read_suites

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT_S = 180.0


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    return make_infrastructure(tmp_path / "infra")


def run(infra: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    place = ("--environment", "e", "--output", "lines")
    return immtf_program(arguments[0], "infra", *place, *arguments[1:], cwd=infra.parent, env=env)


def values(infra: Path) -> dict[str, Any]:
    """Return what each block's state holds."""
    states = (infra.parent / ".immtf/environments/e").glob("*/terraform.tfstate")
    read = {path.parent.name: json.loads(path.read_text()) for path in states}
    return {name: state["outputs"]["block"]["value"]["version"] for name, state in sorted(read.items()) if state["resources"]}


def test_an_infrastructure_is_made_upgraded_and_destroyed(infra: Path, env: dict[str, str]) -> None:
    made = run(infra, env, "create", "--yes", "--parallel", "2", "--junit", "j.xml")
    assert made.returncode == 0, made.stderr
    assert values(infra) == dict.fromkeys(REQUIRES, "1.0.0")
    whole, *blocks = read_suites((infra.parent / "j.xml").read_text())
    assert [suite.get("name") for suite in (whole, *blocks)] == [f"immtf create {name}" for name in ("infra", *REQUIRES)]
    lines = [line.split(" ", 1)[1] for line in made.stderr.splitlines() if re.match(r"\d{4}-", line)]
    assert {line.split()[0] for line in lines if line.startswith(tuple(REQUIRES))} == {f"{name}:" for name in REQUIRES}
    again = run(infra, env, "plan")
    assert again.returncode == 0, again.stderr
    for name, requires in REQUIRES.items():
        make_block(infra, name, dict.fromkeys(requires, "~> 1.0"), version="1.1.0")
    upgraded = run(infra, env, "upgrade", "--yes", "--parallel", "2")
    assert upgraded.returncode == 0, upgraded.stderr
    assert "consul: now 1.0.0; version 1.1.0; after base" in upgraded.stderr
    assert values(infra) == dict.fromkeys(REQUIRES, "1.1.0")
    refused = run(infra, env, "destroy", "--yes")
    assert refused.returncode == 2
    assert "--confirm e" in " ".join(refused.stderr.split())
    gone = run(infra, env, "destroy", "--confirm", "e")
    assert gone.returncode == 0, gone.stderr
    assert values(infra) == {}


def test_a_failure_stops_what_needs_it_and_is_repeated_at_the_end(infra: Path, env: dict[str, str]) -> None:
    make_block(infra, "consul", {"base": "~> 1.0"}, more=running("false"))
    done = run(infra, env, "create", "--yes", "--parallel", "2")
    assert done.returncode == 1, done.stderr
    assert set(values(infra)) >= {"base", "other"}
    end = done.stderr[done.stderr.index("infra blocks: ") :]
    assert "consul: ✗ failed (1)" in end
    assert "service: ↷ skipped" in end
    assert "infra next command: immtf create infra --environment=e" in end


def test_an_upgrade_that_breaks_a_consumer_is_refused_before_anything(infra: Path, env: dict[str, str]) -> None:
    assert run(infra, env, "create", "--yes", "--parallel", "3").returncode == 0
    make_block(infra, "base", {}, version="2.0.0")
    for arguments in ((), ("--only", "base")):
        refused = run(infra, env, "upgrade", "--yes", *arguments)
        assert refused.returncode == 30, refused.stderr
        assert "consul" in refused.stderr
        assert "base 2.0.0" in refused.stderr
    assert values(infra)["base"] == "1.0.0"


def test_what_is_not_deployed_is_to_be_created_first(infra: Path, env: dict[str, str]) -> None:
    assert run(infra, env, "create", "--yes", "--until", "consul").returncode == 0
    done = run(infra, env, "upgrade", "--yes")
    assert done.returncode == 24
    assert "not deployed yet: other, service" in done.stderr
    assert "`immtf create infra --environment=e --only=other --only=service`" in done.stderr


def running(command: str) -> str:
    """Return a resource whose creation runs a command."""
    return f'resource "terraform_data" "acts" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}\n'


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "paused"])
def test_a_run_that_is_ended_in_the_middle_is_finished_by_the_next(infra: Path, env: dict[str, str], number: signal.Signals) -> None:
    """F5: the child of a killed run goes on to its next safe point, where it ends by itself."""
    here = infra.parent
    make_block(infra, "base", {}, more=running(f"touch {here}/begun; while ! [ -e {here}/go ]; do sleep 0.1; done"))
    argv = [sys.executable, "-m", "immtf", "create", "infra", "--yes", "--environment", "e", "--output", "lines"]
    child = subprocess.Popen(argv, cwd=here, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until((here / "begun").exists)
    child.send_signal(number)
    if number == signal.SIGKILL:
        child.wait(LIMIT_S)
        until(lambda: any("asked to end" in path.read_text() for path in here.glob(".immtf/runs/*/journal.jsonl")))
    else:
        until(lambda: any("block_told" in line and "asked to end" in line for line in journal_lines(here)))
    (here / "go").touch()
    _, said = child.communicate(timeout=LIMIT_S)
    assert child.returncode == (-9 if number == signal.SIGKILL else 21), said
    until(lambda: ended(here))
    again = run(infra, env, "create", "--yes")
    assert again.returncode == 0, again.stderr
    assert set(values(infra)) == set(REQUIRES)


def journal_lines(here: Path) -> list[str]:
    return [line for path in here.glob(".immtf/runs/*/journal.jsonl") for line in path.read_text().splitlines()]


def ended(here: Path) -> bool:
    """Return whether the run of the block itself has told its end."""
    journals = [path.read_text() for path in here.glob(".immtf/runs/*/journal.jsonl")]
    return all("run_finished" in text for text in journals if '"event":"blocks_planned"' not in text)


def until(held: Any) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not held():
        assert time.monotonic() < deadline
        time.sleep(0.1)
