"""Containers of immtf's image, each under a name of its own and gone when its test is."""

from __future__ import annotations

import subprocess
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.rehearsal import copied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT_S = 240.0
NO_NETWORK = ("--network", "none")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float


def run(image: str, *words: str, options: tuple[str, ...] = (), limit_s: float = LIMIT_S) -> Ended:
    """Run a container to its end. It is removed, also where the limit (in seconds) is over."""
    with _named() as name:
        start = time.monotonic()
        done = subprocess.run(
            ["docker", "run", "--rm", "--name", name, *options, image, *words],
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


@dataclass(frozen=True, slots=True)
class Running:
    """A container that was started in the background."""

    name: str

    def until(self, text: str, limit_s: float = LIMIT_S) -> str:
        """Wait until its output holds a text and return all of it; a container that ends before fails the test."""
        end = time.monotonic() + limit_s
        while text not in (told := self.told()):
            assert time.monotonic() < end, f"{text!r} was not told in {limit_s:g} s:\n{told}"
            assert self._ask("inspect", "--format", "{{.State.Running}}") == "true", f"ended before {text!r}:\n{self.told()}"
            time.sleep(0.3)
        return told

    def told(self) -> str:
        """Return its output so far."""
        done = subprocess.run(["docker", "logs", self.name], capture_output=True, text=True, timeout=LIMIT_S, check=True)
        return done.stdout + done.stderr

    def stop(self, patience_s: int) -> int:
        """Have the engine stop it as `docker stop` does; return its exit code."""
        self._ask("stop", "--time", str(patience_s), limit_s=patience_s + 60)
        return int(self._ask("inspect", "--format", "{{.State.ExitCode}}"))

    def _ask(self, *words: str, limit_s: float = LIMIT_S) -> str:
        done = subprocess.run(["docker", *words, self.name], capture_output=True, text=True, timeout=limit_s, check=True)
        return done.stdout.strip()


@contextmanager
def started(image: str, *words: str, options: tuple[str, ...] = ()) -> Iterator[Running]:
    """Start a container in the background; it is removed at the end, whatever it does."""
    with _named() as name:
        subprocess.run(
            ["docker", "run", "--detach", "--name", name, *options, image, *words], capture_output=True, timeout=LIMIT_S, check=True
        )
        yield Running(name)


def terraform_tree(folder: Path) -> Path:
    """Copy the repository's Terraform files to where any user may write, the block consul as one that needs no other; return their top."""
    top = folder / "terraform"
    copied(top, alone=True)
    subprocess.run(["chmod", "-R", "a+rwX", str(folder)], timeout=LIMIT_S, check=True)
    for parent in (folder, *folder.parents):  # pytest's directories are the user's alone
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return top


@contextmanager
def _named() -> Iterator[str]:
    name = f"immtf-test-{uuid.uuid4().hex[:12]}"
    try:
        yield name
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, timeout=LIMIT_S, check=False)
