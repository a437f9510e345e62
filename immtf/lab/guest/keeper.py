"""Brings the guest up and down: mounts what is wanted, keeps services running, and stops them in order.

A service that comes after a network interface is stopped in order, too, when that is taken away; the address is let go of after it.

Nothing here waits. Each call looks at how things stand, does what can be done now, and returns; the init calls again when
something has happened or some time has passed.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

from immtf.lab.guest import children
from immtf.lab.guest.boot import BootPlan, filled_in
from immtf.lab.guest.mounts import MountFailed, Mounts
from immtf.lab.guest.services import Service, to_start, to_stop, without_ground

if TYPE_CHECKING:
    from immtf.lab.guest.boot import Mount
    from immtf.lab.guest.home import Home
    from immtf.lab.guest.interfaces import Interfaces
    from immtf.lab.guest.journal import Journal

DEVICE_PAUSE_S = 0.1
IDLE_PAUSE_S = 0.5


class Keeper:
    """The guest's mounts and services."""

    def __init__(self, home: Home, plan: BootPlan, values: dict[str, str], interfaces: Interfaces, journal: Journal) -> None:
        """Keep what `plan` wants; `values` and the interfaces' addresses are filled into the services' commands."""
        self._home = home
        self._interfaces = interfaces
        self._values = values
        self._journal = journal
        self._mounts = Mounts(home, plan.mounts)
        self._services = [Service(spec) for spec in plan.services]
        self._complaints: dict[str, str] = {}

    def tend(self, now: float) -> None:
        """Take note of what was torn out or detached, mount devices that came, start the services whose time it is."""
        for path in self._mounts.lost():
            self._let_go(path)
        for wanted in self._mounts.missing:
            self._mount(wanted, now)
        ending = self._end_those_without_interface(now)
        while ready := self._due(ending, now):
            for service in ready:
                self._start(service, now)

    def ended(self, pid: int, code: int, now: float) -> None:
        """Take a child's end; one that is no service's is passed over."""
        for service in self._services:
            if service.pid == pid:
                children.signal_group(pid, signal.SIGKILL)  # what it leaves of its group would be in the way of the next one
                asked = service.kill_at is not None
                service.has_ended(now)
                then = f"again in {service.due - now:.1f} s" if service.state == "restarting" else "given up"
                self._journal.say("init", f"{service.spec.name} ended with {code}, {'as asked' if asked else then}")

    def stop(self, now: float) -> bool:
        """Ask all services to end, in order, and kill those that had their time; True when none runs."""
        return self._end(self._services, now)

    def _end(self, services: list[Service], now: float) -> bool:
        for service in to_stop(services):
            self._journal.say("init", f"stopping {service.spec.name}")
            service.kill_at = now + service.spec.grace_s
            children.signal_group(service.pid or 0, signal.SIGTERM)
        for service in services:
            if service.pid is not None and service.kill_at is not None and now >= service.kill_at:
                self._journal.say("init", f"{service.spec.name} did not stop within {service.spec.grace_s:g} s: killed")
                children.signal_group(service.pid, signal.SIGKILL)
        return all(service.pid is None for service in services)

    def _end_those_without_interface(self, now: float) -> list[Service]:
        """Stop what comes after an interface that was detached, and let that go when all of it has ended; the services still to end."""
        leaving = self._interfaces.leaving
        ending = without_ground(self._services, leaving)
        if not leaving or not self._end(ending, now):
            return ending
        for service in ending:
            service.has_lost_ground()
        self._interfaces.let_go()
        self._journal.say("init", f"{', '.join(sorted(leaving))} detached")
        return []

    def _due(self, ending: list[Service], now: float) -> list[Service]:
        ground = self._mounts.paths | self._interfaces.names
        return [service for service in to_start(self._services, ground, now) if service not in ending]

    def unmount(self) -> None:
        """Unmount everything; to be called when nothing runs any more."""
        self._mounts.unmount_all()

    def pause(self, now: float) -> float:
        """How many seconds nothing has to be looked at."""
        due = [service.due - now for service in self._services if service.state == "restarting"]
        kills = [service.kill_at - now for service in self._services if service.kill_at is not None]
        idle = DEVICE_PAUSE_S if self._mounts.missing else IDLE_PAUSE_S
        return max(0.01, min([idle, *due, *kills]))

    def status(self) -> dict[str, Any]:
        """Give the mount table and the states of the services."""
        return {
            "mounts": self._mounts.table(),
            "services": {service.spec.name: service.state for service in self._services},
            "pids": {service.spec.name: service.pid for service in self._services},
        }

    def _mount(self, wanted: Mount, now: float) -> None:
        try:
            row = self._mounts.mount(wanted, now)
        except (MountFailed, OSError, KeyError) as error:
            if self._complaints.get(wanted.path) != str(error):
                self._complaints[wanted.path] = str(error)
                self._journal.say("init", f"{wanted.path} is not mounted: {error}")
            return
        if row is not None:
            self._complaints.pop(wanted.path, None)
            self._journal.say("init", f"mounted {row.volume_id} ({row.device}, {row.uuid}) at {row.path}")

    def _let_go(self, path: str) -> None:
        self._journal.say("init", f"the device at {path} was torn out")
        for service in without_ground(self._services, [path]):
            if service.pid is not None:
                children.signal_group(service.pid, signal.SIGKILL)
            service.has_lost_ground()
        self._mounts.unmount(path)

    def _start(self, service: Service, now: float) -> None:
        argv = filled_in(service.spec.command, self._values | self._interfaces.values)
        if shutil.which(argv[0]) is None:
            self._journal.say("init", f"{service.spec.name} can't be started: no program {argv[0]} in PATH")
            service.has_failed()
            return
        reader, writer = self._journal.open(service.spec.name)
        try:
            pid = children.start(argv, cwd=str(self._home.root), stdout=writer, stderr=writer, keep=self._mounts.locks)
        finally:
            os.close(writer)
        del reader  # the journal knows it
        self._journal.say("init", f"started {service.spec.name}, pid {pid}")
        service.has_started(pid, now)
