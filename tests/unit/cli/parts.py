"""Blocks that need each other and no cloud, and that publish what they are and require."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.cli.program import make_tiny

if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = """\
output "block" {
  value = { name = "NAME", version = "VERSION", requires = REQUIRES }
}
"""


def make_part(folder: Path, name: str, requires: str = "{}", version: str = "1.0.0") -> None:
    make_tiny(folder / name, file=f"block: {name}\nversion: {version}\nrequires: {requires}\n")
    published = requires.replace(":", " =")
    (folder / name / "outputs.tf").write_text(OUTPUT.replace("NAME", name).replace("VERSION", version).replace("REQUIRES", published))
