"""The Terraform files of this repository as text: blocks of formatted HCL begin at the margin and end at the next closing brace there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2] / "terraform"
SWAP = ROOT / "blocks/consul/swap"
MODULES = sorted(path.parent for path in [*ROOT.glob("*/*/versions.tf"), SWAP / "versions.tf"])
BLOCKS = [path for path in MODULES if path.parent.name == "blocks"]

_BLOCK = re.compile(r'^(?P<kind>\w+)(?: "(?P<first>[^"]+)")?(?: "(?P<second>[^"]+)")? \{\n(?P<body>.*?)^\}', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """One block of HCL: its kind, its labels and its lines without comments."""

    kind: str
    labels: tuple[str, ...]
    body: str


def parts(directory: Path) -> list[Part]:
    """Read all blocks of a module."""
    text = "\n".join(path.read_text() for path in sorted(directory.glob("*.tf")))
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    return [Part(m["kind"], tuple(label for label in (m["first"], m["second"]) if label), m["body"]) for m in _BLOCK.finditer(text)]
