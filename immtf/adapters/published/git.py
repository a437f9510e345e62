"""A local git repository, asked through the `git` program and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.process import Command, capture, follow
from immtf.errors import ImmtfError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S = 120.0
# What a hook's git sets for its own repository.
_ANOTHERS = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX"}
)


class Repository:
    """The repository of a directory. Raises `UsageError` where there is none."""

    def __init__(self, directory: str, environment: Mapping[str, str]) -> None:
        """See that there is one."""
        self.directory = Path(directory)
        self._environment = {name: value for name, value in environment.items() if name not in _ANOTHERS} | {"LC_ALL": "C"}
        if not self.directory.is_dir():
            raise UsageError("there is no such directory", where=f"git:{directory}", next="name the directory of a git repository: git:DIR")
        self.ask("rev-parse", "--git-dir")

    def ask(self, *arguments: str) -> str:
        """Return what git answers. Raises `UsageError` with its own words."""
        done = capture(self._command(arguments))
        if done.exit_code != 0:
            raise UsageError(
                f"git {arguments[0]} failed: {done.stderr.strip()}", where=f"git:{self.directory}", next="name a git repository"
            )
        return done.stdout

    def write(self, into: Path, *arguments: str) -> None:
        """Have what git answers in a file, byte by byte. Raises `ImmtfError` with its own words."""
        errors = into.with_name(f"{into.name}.errors")
        done = follow(self._command(arguments), stdout=into, stderr=errors)
        said = errors.read_text(errors="replace").strip()
        errors.unlink()
        if done.exit_code != 0 or done.late:
            raise ImmtfError(f"git {arguments[0]} failed: {said}", where=f"git:{self.directory}")

    def _command(self, arguments: tuple[str, ...]) -> Command:
        return Command(argv=("git", *arguments), cwd=self.directory, environment=self._environment, limit_s=LIMIT_S)
