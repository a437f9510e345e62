"""Blocks that need no cloud, beside each other: resources of Terraform's own, each publishing what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REQUIRES = {"base": (), "consul": ("base",), "other": ("base",), "service": ("base", "consul")}
HCL = """\
variable "word" {
  type    = string
  default = "hello"
}
resource "terraform_data" "this" { input = var.word }
output "block" {
  value = { name = "NAME", version = "VERSION", requires = { REQUIRES } }
}
"""


def make_block(folder: Path, name: str, requires: Mapping[str, str], *, version: str = "1.0.0", more: str = "") -> None:
    """Write a block that needs no cloud and publishes what it is."""
    directory = folder / name
    directory.mkdir(parents=True, exist_ok=True)
    needs = "".join(f'  {need}: "{text}"\n' for need, text in requires.items())
    (directory / "immtf.yaml").write_text(f"block: {name}\nversion: {version}\nterraform: .\n" + (f"requires:\n{needs}" if needs else ""))
    told = ", ".join(f'{need} = "{text}"' for need, text in requires.items())
    (directory / "main.tf").write_text(HCL.replace("NAME", name).replace("VERSION", version).replace("REQUIRES", told) + more)


def make_infrastructure(folder: Path) -> Path:
    """Write four blocks that need each other."""
    for name, requires in REQUIRES.items():
        make_block(folder, name, dict.fromkeys(requires, "~> 1.0"))
    return folder
