"""`immtf checks`, and what `--allow` and `--reason` do to a command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from immtf.cli.options import Options
from immtf.plan.checks import GATES, RULES
from tests.unit.cli.program import TINY, immtf_program, make_tiny

if TYPE_CHECKING:
    from pathlib import Path

GATED = """\
clusters:
  server:
    nodes: module.server
    volumes: { data: { mount: /data } }
    gates: [mounted, { http: { url: "http://{address}:8080/" } }]
"""


def test_the_checks_of_immtf_and_those_of_a_block(tmp_path: Path) -> None:
    make_tiny(tmp_path / "tiny", file=TINY + GATED)
    done = immtf_program("checks", "--output", "json", cwd=tmp_path)
    assert [row["id"] for row in json.loads(done.stdout)] == [check.id for check in (*RULES, *GATES)]
    done = immtf_program("checks", "tiny", "--output", "lines", cwd=tmp_path)
    assert [line.split(":")[0] for line in done.stdout.splitlines()][-2:] == ["mounted hard", "http"]
    assert "http:8080 --allow: a page of the node answers" in done.stdout
    shown = immtf_program("checks", "tiny", cwd=tmp_path)
    assert (shown.returncode, "volume-deleted" in shown.stdout, "http:8080" in shown.stdout, shown.stderr) == (0, True, True, "")


@pytest.mark.parametrize("command", ["upgrade", "create", "plan", "test-upgrade", "rollback"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--allow", "htp:8080", "--reason", "x"), "did you mean `http:8080`?"),
        (("--allow", "http", "--reason", "x"), "did you mean `http:8080`?"),
        (("--allow", "mounted", "--reason", "x"), "`mounted` is a hard rule"),
        (("--allow", "volume-deleted", "--reason", "x"), "`volume-deleted` is a hard rule"),
        (("--allow", "http:8080"), "--allow needs a reason"),
        (("--allow", "http:8080", "--reason", " "), "--allow needs a reason"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "-",
)
def test_an_override_that_can_not_be_is_a_mistake_of_usage(tmp_path: Path, command: str, given: tuple[str, ...], told: str) -> None:
    make_tiny(tmp_path / "tiny", file=TINY + GATED)
    more = ["--node", "server/a"] if command == "rollback" else ["--yes"] if command != "plan" else []
    done = immtf_program(command, "tiny", *given, *more, cwd=tmp_path)
    assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
    assert not (tmp_path / ".immtf").exists()


def test_the_command_that_goes_on_has_the_overrides_too(tmp_path: Path) -> None:
    options = Options(block=tmp_path / "b", allow=("http:8080", "shared-change"), reason="it's new")
    assert options.again("upgrade").endswith("""b --allow=http:8080 --allow=shared-change '--reason=it'"'"'s new'""")
    assert "--reason" not in Options(block=tmp_path, reason="of nothing").again("upgrade")


def test_an_override_is_in_the_journal_with_its_reason(tiny: Path, env: dict[str, str]) -> None:
    """From the command line to the journal, with the real Terraform: refused, then let pass by name."""
    (tiny / "main.tf").write_text('variable "word" {}\nresource "terraform_data" "this" { triggers_replace = var.word }\n')
    assert immtf_program("create", "--yes", "--var", "word=a", cwd=tiny, env=env).returncode == 0
    refused = immtf_program("create", "--yes", "--var", "word=b", cwd=tiny, env=env)
    assert (refused.returncode, "[create-destroys]" in refused.stderr, "--allow=create-destroys" in refused.stderr) == (24, True, True)
    allowed = ("--allow", "create-destroys", "--reason", "it was cut off")
    done = immtf_program("create", "--yes", "--var", "word=b", "--output", "lines", *allowed, cwd=tiny, env=env)
    assert done.returncode == 0, done.stderr
    assert "create-destroys overridden: terraform_data.this would be taken away; let pass by --allow: it was cut off" in done.stderr
    told = [json.loads(line) for path in tiny.rglob("journal.jsonl") for line in path.read_text().splitlines()]
    (event,) = (event for event in told if event["event"] == "check_overridden")
    assert (event["check"], event["reason"]) == ("create-destroys", "it was cut off")
