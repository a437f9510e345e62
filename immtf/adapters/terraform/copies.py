"""Copies of a state that is kept elsewhere, one from before each apply, for the person who has to repair it.

A state on this machine has its copy beside it (`localstate`). These lie in the scratch directory's `states/`, mode 0600 since states
hold secrets, only the newest few of each root module, and none of them any more once a run has ended well.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 3


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one root module's state in one workspace ("" is the default one)."""

    scratch: Path
    root: Path
    workspace: str = ""

    def keep(self, text: str, serial: int) -> Path:
        """Write a copy and remove those beyond the newest few; return where it is."""
        path = self._write(f"{self._key}-{serial}.tfstate", text)
        for old in self._all()[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def keep_unsaved(self, text: str) -> Path:
        """Keep a second copy of a state that could not be saved: the first one is in the root module, which in a container goes with it."""
        return self._write(self._unsaved.name, text)

    def forget_unsaved(self) -> None:
        """Remove that copy, once the state is where it belongs. May be repeated."""
        self._unsaved.unlink(missing_ok=True)

    def newest(self) -> str:
        """Return the copy from before the last apply; "" where there is none."""
        return next((path.read_text(errors="replace") for path in self._all()), "")

    def remove(self) -> None:
        """Remove all of them, those of earlier runs too. May be repeated."""
        for path in self._all():
            path.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / name
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as to:
            to.write(text)
        return path

    @property
    def _unsaved(self) -> Path:
        return self._directory / f"unsaved-{self._key}.tfstate"

    @property
    def _directory(self) -> Path:
        return self.scratch / "states"

    @property
    def _key(self) -> str:
        return hashlib.sha256(f"{self.root}\0{self.workspace}".encode()).hexdigest()[:12]

    def _all(self) -> list[Path]:
        """Return the copies, the newest first."""
        return sorted(self._directory.glob(f"{self._key}-*.tfstate"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
