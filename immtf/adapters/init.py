"""immtf as the first process of a container: a minimal init around the real one.

To process 1 the kernel hands every orphan, and it sends process 1 no signal that has no handler. So process 1 does nothing but three
things, and immtf itself is its child: it passes on each SIGINT, SIGTERM and SIGHUP exactly once, it reaps whatever ends, and it ends as
its child did. The child has a process group of its own, in the terminal's foreground: Ctrl-C reaches it from the terminal and is not
passed on a second time.

When process 1 ends, the kernel kills all that is left in the container. A Terraform whose immtf was killed is therefore waited for, up
to a limit: it finishes on its own and saves its state. A signal meanwhile is passed on to it as its one interrupt.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
ORPHANS_S = 1800.0
_LOOK_S = 1.0


def run_under(body: Callable[[], None], *, orphans_s: float = ORPHANS_S) -> int:
    """Run `body` in a child and return its exit code as a shell tells it, 128 and more for a signal. In the child it never returns.

    To be called before any thread is started. `orphans_s` is how many seconds a Terraform that was left may still take.
    """
    awaited = {signal.SIGCHLD, *PASSED_ON}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*awaited, signal.SIGTTOU})  # what comes from now on waits to be looked at
    child = os.fork()
    if child == 0:
        _to_the_front(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        body()
        sys.exit(0)
    _to_the_front(child)
    code = _follow(child, awaited)
    _await_orphans(awaited, orphans_s)
    return code if code >= 0 else 128 - code


def _to_the_front(child: int) -> None:
    """Give the child (0: this process) a group of its own and the terminal, where there is one; both sides do it, as shells do."""
    with contextlib.suppress(OSError):  # the child may have ended already
        os.setpgid(child, 0)
    with contextlib.suppress(OSError):  # no terminal, or not ours
        os.tcsetpgrp(0, child or os.getpid())


def _follow(child: int, awaited: set[signal.Signals]) -> int:
    """Pass signals on to the child and reap everything until the child has ended; return its exit code, negative for a signal."""
    while True:
        ended = _reap()
        if child in ended:
            return ended[child]
        number = signal.sigwaitinfo(awaited).si_signo
        if number != signal.SIGCHLD:
            os.kill(child, number)  # it is not reaped yet, so its id is its own


def _await_orphans(awaited: set[signal.Signals], limit_s: float) -> None:
    """Wait for the Terraforms that were left, and hand on one interrupt to each if a signal comes meanwhile."""
    from immtf.adapters.terraform.earlier import orphans

    end, interrupted = time.monotonic() + limit_s, False
    while (left := orphans()) and time.monotonic() < end:
        found = signal.sigtimedwait(awaited, _LOOK_S)
        if found is not None and found.si_signo != signal.SIGCHLD and not interrupted:
            interrupted = True
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGINT)
        _reap()


def _reap() -> dict[int, int]:
    """Reap every child that has ended; return their exit codes by process id."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):  # there is no child left
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended
