"""Children of an earlier run that still work in a root module.

A run that was killed leaves its Terraform, which finishes on its own, and a Terraform that was killed may leave its providers,
which go on changing things for minutes. Both are known by their working directory and the name of their program, from /proc; no
file that says who runs is needed, so none can be wrong. A zombie, which has ended and is only not reaped yet, is none of them. Of
another user's processes no more than the name can be seen: they are told, and Terraform's own lock has to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from immtf.adapters.terraform.stream import TerraformEvent
from immtf.errors import Interrupted, TerraformFailed

if TYPE_CHECKING:
    from collections.abc import Callable

_PROGRAMS = ("terraform", "tofu")
_PROVIDERS = "terraform-provider-"
_LOOK_S = 0.5


def live_children(root: Path, *, programs: tuple[str, ...] = _PROGRAMS, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Return the ids of Terraform's and its providers' processes that work in this directory; empty where /proc tells nothing.

    `programs` are the names of Terraform's program itself.
    """
    place = root.resolve()
    found = [int(entry.name) for entry in proc.glob("[0-9]*") if _works_in(entry, place) and _is_terraform(entry, programs)]
    return tuple(sorted(found))


def hidden_children(*, programs: tuple[str, ...] = _PROGRAMS, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Return the ids of Terraform's and its providers' processes, zombies aside, whose directory this user may not see."""
    return tuple(sorted(int(entry.name) for entry in proc.glob("[0-9]*") if _is_hidden(entry, programs)))


def orphans(*, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Return the ids of Terraform's and its providers' processes that this process, as the first one of a container, was handed."""
    mine = os.getpid()
    try:
        if (proc / "self").readlink().name != str(mine):  # not the /proc of this container: its numbers are others'
            return ()
    except OSError:
        return ()
    found = [entry for entry in proc.glob("[0-9]*") if _is_terraform(entry, _PROGRAMS) and _parent(entry) == mine]
    return tuple(sorted(int(entry.name) for entry in found))


def tell_hidden(listen: Callable[[TerraformEvent], None], *, proc: Path = Path("/proc")) -> None:
    """Tell of processes that may be at work in any directory, since it can't be seen."""
    if children := hidden_children(proc=proc):
        names = ", ".join(str(child) for child in children)
        listen(TerraformEvent("note", f"another user's Terraform is at work (process {names}); whether in this directory can't be seen"))


def await_earlier(
    root: Path,
    *,
    limit_s: float,
    listen: Callable[[TerraformEvent], None],
    cancelled: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    programs: tuple[str, ...] = _PROGRAMS,
) -> None:
    """Wait until no child of an earlier run works in this directory.

    Raises `TerraformFailed` after `limit_s` seconds, naming the processes, and `Interrupted` as soon as `cancelled`.
    """
    started, told = monotonic(), False
    while children := live_children(root, programs=programs):
        names = ", ".join(str(child) for child in children)
        if not told:
            listen(TerraformEvent("waiting", f"an earlier run's Terraform is still at work here (process {names}): waiting for its end"))
            told = True
        if cancelled():
            raise Interrupted(
                f"ended while an earlier run's Terraform (process {names}) was still at work", where=str(root), next="run it again later"
            )
        if monotonic() - started > limit_s:
            raise TerraformFailed(
                f"an earlier run's Terraform (process {names}) is still at work after {limit_s:g} s; nothing was begun",
                where=str(root),
                next=f"look at it (ps -fp {children[0]}), wait for its end or end it, then run this again",
            )
        sleep(_LOOK_S)


def _works_in(entry: Path, place: Path) -> bool:
    try:
        return (entry / "cwd").readlink() == place and not _is_zombie(entry)
    except OSError:  # gone, a zombie, or another user's
        return False


def _is_zombie(entry: Path) -> bool:
    """Return whether the process has ended and is only not reaped yet."""
    return _stat(entry)[0] in {"Z", "X"}


def _parent(entry: Path) -> int:
    """Return the id of the process' parent; 0 for a zombie and for one that is gone."""
    try:
        state, parent = _stat(entry)[:2]
    except OSError:
        return 0
    return 0 if state in {"Z", "X"} else int(parent)


def _stat(entry: Path) -> list[str]:
    """Return what stands behind the process' name, which is in brackets and may hold anything: its state, its parent…"""
    return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _is_hidden(entry: Path, programs: tuple[str, ...]) -> bool:
    try:
        name = (entry / "comm").read_text(errors="replace").strip()  # the first 15 characters
        if not (name in {program[:15] for program in programs} or name.startswith(_PROVIDERS[:15])) or _is_zombie(entry):
            return False
        (entry / "cwd").readlink()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _is_terraform(entry: Path, programs: tuple[str, ...]) -> bool:
    try:
        name = (entry / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return False
    return name in programs or name.startswith(_PROVIDERS)
