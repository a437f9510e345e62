"""A command from its first to its last word, with the real Terraform on a block without a cloud: streams, exit codes, secrets, lease."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from tests.unit.cli.program import TINY, environment, immtf_program, make_tiny

SECRET = "wJalrXUtnFEMI/K7MDENG"
GATED = """\
clusters:
  server:
    nodes: module.server
    gates: [{ consul: { token_env: MY_TOKEN } }]
"""


def test_plan_as_json_prints_events_and_nothing_else(tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("plan", "--output", "json", cwd=tiny, env=env)
    assert done.returncode == 10, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["run_started", "run_finished"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    (plan,) = (event for event in events if event["event"] == "plan_made")
    assert plan["shared"] == ["terraform_data.this: create"]
    journal = Path(done.stderr.split("journal: ")[1].strip())
    assert (tiny / journal).read_text() == done.stdout
    assert ((tiny / journal).stat().st_mode & 0o777, (tiny / journal).parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("output", ["text", "lines"])
def test_plan_prints_the_plan_to_stdout_and_the_rest_to_stderr(tiny: Path, env: dict[str, str], output: str) -> None:
    done = immtf_program("plan", "--output", output, cwd=tiny, env=env)
    assert done.returncode == 10, done.stderr
    assert "terraform_data.this" in done.stdout
    assert "observe" in done.stderr
    assert "observe" not in done.stdout


def test_from_nothing_to_done_to_nothing_to_do_to_gone(tiny: Path, env: dict[str, str]) -> None:
    refused = immtf_program("upgrade", cwd=tiny, env=env)
    assert refused.returncode == 2
    assert "there is no terminal to ask at" in refused.stderr
    assert not (tiny / "terraform.tfstate").exists()
    assert immtf_program("upgrade", "--yes", "--var", "word=bye", cwd=tiny, env=env).returncode == 0
    assert immtf_program("plan", "--var", "word=bye", cwd=tiny, env=env).returncode == 0
    refused = immtf_program("destroy", "--yes", "--confirm", "other", cwd=tiny, env=env)
    assert refused.returncode == 2, "outside of tests the name has to be given"
    assert "--confirm tiny" in refused.stderr
    assert immtf_program("destroy", "--confirm", "tiny", cwd=tiny, env=env).returncode == 0
    assert json.loads((tiny / "terraform.tfstate").read_text())["resources"] == []


@pytest.mark.parametrize("output", ["text", "lines", "json"])
def test_a_secret_is_nowhere(tiny: Path, env: dict[str, str], output: str) -> None:
    """The 2016 script printed secrets: whatever says one, Terraform's own message here, it is masked for people and in the journal."""
    hidden = {**env, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ACCESS_KEY_ID": "AKIA"}
    done = immtf_program("plan", "--output", output, "--var", f"word={SECRET}", cwd=tiny, env=hidden)
    assert done.returncode == 1
    assert "is too long" in "".join(done.stderr.split("\n")) + done.stdout
    assert "•••" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    for path in tiny.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("variable", ["AWS_SESSION_TOKEN", "CONSUL_HTTP_TOKEN", "MY_TOKEN"])
def test_tokens_are_secrets_too(tmp_path: Path, env: dict[str, str], variable: str) -> None:
    """`MY_TOKEN` is one because a gate names it."""
    tiny = make_tiny(tmp_path / "tiny", file=TINY + GATED)
    done = immtf_program("plan", "--output", "json", "--var", f"word={SECRET}", cwd=tiny, env={**env, variable: SECRET})
    assert done.returncode == 1
    assert "•••" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_lease_that_is_held_keeps_changing_commands_out_and_leaves_no_run(tiny: Path, env: dict[str, str]) -> None:
    assert immtf_program("upgrade", "--yes", cwd=tiny, env=env).returncode == 0
    (lease,) = (Path(env["HOME"]) / ".local" / "state" / "immtf" / "leases").iterdir()
    runs = sorted(path.name for path in (tiny / ".immtf" / "runs").iterdir())
    with lease.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.truncate(0)
        held.write('{"run": "another", "command": "upgrade"}')
        held.flush()
        refused = immtf_program("upgrade", "--yes", cwd=tiny, env=env)
        assert refused.returncode == 22
        assert "run another, command upgrade" in refused.stderr
        assert "`immtf status .` shows how far it is" in refused.stderr
        assert sorted(path.name for path in (tiny / ".immtf" / "runs").iterdir()) == runs
        assert immtf_program("plan", cwd=tiny, env=env).returncode == 0, "looking is free"


def test_a_journal_that_can_not_be_written_stops_before_anything(tiny: Path, env: dict[str, str]) -> None:
    (tiny / ".immtf").mkdir()
    (tiny / ".immtf" / "runs").touch()
    done = immtf_program("upgrade", "--yes", cwd=tiny, env=env)
    assert done.returncode == 1
    assert "the journal can't be written" in done.stderr
    assert not (tiny / "terraform.tfstate").exists()


def test_without_terraform_it_says_what_is_missing(tiny: Path, tmp_path: Path) -> None:
    done = immtf_program("plan", cwd=tiny, env=environment(tmp_path))
    assert done.returncode == 1
    assert "terraform" in done.stderr
    assert "Traceback" not in done.stderr
    assert shutil.which("terraform", path=str(tmp_path)) is None


def test_without_a_region_it_says_how_to_set_one(tiny: Path, env: dict[str, str]) -> None:
    done = immtf_program("plan", cwd=tiny, env={key: value for key, value in env.items() if key != "AWS_REGION"})
    assert done.returncode == 1
    assert "set AWS_REGION, or use --lab" in done.stderr
