"""Whose a container, a network, a volume or an image is: everything that a lab makes in Docker carries its labels, and is found by them.

`immtf.lab` names the lab's directory, `immtf.lab.run` the one controller that made the thing. A controller's guard clears what that
controller made; `lab up` and `lab down` clear what any controller left that the directory's note names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LAB = "immtf.lab"
RUN = "immtf.lab.run"
ROLE = "immtf.lab.role"
DIRECTORY = "immtf.lab.directory"
INSTANCE = "immtf.lab.instance"
GUEST, STORE, NETWORK, IMAGE, HELPER = "guest", "store", "network", "image", "helper"
REPOSITORY = "immtf-lab"


@dataclass(frozen=True, slots=True)
class Scope:
    """One controller of one lab; `run` is its own word, of letters and digits."""

    directory: Path
    run: str

    @property
    def name(self) -> str:
        """What the names of its things begin with."""
        return f"immtf-lab-{digest(self.directory)}-{self.run}"

    @property
    def shelf(self) -> str:
        """Where the store has the volumes' files; the kernel tells it of each loop device, so it is no other lab's."""
        return f"/{self.name}"

    @property
    def repository(self) -> str:
        """The repository of its images."""
        return f"{REPOSITORY}/{digest(self.directory)}-{self.run}"

    def labels(self, role: str, **more: str) -> dict[str, str]:
        """Give the labels of a thing in this role."""
        return {LAB: digest(self.directory), RUN: self.run, ROLE: role, DIRECTORY: str(self.directory)} | more

    @property
    def mine(self) -> str:
        """The label by which all that this controller made is found."""
        return f"{RUN}={self.run}"


def of_lab(directory: Path) -> str:
    """Give the label by which all that any controller of a lab made is found."""
    return f"{LAB}={digest(directory)}"


def digest(directory: Path) -> str:
    """Give a short name for a lab's directory."""
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
