"""The program as a user calls it: a process of its own, with an environment that holds nothing but what a test gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import immtf

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S = 120.0
SOURCE = Path(immtf.__file__).parents[1]
TINY = """\
block: tiny
version: 1.0.0
terraform: .
"""
WORD = """\
variable "word" {
  type    = string
  default = "hello"
  validation {
    condition     = length(var.word) < 10
    error_message = "The word ${var.word} is too long."
  }
}
resource "terraform_data" "this" { input = var.word }
output "word" { value = var.word }
"""


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment without any tool on PATH, and with nothing of this machine's user."""
    return {"PATH": str(home / "nowhere"), "HOME": str(home), "PYTHONPATH": str(SOURCE), "AWS_REGION": "eu-west-1", "TERM": "dumb", **more}


def immtf_program(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, input_text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program to its end; without a text its input is empty, and no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "immtf", *arguments],
        cwd=cwd,
        env=dict(env) if env is not None else environment(cwd),
        input=input_text if input_text is not None else "",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def make_tiny(folder: Path, *, file: str = TINY) -> Path:
    """Write a block that needs no cloud: one resource of Terraform's own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "immtf.yaml").write_text(file)
    (folder / "main.tf").write_text(WORD)
    return folder
