"""testinfra's connection to a node through its SSM agent.

A command is handed over as testinfra quoted it and run by `sh` on the node. SSM fills in what stands between `{{` and `}}` in a command,
so one that holds `{{` travels encoded. SSM keeps 24,000 marks of a command's output and 8,000 of its errors: a test that would judge
by a part of them fails instead. A command may last until shortly before the end of the whole run, so that the test that hangs is
told by its name.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from testinfra.backend.base import BaseBackend, CommandResult

from immtf.errors import GuestFailed

if TYPE_CHECKING:
    from immtf.run.ports import Clock, Guest

STDOUT_KEPT = 24_000
STDERR_KEPT = 8_000
RESERVE_S = 3.0
LEAST_S = 1.0
_SHOWN = 60  # marks of a command


class OutputCut(Exception):
    """A command said more than SSM keeps."""


class SsmBackend(BaseBackend):  # type: ignore[misc]  # testinfra carries no types
    """Commands on one instance, all of them within `deadline` (the clock's monotonic seconds)."""

    NAME = "ssm"

    def __init__(self, instance_id: str, guest: Guest, clock: Clock, deadline: float) -> None:
        """Reach the instance through `guest`; nothing is asked yet."""
        super().__init__(instance_id)
        self._guest = guest
        self._clock = clock
        self._deadline = deadline

    def run(self, command: str, *args: str, **_more: Any) -> CommandResult:
        """Run a command as testinfra's backends do. Raises `OutputCut`, and `GuestFailed` where it can't be run or doesn't end."""
        quoted = self.get_command(command, *args)
        left = max(LEAST_S, self._deadline - RESERVE_S - self._clock.monotonic())
        try:
            code, out, errors = self._guest.run(self.hostname, script_of(quoted), timeout_s=left)
        except GuestFailed as error:
            raise GuestFailed(f"`{quoted[:_SHOWN]}`: {error.what.rstrip(': ')}", where=error.where, next=error.next) from error
        if len(out) >= STDOUT_KEPT or len(errors) >= STDERR_KEPT:
            raise OutputCut(
                f"`{quoted[:_SHOWN]}` said more than SSM keeps ({STDOUT_KEPT} marks, {STDERR_KEPT} of errors): filter it on the node"
            )
        return self.result(code, quoted.encode(), out, errors)


def script_of(command: str) -> str:
    """Return what SSM is given, so that `sh` on the node runs exactly this command."""
    if "{{" not in command:
        return command
    encoded = base64.b64encode(command.encode()).decode()
    return f'eval "$(printf %s {encoded} | base64 -d)"'
