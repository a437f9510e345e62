"""Starting the guest's programs: each leads a process group of its own, and dies with the init.

The init is single-threaded, so a plain fork is safe in it. Orphans come to the init (it is their subreaper), and the kernel
kills what the init started if the init itself is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from typing import NoReturn

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """From now on whatever loses its parent below this process becomes its child."""
    if _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def start(argv: list[str], *, cwd: str, stdout: int, stderr: int, keep: tuple[int, ...] = ()) -> int:
    """Start a program and return its pid; `keep` are descriptors it inherits. One that can't be started ends with 127."""
    init = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(argv, cwd, (stdout, stderr), keep, init)
    with suppress(OSError):
        os.setpgid(pid, pid)  # the child does so too: whoever comes first, it holds before anyone signals the group
    return pid


def _become(argv: list[str], cwd: str, output: tuple[int, int], keep: tuple[int, ...], init: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        _LIBC.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != init:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        # Both are copied aside first: the target of one may be the source of the other.
        copies = [os.dup(number) for number in output]
        os.dup2(copies[0], 1)
        os.dup2(copies[1], 2)
        for number in keep:
            os.set_inheritable(number, True)
        os.chdir(cwd)
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is meant
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's code may go on in the child
        os.write(2, f"{argv[0]}: {error}\n".encode())
    os._exit(127)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to all of a program's process group; gone is good."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def ended() -> dict[int, int]:
    """List children that have ended since last asked, with their exit codes (128 + n for a signal)."""
    found: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        code = os.waitstatus_to_exitcode(status)
        found[pid] = code if code >= 0 else 128 - code
