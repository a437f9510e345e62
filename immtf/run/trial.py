"""A bench for images: instances that are thrown away, asked and waited for, each wait with a limit.

What an image does wrong is a `GateFailed`. What the cloud does wrong (no room, no answer of its API) is its own error and says nothing of
the image: it is never counted against it. Where nobody can tell which of the two it was (an instance that never answered: an image that
hangs, or a place that Systems Manager doesn't reach) it is `Unproven`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from immtf.errors import CloudFailed, GateFailed, GuestFailed, Interrupted, Unproven
from immtf.model.events import StepFinished, StepStarted, StepWaited
from immtf.model.verdict import Verdict
from immtf.plan.faults import Fault, fault_of
from immtf.plan.trials import Look, look_script, parse_look, ready_script
from immtf.run.moves import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from immtf.model.cloud import Instance
    from immtf.model.imaging import TrialOrder, TrialRules
    from immtf.run.gates import Patience
    from immtf.run.image_ports import Trial
    from immtf.run.ports import Cloud, Guest

SCRIPT_S = 30.0
CONSOLE_LINES = 12
OVER = frozenset({"stopping", "stopped", "shutting-down", "terminated"})


@dataclass(frozen=True)
class Bench:
    """One image on trial: what its instances are made from, and the ports to do it with."""

    order: TrialOrder
    rules: TrialRules
    trial: Trial
    cloud: Cloud
    guest: Guest
    patience: Patience

    def boot(self, step: str) -> str:
        """Boot an instance and wait until it answers; its id. Raises `GateFailed` with the end of its console where it doesn't."""
        instance_id = self.trial.launch(self.order)
        try:
            self.until(step, f"{self.order.image_id} boots as {instance_id}", lambda: self._answers(instance_id), self.rules.boot_s)
        except GateFailed as failure:
            failure.what += self._console(instance_id)
            failure.where = instance_id
            raise
        return instance_id

    def until(self, step: str, what: str, ask: Callable[[], Verdict], limit_s: float, *, calm_s: float = 0.0) -> Verdict:
        """Ask until it holds, and for `calm_s` seconds on end; return the last verdict.

        Raises `GateFailed` past the limit or at a final no. Without `what` it is told only where it takes its time.
        """
        clock, emit, polls = self.patience.clock, self.patience.emit, Limits().polls()
        start, held_since = clock.monotonic(), None
        if what:
            emit(StepStarted("", step, what))
        while True:
            self.check_cancel()
            verdict, trouble = self._asked(ask)
            elapsed = clock.monotonic() - start
            if verdict.held:
                held_since = elapsed if held_since is None else held_since
                if elapsed - held_since >= calm_s:
                    if what:
                        emit(StepFinished("", step, round(elapsed, 3), verdict.reason))
                    return verdict
            else:
                held_since = None
                self._refuse(step, replace(verdict, final=verdict.final or elapsed > limit_s), elapsed, trouble)
            emit(StepWaited("", step, verdict.reason, round(elapsed, 3), limit_s))
            clock.sleep(next(polls))

    def look(self, instance_id: str, volume_id: str = "") -> Look:
        """Look inside an instance. Raises `GuestFailed` where it doesn't answer."""
        mount = self.rules.mount
        _, output, _ = self.guest.run(instance_id, look_script(mount, volume_id), timeout_s=SCRIPT_S)
        return parse_look(output, mount)

    def carry_out(self, instance_id: str, script: str, what: str) -> None:
        """Run a script that has to end with 0. Raises `GuestFailed`."""
        code, _, errors = self.guest.run(instance_id, script, timeout_s=SCRIPT_S)
        if code != 0:
            raise GuestFailed(f"{what}: {errors.strip() or f'it ended with {code}'}", where=instance_id)

    def attached(self, step: str, instance_id: str, volume_id: str) -> None:
        """Attach a volume, and wait until it is."""
        self._volume_until(step, volume_id, "available")
        self.trial.attach(volume_id, instance_id, self.rules.device)
        self._volume_until(step, volume_id, "in-use")

    def detached(self, step: str, instance_id: str, volume_id: str) -> None:
        """Detach a volume, never by force, and wait until it is free."""
        self.cloud.detach(volume_id, instance_id)
        self._volume_until(step, volume_id, "available")

    def stopped(self, step: str, instance_id: str) -> None:
        """Stop an instance, and wait until it is: the cloud ends one that doesn't end by itself."""
        self.cloud.stop(instance_id)

        def ask() -> Verdict:
            state = self._instance(instance_id).state
            return Verdict(held=state == "stopped", reason=f"{instance_id} is {state}", unknown=True)

        self.until(step, f"{instance_id} stops", ask, self.rules.boot_s)

    def instance(self, instance_id: str) -> Instance:
        """Return an instance as the cloud tells it. Raises `CloudFailed` where it is not there."""
        return self._instance(instance_id)

    def check_cancel(self) -> None:
        """Raise `Interrupted` where the run is asked to end: nothing here has to be finished first."""
        if self.patience.cancel.is_set():
            raise Interrupted(
                "stopped as asked; the image is as it was",
                where=self.order.image_id,
                next=f"`immtf image verify {self.order.image_id}` begins anew",
            )

    def _volume_until(self, step: str, volume_id: str, state: str) -> None:
        def ask() -> Verdict:
            found = self.cloud.volumes([volume_id]).get(volume_id)
            tied = found is not None and all(tie.state == "attached" for tie in found.attachments)
            reason = f"{volume_id} is {found.state if found else 'away'}"
            return Verdict(held=found is not None and found.state == state and tied, reason=reason, unknown=True)

        self.until(step, "", ask, self.rules.mount_s)

    def _instance(self, instance_id: str) -> Instance:
        found = self.cloud.instances([instance_id]).get(instance_id)
        if found is None:
            raise CloudFailed("the trial's instance is not there (yet)", code="InvalidInstanceID.NotFound", where=instance_id)
        return found

    def _answers(self, instance_id: str) -> Verdict:
        """Ask an instance whether it has booted; one that ends never will, and its image or the cloud may have ended it."""
        state = self._instance(instance_id).state
        if state != "running":
            return Verdict(held=False, reason=f"{instance_id} is {state}", final=state in OVER, unknown=True)
        code, output, _ = self.guest.run(instance_id, ready_script(), timeout_s=SCRIPT_S)
        waits = f", and waits for {' '.join(output.split())}" if output.strip() else ""
        return Verdict(held=code == 0, reason=f"{instance_id} answers" if code == 0 else f"{instance_id} has not booted{waits}")

    def _asked(self, ask: Callable[[], Verdict]) -> tuple[Verdict, CloudFailed | None]:
        """Ask once. What could not be asked has not held; the cloud's own trouble is kept apart, as it tells nothing of the image."""
        try:
            return ask(), None
        except GuestFailed as error:
            return Verdict(held=False, reason=f"could not be asked: {error.what}", next=error.next, unknown=True), None
        except CloudFailed as error:
            if fault_of(error.code) is Fault.CREDENTIALS:
                raise
            return Verdict(held=False, reason=f"could not be asked: {error.what}"), error

    def _refuse(self, step: str, verdict: Verdict, elapsed: float, trouble: CloudFailed | None) -> None:
        if not verdict.final:
            return
        if trouble is not None:
            raise trouble
        failure = Unproven if verdict.unknown else GateFailed
        raise failure(f"{step}: {verdict.reason} (after {elapsed:.0f} s)", where=self.order.image_id, next=verdict.next)

    def _console(self, instance_id: str) -> str:
        """Return the end of an instance's console, as evidence; that there is none is told too."""
        try:
            lines = [line.rstrip() for line in self.trial.console(instance_id).splitlines() if line.strip()]
        except CloudFailed as error:
            return f"; its console can't be read: {error.what}"
        return (
            "".join(["; its console ends with:", *(f"\n    {line}" for line in lines[-CONSOLE_LINES:])])
            if lines
            else "; its console is empty"
        )
