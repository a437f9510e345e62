"""F49: a secret goes through a whole life of an environment, and is nowhere afterwards but in the state, which is the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from immtf.adapters.terraform.hcl import sensitive_variables
from tests.unit.cli.program import TINY, environment, immtf_program

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = {"first": "hunter2-of-the-file", "second": 'hunter2 of the "variable"', "third": "hunter2-of-the-environment"}
CONFIGURATION = """
variable "first" { sensitive = true }
variable "second" { sensitive = true }
variable "third" {
  type      = string
  sensitive = true
}
variable "fails" { default = false }
resource "terraform_data" "this" {
  input = "${var.first} ${var.second} ${var.third}"
  lifecycle {
    precondition {
      condition     = !var.fails
      error_message = "Told in spite of all: ${nonsensitive(var.first)}, ${nonsensitive(var.second)}, ${nonsensitive(var.third)}"
    }
  }
}
resource "terraform_data" "slow" {
  input = var.first
  provisioner "local-exec" { command = "sleep 1" }
}
output "all" {
  value     = terraform_data.this.output
  sensitive = true
}
"""
LIMIT_S = 120.0


@pytest.fixture
def block(tmp_path: Path) -> Path:
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "immtf.yaml").write_text(TINY)
    (folder / "main.tf").write_text(CONFIGURATION)
    (tmp_path / "first.json").write_text(json.dumps({"first": WORDS["first"]}))
    return folder


def arguments_of(child: int) -> Iterator[bytes]:
    """Give the command line of every process that works for this one, now."""
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and os.getsid(int(entry.name)) >= child
            yield (entry / "cmdline").read_bytes() if ours else b""
        except OSError:  # it has ended
            continue


@pytest.mark.parametrize("output", ["text", "lines", "json"])
def test_through_a_whole_life(block: Path, terraform: str, output: str) -> None:
    """In no output, journal, report or file that is left, and in no argument of a child."""
    assert sensitive_variables(block) == set(WORDS)
    env = environment(block.parent, IMMTF_TERRAFORM=terraform, PATH="/usr/bin:/bin", TF_VAR_third=WORDS["third"])
    options = ("--var-file", str(block.parent / "first.json"), "--var", f"second={WORDS['second']}", "--output", output)
    said, seen = "", set[bytes]()
    for command in (("plan",), ("upgrade", "--yes"), ("upgrade", "--yes", "--var", "fails=true"), ("destroy", "--confirm", "tiny")):
        child = subprocess.Popen(
            [sys.executable, "-m", "immtf", *command, *options],
            cwd=block,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + LIMIT_S
        while child.poll() is None and time.monotonic() < deadline:
            seen.update(line for line in arguments_of(child.pid) if line)
            time.sleep(0.05)
        said += child.communicate(timeout=10)[0]
    said += immtf_program("report", "last", cwd=block, env=env).stdout
    assert "Told in spite of all: \u2022" in " ".join(said.split()), "masked where Terraform's own message has it"
    assert any(b"terraform\0apply" in line for line in seen), "the children were seen"
    children = [line for line in seen if b"immtf" not in line.split(b"\0")[:3]]
    kept = [path for path in block.rglob("*") if path.is_file() and ".tfstate" not in path.name and path.name != "main.tf"]
    assert kept
    for word in WORDS.values():
        escaped = json.dumps(word)[1:-1]
        assert word not in said
        assert escaped not in said
        assert [line for line in children if word.encode() in line] == []
        assert [path for path in kept if word in path.read_text(errors="replace") or escaped in path.read_text(errors="replace")] == []
    assert [path for path in block.rglob("scratch/*") if path.is_file()] == [], "plans are removed at the end"
