"""One running guest, seen from outside: its init's process, the console to it, and the thread that listens.

The console is what ties the guest to the controller: the kernel closes this end when the controller dies, however it
dies, and the init then kills everything. The other way round, the console's end tells the listening thread that the init is
gone; the thread then kills what the guest may have left and only after that counts the guest as ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

import immtf
from immtf.lab.guest.home import INSTANCE_MARK, LAB_MARK
from immtf.lab.guest.init import LARGEST_MESSAGE
from immtf.lab.guest.processes import descendants, in_session, kill_until_gone, marked
from immtf.lab.process.trees import remove_tree
from immtf.lab.runtime import Executed, RuntimeFailed

if TYPE_CHECKING:
    from immtf.lab.guest.home import Home

GUEST = (
    sys.executable,
    "-I",
    "-S",
    "-c",
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from immtf.lab.guest.__main__ import main; sys.exit(main(sys.argv[1], sys.argv[2:]))",
    str(Path(immtf.__file__).parent.parent),
)
"""The command that runs a program of the guest's package: without site-packages, which takes half the time and memory."""

READY_LIMIT_S = 15.0
ANSWER_MARGIN_S = 5.0
LARGEST_OUTPUT = 1 << 20


@dataclass(slots=True)
class _Pending:
    """A command whose end hasn't been told yet; `code` is None when the guest ended first."""

    done: Event
    code: int | None = None


class Machine:
    """A guest from its boot to its end."""

    def __init__(self, home: Home, marks: dict[str, str], path: str, log: Path) -> None:
        """Start the init and wait until it runs; it doesn't: `RuntimeFailed`."""
        self._home = home
        self._marks = ((LAB_MARK, marks[LAB_MARK]), (INSTANCE_MARK, marks[INSTANCE_MARK]))
        self._log = log
        self._pending: dict[str, _Pending] = {}
        self._lock = Lock()
        self._numbers = count(1)
        self._ready, self._ended = Event(), Event()
        self._console, self._process = self._start({**marks, **_environment(home, path)})
        Thread(target=self._listen, name=f"console of {home.path.name}", daemon=True).start()
        if not self._ready.wait(READY_LIMIT_S) or not self.alive:
            self.kill()
            raise RuntimeFailed(f"{home.path.name} did not boot; see {log}")

    def _start(self, environment: dict[str, str]) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._log.open("ab") as log:
            process = subprocess.Popen(
                [*GUEST, "init", str(self._home.path), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home.root,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return ours, process

    @property
    def pid(self) -> int:
        """The init's pid."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the init lives."""
        return self._process.poll() is None and not self._ended.is_set()

    def stop(self, patience_s: float) -> None:
        """Ask for an orderly end and wait for it; one that takes longer than `patience_s` is made."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        if not self._ended.wait(patience_s):
            self.kill()

    def kill(self) -> None:
        """End everything at once, as a power cut does. What can't be killed: `RuntimeFailed`.

        The console is cut first, upon which the init kills and reaps all that it has; one that can't is killed from here.
        """
        with suppress(OSError):
            self._console.shutdown(socket.SHUT_RDWR)
        if not self._ended.wait(ANSWER_MARGIN_S) and self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)  # or it would start again what is killed below it
            kill_until_gone(lambda: descendants(self.pid), time.sleep)
            self._process.kill()
        if not self._ended.wait(READY_LIMIT_S):
            raise RuntimeFailed(f"{self._home.path.name}: processes of the guest can't be killed")

    def run(self, script: str, timeout_s: float) -> Executed:
        """Carry out a script in the guest; the guest ends meanwhile: `RuntimeFailed`."""
        name = f"job-{next(self._numbers)}"
        folder = self._home.jobs / name
        folder.mkdir()
        (folder / "script").write_text(script, encoding="utf-8")
        try:
            code = self._ask(name, folder / "script", timeout_s)
            return Executed(code, _output(folder / "stdout"), _output(folder / "stderr"))
        finally:
            remove_tree(folder)

    def wake(self) -> None:
        """Let the init look at once at what was attached or detached; it would see it by itself a little later."""
        with suppress(OSError):
            self._console.send(json.dumps({"look": True}).encode())

    def _ask(self, name: str, script: Path, timeout_s: float) -> int:
        pending = _Pending(Event())
        with self._lock:
            if self._ended.is_set():
                raise RuntimeFailed(f"{self._home.path.name} is not running")
            self._pending[name] = pending
        message = {"run": name, "script": str(script), "timeout_s": timeout_s}
        with suppress(OSError):  # a guest that has just ended is told by the listening thread
            self._console.send(json.dumps(message).encode())
        if not pending.done.wait(timeout_s + ANSWER_MARGIN_S) or pending.code is None:
            raise RuntimeFailed(f"{self._home.path.name} gave no answer to a command: it was stopped or hangs")
        return pending.code

    def _listen(self) -> None:
        while message := self._receive():
            if "ready" in message:
                self._ready.set()
            elif pending := self._pending.pop(message["ended"], None):
                pending.code = message["code"]
                pending.done.set()
        self._clean_up()

    def _receive(self) -> dict[str, Any]:
        try:
            data = self._console.recv(LARGEST_MESSAGE)
        except OSError:
            return {}
        return dict(json.loads(data)) if data else {}

    def _clean_up(self) -> None:
        """Make sure, as the init is gone or going, that it is, and that nothing of the guest is left."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ANSWER_MARGIN_S * 2)
        kill_until_gone(lambda: marked(*self._marks) | in_session(self.pid), time.sleep)
        self._process.wait(ANSWER_MARGIN_S)
        self._console.close()
        with self._lock:
            self._ended.set()
            for pending in self._pending.values():
                pending.done.set()
            self._pending.clear()
        self._ready.set()


def _environment(home: Home, path: str) -> dict[str, str]:
    """Give all that programs in the guest find in their environment, besides the marks."""
    return {
        "PATH": os.pathsep.join([str(home.bin), path]),
        "HOME": str(home.root),
        "TMPDIR": str(home.root / "tmp"),
        "LANG": "C.UTF-8",
        "IMMTF_ROOT": str(home.root),
    }


def _output(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_OUTPUT).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
