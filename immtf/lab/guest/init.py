"""The guest's first process: one loop, one thread.

It runs user data (once in the instance's life), brings the guest up, carries out commands that come over the console, and
writes how things stand into the status file whenever that changes. SIGTERM brings the guest down in order. The console is a
socket whose other end the lab's controller holds: its end means that the machine this guest runs on is gone, so everything is
killed at once, as a power cut would.

Messages, one object each: `{"run": name, "script": path, "timeout_s": n}` comes in, and `{"look": true}`, which only wakes the loop because
a device or an interface came or goes; `{"ready": true}` and `{"ended": name, "code": n}` go out.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immtf.lab.guest import children
from immtf.lab.guest.boot import BOOT_FILE, BootInvalid, BootPlan, read_boot
from immtf.lab.guest.home import Home, read_json, write_json
from immtf.lab.guest.interfaces import Interfaces
from immtf.lab.guest.jobs import NOT_STARTED, STOPPED, Jobs
from immtf.lab.guest.journal import Journal
from immtf.lab.guest.keeper import Keeper
from immtf.lab.guest.processes import descendants, kill_until_gone
from immtf.lab.guest.userdata import UserDataInvalid, read_user_data, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USER_DATA = "user-data"
USER_DATA_LIMIT_S = 300.0
LARGEST_MESSAGE = 65536


class Init:
    """The loop and what it holds."""

    def __init__(self, home: Home, console: socket.socket, journal: Journal, clock: Callable[[], float]) -> None:
        """Serve the instance in `home`; `clock` is monotonic, in seconds."""
        self._home = home
        self._console = console
        self._journal = journal
        self._clock = clock
        self._jobs = Jobs(home.root)
        self._interfaces = Interfaces(home)
        self._keeper: Keeper | None = None
        self._trouble: dict[str, str] = {}
        self._stopping = False
        self._written: dict[str, Any] = {}

    def run(self) -> int:
        """Bring the guest up, serve it, bring it down; the exit code is 0 after an end in order."""
        woken = self._take_signals()
        self._journal.say("init", f"booting, pid {os.getpid()}")
        self._begin_user_data()
        said_ready = False
        while True:
            if self._advance(self._clock()):
                self._journal.say("init", "powered off")
                return 0
            self._write_status()
            if not said_ready:
                self._tell({"ready": True})
                said_ready = True
            if not self._wait(woken):
                self._journal.say("init", "the console is gone: power off")
                return 1
            self._reap()

    def _take_signals(self) -> int:
        reader, writer = os.pipe()
        for end in (reader, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        children.adopt_orphans()
        return reader

    def _on_term(self, *_: object) -> None:
        self._stopping = True

    def _wait(self, woken: int) -> bool:
        """Sleep until something happens and take it in; False when the console is gone."""
        now = self._clock()
        limits = [self._keeper.pause(now) if self._keeper else 0.5]
        if (deadline := self._jobs.next_deadline()) is not None:
            limits.append(max(0.0, deadline - now))
        console = self._console.fileno()
        ready, _, _ = select.select([woken, console, *self._journal.readers], [], [], min(limits))
        for source in ready:
            if source == console:
                if not self._take_message():
                    return False
            elif source == woken:
                os.read(woken, 4096)
            else:
                self._journal.read(source)
        return True

    def _take_message(self) -> bool:
        try:
            data = self._console.recv(LARGEST_MESSAGE)
        except OSError:
            data = b""
        message = json.loads(data or b"{}")
        if "run" in message and not self._stopping:
            try:
                self._jobs.start(message["run"], Path(message["script"]), self._clock() + message["timeout_s"])
            except OSError as error:
                self._journal.say("init", f"a command can't be started: {error}")
                self._tell({"ended": message["run"], "code": NOT_STARTED})
        return bool(data)

    def _tell(self, message: dict[str, Any]) -> None:
        with suppress(OSError):  # the controller is gone: the next wait sees it
            self._console.send(json.dumps(message).encode())

    def _begin_user_data(self) -> None:
        if self._home.started_once.exists():
            return
        self._home.started_once.touch()
        try:
            data = read_user_data(self._home.user_data.read_bytes())
            write_files(data.files, self._home.guest_path)
        except (UserDataInvalid, OSError, ValueError) as error:
            self._trouble[USER_DATA] = "failed"
            self._journal.say(USER_DATA, f"failed: {error}")
            return
        if data.script is not None:
            script = self._home.jobs / USER_DATA
            script.write_text(data.script, encoding="utf-8")
            reader, writer = self._journal.open(USER_DATA)
            del reader  # the journal knows it
            self._jobs.start(USER_DATA, script, self._clock() + USER_DATA_LIMIT_S, output=writer)
            os.close(writer)
            self._trouble[USER_DATA] = "running"

    def _reap(self) -> None:
        for pid, code in children.ended().items():
            job = self._jobs.ended(pid, code)
            if job is None:
                if self._keeper is not None:
                    self._keeper.ended(pid, code, self._clock())
            elif job[0] == USER_DATA:
                del self._trouble[USER_DATA]
                if job[1]:
                    self._trouble[USER_DATA] = "failed"
                self._journal.say("init", f"user data ended with {job[1]}")
            else:
                self._tell({"ended": job[0], "code": job[1]})

    def _advance(self, now: float) -> bool:
        """Do what is due; True when the guest is down."""
        self._jobs.end_overdue(now)
        self._interfaces.look()
        if self._stopping:
            return self._go_down(now)
        if self._trouble.get(USER_DATA) != "running":
            if self._keeper is None:
                self._keeper = self._make_keeper()
            self._keeper.tend(now)
        else:
            self._interfaces.let_go()  # nothing runs that could need one
        return False

    def _make_keeper(self) -> Keeper:
        instance = read_json(self._home.instance)
        values = {"root": str(self._home.root), "address": instance["address"], "instance_id": instance["instance_id"]}
        boot = self._home.root / BOOT_FILE
        try:
            plan = read_boot(boot.read_text(encoding="utf-8")) if boot.exists() else BootPlan()
        except BootInvalid as error:
            self._journal.say("init", f"/{BOOT_FILE}: {error}")
            self._trouble["boot"] = "failed"
            plan = BootPlan()
        return Keeper(self._home, plan, values, self._interfaces, self._journal)

    def _go_down(self, now: float) -> bool:
        for name in self._jobs.end_all():
            self._tell({"ended": name, "code": STOPPED})
        if self._keeper is not None and not self._keeper.stop(now):
            return False
        power_off()
        if self._keeper is not None:
            self._keeper.unmount()
        return True

    def _write_status(self) -> None:
        status = self._keeper.status() if self._keeper else {"mounts": [], "services": {}, "pids": {}}
        status["services"] = {**self._trouble, **status["services"]}
        status["interfaces"] = self._interfaces.status()
        status["pid"] = os.getpid()
        if status != self._written:
            write_json(self._home.status, status)
            self._written = status


def power_off() -> None:
    """Kill all that descends from this process, and reap it."""
    kill_until_gone(lambda: descendants(os.getpid()), time.sleep)
    children.ended()


def main(arguments: Sequence[str]) -> int:
    """`HOME CONSOLE`: the instance's directory and the number of the console's descriptor; output goes to the log as it stands."""
    journal = Journal(1, time.time)
    with socket.socket(fileno=int(arguments[1])) as console:
        os.set_inheritable(console.fileno(), False)
        try:
            return Init(Home(Path(arguments[0])), console, journal, time.monotonic).run()
        finally:
            power_off()
