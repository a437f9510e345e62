"""One container, run to its end: what it says is told as it says it, requests to end are passed on, and it is gone afterwards.

Whatever goes wrong here, the container is at work on an environment meanwhile, maybe in the middle of a Terraform apply. So a fault of
ours (a journal that can't be written) is kept until the container has ended in good order, and an engine that doesn't answer for a
moment (it may be restarting) is asked again for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from immtf.errors import ContainerFailed
from immtf.model.events import Noted
from immtf.plan import previous
from immtf.report.relay import Relay

if TYPE_CHECKING:
    from immtf.model.container import ContainerEnd, ContainerOrder
    from immtf.run.gates import Patience
    from immtf.run.ports import Containers

LOOK_S = 0.5
SILENT_S = 60.0


@dataclass
class Rehearsed:
    """A container at work: how far it was pressed, what it said of itself, and the first fault of ours while it ran."""

    containers: Containers
    container_id: str
    patience: Patience
    pressure: previous.Pressure
    relay: Relay = field(default_factory=Relay)
    failure: Exception | None = None
    silent_since: float | None = None

    def to_its_end(self) -> ContainerEnd:
        """Follow it until it has ended, and return how. Raises what was kept.

        `ContainerFailed`: the engine says nothing for a minute, or the container is still there a minute after it was killed.
        """
        clock = self.patience.clock
        started = clock.monotonic()
        while True:
            now = clock.monotonic()
            end = self._look(now)
            if end is not None:
                break
            if self.silent_since is None:  # else it would not get the signal, and not get it again for long
                self._press(now - started)
            if self.pressure.killed and now - started - self.pressure.since >= SILENT_S:
                raise ContainerFailed("the container does not end, though it was killed", where=self.container_id[:12])
            clock.sleep(LOOK_S)
        if self.failure is not None:
            raise self.failure
        return end

    def _look(self, now: float) -> ContainerEnd | None:
        """Tell what is new and return the end, or None; an engine that is silent is borne with for a while."""
        try:
            end = self.containers.ended(self.container_id)
            for line in self.containers.said(self.container_id):
                self._tell(line)
        except ContainerFailed as error:
            if self.silent_since is None:
                self.silent_since = now
                self._note("warning", f"the engine doesn't answer, and is asked again: {error.what}")
            if now - self.silent_since >= SILENT_S:
                raise
            return None
        self.silent_since = None
        return end

    def _press(self, running_s: float) -> None:
        cancel = self.patience.cancel
        requests = 2 if cancel.is_urgent() else 1 if cancel.is_set() or self.failure else 0
        signal = self.pressure.press(running_s, requests)
        if signal is None:
            return
        why = f"it is past its {self.pressure.patience.limit_s:g} s" if self.pressure.late and not requests else "asked to end"
        self._note("warning", f"the container gets {signal}: {why}")
        try:
            self.containers.signal(self.container_id, signal)
        except ContainerFailed as error:
            self._note("warning", f"the container did not get {signal}: {error.what}")

    def _tell(self, line: str) -> None:
        event = self.relay(line)
        if event is None or self.failure is not None:
            return
        try:
            self.patience.emit(event)
        except Exception as error:  # noqa: BLE001 - kept until the container has ended, then raised
            self.failure = error

    def _note(self, level: str, message: str) -> None:
        if self.failure is None:
            try:
                self.patience.emit(Noted(level, message))
            except Exception as error:  # noqa: BLE001 - as above
                self.failure = error


def run_container(
    containers: Containers, order: ContainerOrder, patience: Patience, limits: previous.Patience
) -> tuple[ContainerEnd, Relay, previous.Pressure]:
    """Run a container to its end and remove it; return how it ended, what it said of itself, and how it was pressed to.

    Raises `ContainerFailed` where it can't be started, or its engine is gone.
    """
    work = Rehearsed(containers, containers.start(order), patience, previous.Pressure(limits))
    try:
        return work.to_its_end(), work.relay, work.pressure
    finally:
        _remove(work)


def _remove(work: Rehearsed) -> None:
    """Remove the container, whatever state it is in; where that fails a person is told which one is left."""
    try:
        work.containers.remove(work.container_id)
    except ContainerFailed as error:
        left = f"container {work.container_id[:12]} is left: {error.what}; `docker rm --force {work.container_id[:12]}` removes it"
        work.patience.emit(Noted("warning", left))
