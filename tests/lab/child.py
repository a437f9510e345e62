"""The program as a child process: its journal is read as it grows, and it can be killed or interrupted at any event of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab.guest.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOK_S = 0.02
FOREIGN = ("AWS_", "IMMTF_", "TF_", "CONSUL_", "COV_", "COVERAGE_", "PYTEST_")
KEPT = frozenset({"IMMTF_TERRAFORM", "IMMTF_CONSUL", "TF_PLUGIN_CACHE_DIR", "TF_CLI_CONFIG_FILE"})
"""Where this machine's tools are may be said by the environment; what they do may not."""


def environment(repository: Path) -> dict[str, str]:
    """Return what the program finds in its environment: this machine's tools, this checkout, and nothing that changes a run."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(FOREIGN)}
    return kept | {"PYTHONPATH": str(repository), "AWS_EC2_METADATA_DISABLED": "true"}


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative for a signal), what it said, and the events of its journal."""

    command: Sequence[str]
    exit_code: int
    stdout: str
    stderr: str
    events: list[dict[str, Any]]

    def expect(self, exit_code: int) -> Ended:
        """See that it ended so; if not, show why."""
        said = [event for event in self.events if event["event"] in {"noted", "run_halted", "run_finished"}][-5:]
        shown = "\n".join([*map(json.dumps, said), self.stderr[-3000:]])
        assert self.exit_code == exit_code, f"{' '.join(self.command)} ended with {self.exit_code}, not {exit_code}:\n{shown}"
        return self

    def of(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """Return the events with this name and these fields."""
        return [event for event in self.events if event["event"] == name and fields.items() <= event.items()]

    def one(self, name: str, **fields: Any) -> dict[str, Any]:
        """Return the only such event."""
        found = self.of(name, **fields)
        assert len(found) == 1, f"{len(found)} events {name} {fields}"
        return found[0]

    @property
    def last(self) -> dict[str, Any]:
        """The last event: how the run ended, with its figures."""
        return self.events[-1]


class Child:
    """A command at work, in a session of its own."""

    def __init__(self, argv: Sequence[str], directory: Path, runs: Path, variables: dict[str, str]) -> None:
        """Start it; its output goes to files in `directory`, its input is closed."""
        self._argv = argv
        self._runs = runs
        self._before = set(runs.glob("*"))
        self._journal: Path | None = None
        self._read = 0
        self.events: list[dict[str, Any]] = []
        base = directory / f"{time.time_ns()}-{argv[3]}"
        self._stdout, self._stderr = base.with_suffix(".stdout"), base.with_suffix(".stderr")
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=directory, env=variables, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process, which all that it starts descends from."""
        return self._process.pid

    def until(self, point: Callable[[dict[str, Any]], bool], limit_s: float) -> dict[str, Any]:
        """Wait for the first event, from now on, for which `point` holds, and return it."""
        deadline = time.monotonic() + limit_s
        while True:
            over = self._process.poll() is not None
            for event in self._new_events():
                if point(event):
                    return event
            assert not over, f"it ended with {self._process.returncode} before that:\n{self._stderr.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"that did not come within {limit_s:g} s"
            time.sleep(LOOK_S)

    def kill(self, *, tree: bool = False) -> None:
        """SIGKILL it where it still runs; with `tree`, all that it started and that hasn't left it, in the same moment."""
        if self._process.poll() is not None:
            return
        for pid in [self._process.pid, *(descendants(self._process.pid) if tree else ())]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def kill_terraform(self) -> None:
        """SIGKILL the Terraform that it started, with its provider, and let it go on itself."""
        for pid in descendants(self._process.pid):
            with suppress(ProcessLookupError, FileNotFoundError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("terraform"):
                    os.kill(pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Send it one SIGINT, as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def ended(self, limit_s: float) -> Ended:
        """Wait for its end."""
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill(tree=True)
            raise AssertionError(f"{' '.join(self._argv)} did not end within {limit_s:g} s: {self._stderr.read_text()[-3000:]}") from None
        self._new_events()
        return Ended(self._argv[3:], code, self._stdout.read_text(), self._stderr.read_text(), self.events)

    def _new_events(self) -> list[dict[str, Any]]:
        if self._journal is None:
            known = self._before
            new_runs = sorted(path for path in self._runs.glob("*/journal.jsonl") if path.parent not in known)
            self._journal = new_runs[0] if new_runs else None  # the first: a container that it runs has a later one
        if self._journal is None:
            return []
        with self._journal.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0] + b"\n"
        if whole == b"\n":
            return []
        self._read += len(whole)
        new = [json.loads(line) for line in whole.splitlines()]
        self.events += new
        return new


def running_in(directory: Path) -> list[str]:
    """Return the processes on this machine that have to do with a directory: by command line, environment or working directory."""
    name, found = str(directory).encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) == os.getpid() or (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z":
                continue
            command = (entry / "cmdline").read_bytes()
            if name in command or name in (entry / "environ").read_bytes() or bytes((entry / "cwd").readlink()).startswith(name):
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found
