"""What other blocks publish, read from their states, in whatever backend they are.

Terraform itself reads them, so that every kind of backend will do: in a directory of its own that holds a backend's settings and nothing
else, and no provider is needed. The directory is private and removed afterwards, for both the settings and a state may hold secrets;
what a killed run left of one is removed by the next. A state that can't be read raises: it is never taken for one that isn't there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.adapters.process import Command, follow
from immtf.adapters.terraform import argv
from immtf.adapters.terraform.diagnostics import from_text
from immtf.adapters.terraform.environment import child_environment
from immtf.adapters.terraform.failures import Ended, failure
from immtf.errors import ImmtfError, Interrupted, UsageError
from immtf.plan.outputs import parse_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from immtf.model.environment import Backend
    from immtf.model.outputs import Outputs

FILE = "main.tf.json"
_PREFIX = "state-"
_TAIL = 2000  # characters of output shown where Terraform gave no diagnostic
_OF_ANOTHER_MODULE = ("TF_DATA_DIR", "TF_WORKSPACE")  # where a root module keeps its things, and which of its states is meant
_USER = re.compile(r"//[^/@]*@")
_PLACES = ("bucket", "key", "path", "address", "container_name", "prefix", "hostname", "organization")  # settings that say where it is


@dataclass(frozen=True, kw_only=True)
class StateReader:
    """Reads states with a Terraform program; may be used from several threads.

    `environment` is complete. `scratch` is a directory for files that hold secrets. `interrupted` is asked while Terraform runs: the
    first true ends it. `limit_s` bounds each of the two runs that a reading takes.
    """

    binary: str
    environment: Mapping[str, str]
    scratch: Path
    interrupted: Callable[[], bool] = lambda: False
    limit_s: float = 120.0
    patience_s: float = 10.0

    def read(self, block: str, backend: Backend) -> Outputs:
        """Return what a block's state tells. Raises `ImmtfError` where it can't be read, `ToolMissing` without the program."""
        where = place_of(block, backend)
        self._refuse_workspace()
        if backend.kind == "local":
            _refuse_file(backend.config.get("path"), where)
        with _directory(self.scratch) as root:
            document = {"terraform": {"backend": {backend.kind: literal(dict(backend.config))}}}
            _write(root / FILE, json.dumps(document))
            try:
                self._run(root, argv.init(upgrade=False, lock_s=0))
                said = self._run(root, argv.state_pull())
            except ImmtfError as error:
                error.what = f"can't be read: {error.what.replace(str(root), '.')}"
                error.where = where
                raise
        return parse_outputs(block, where, said)

    def _refuse_workspace(self) -> None:
        """Refuse a workspace: a definition's states are told apart by their places, and with one this would be yet another."""
        if self.environment.get("TF_WORKSPACE", "default") not in {"", "default"}:
            raise UsageError(
                "TF_WORKSPACE is set, and the states of an environment are those of the default workspace", next="unset TF_WORKSPACE"
            )

    def _run(self, root: Path, arguments: tuple[str, ...]) -> str:
        """Run one command to its end and return its output."""
        given, _ = child_environment(self.environment)
        environment = {name: value for name, value in given.items() if name not in _OF_ANOTHER_MODULE}
        stdout, stderr = root / "stdout", root / "stderr"
        finished = follow(
            Command(
                argv=(self.binary, *arguments),
                cwd=root,
                environment=environment,
                limit_s=self.limit_s,
                patience_s=self.patience_s,
                whole_group=True,
            ),
            stdout=stdout,
            stderr=stderr,
            interrupted=self.interrupted,
        )
        said, errors = stdout.read_text(errors="replace"), stderr.read_text(errors="replace")
        if finished.exit_code == 0 and not finished.late:
            return said
        found, command = from_text(errors), " ".join(arguments[: 2 if arguments[0] == "state" else 1])
        # The output of `state pull` is the state: what it has said is never shown.
        tail = (errors or ("" if arguments[0] == "state" else said))[-_TAIL:]
        error = failure(Ended(Path(self.binary).name, command, root, finished, self.limit_s, found, tail))
        raise (
            error if not isinstance(error, Interrupted) else Interrupted(error.what, next="`immtf again` begins anew: nothing was touched")
        )


def place_of(block: str, backend: Backend) -> str:
    """Return in words where a block's state is: its backend and the settings that lead there, none that may be secret."""
    texts = [str(backend.config[name]) for name in _PLACES if isinstance(backend.config.get(name), str)]
    found = [_USER.sub("//", text).partition("?")[0] for text in texts]
    return f"the state of block {block} ({' '.join([backend.kind, '/'.join(found)]).strip()})"


def literal(value: Any) -> Any:
    """Return a value as it stands in Terraform's JSON, in which `${` and `%{` would begin an expression."""
    match value:
        case str():
            return value.replace("${", "$${").replace("%{", "%%{")
        case dict():
            return {name: literal(item) for name, item in value.items()}
        case list() | tuple():
            return [literal(item) for item in value]
        case _:
            return value


def _refuse_file(path: object, where: str) -> None:
    """Refuse a path that would be another one in every directory, and a file that a killed apply left without a word in it."""
    if not (isinstance(path, str) and Path(path).is_absolute()):
        raise UsageError("has a path that is not absolute, so nobody knows which is meant", where=where, next="write the whole path")
    file = Path(path)
    if file.is_file() and file.stat().st_size == 0:
        raise ImmtfError(
            "is an empty file: an apply was killed in it", where=where, next="`immtf upgrade` on that block says what can be done"
        )


@contextmanager
def _directory(scratch: Path) -> Iterator[Path]:
    """Make a private directory, and remove it with all that is in it; those of processes that are gone are removed too."""
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in scratch.glob(f"{_PREFIX}*-*"):
        if not Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=scratch))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as to:
        to.write(text)
