"""The lab's guard: a process that outlives the controller by as long as it takes to remove what the controller had in Docker.

Containers aren't the controller's children, and nobody ends them when it is killed. So the controller holds one end of a pipe, and the
guard, in a session of its own, waits at the other: the kernel closes it however the controller ends. An orderly end says so first. Should
the guard be killed too, the next `lab up` or `lab down` finds the same things by their labels.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import immtf
from immtf.errors import LabFailed
from immtf.lab.docker.engine import reach
from immtf.lab.docker.leftovers import clear
from immtf.lab.runtime import RuntimeFailed

LOG = logging.getLogger("immtf.lab.docker.guard")
DISMISSED = b"over\n"
TRIES = 10
PAUSE_S = 3.0
END_LIMIT_S = 10.0
DISMISS_LIMIT_S = 60.0


class Guard:
    """A guard at work."""

    def __init__(self, label: str, environment: dict[str, str]) -> None:
        """Start one that removes what carries `label` when this process is gone."""
        modules = str(Path(immtf.__file__).parent.parent)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "immtf.lab.docker.guard", label],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, [modules, environment.get("PYTHONPATH", "")]))},
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Let it go: nothing is left to remove."""
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._process.communicate(DISMISSED, timeout=DISMISS_LIMIT_S)

    def leave(self) -> None:
        """Let it remove what is left, now."""
        with suppress(BrokenPipeError, OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT_S)


def main(label: str) -> int:
    """Wait for the pipe's end, then remove what carries the label; 1 if that can't be done."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if sys.stdin.buffer.read() == DISMISSED:
        return 0
    LOG.info("the controller is gone; removing what it had in Docker")
    for _ in range(TRIES):
        try:
            client = reach(os.environ)
            try:
                LOG.info("removed: %s", clear(client, label))
            finally:
                client.close()
        except (LabFailed, RuntimeFailed) as failed:
            LOG.warning("%s", failed)
            time.sleep(PAUSE_S)
        else:
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
