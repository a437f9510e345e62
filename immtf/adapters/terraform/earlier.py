"""Children of an earlier run that still work in a root module.

A run that was killed leaves its Terraform, which finishes on its own, and a Terraform that was killed may leave its providers,
which go on changing things for minutes. Both are known by their working directory and the name of their program, from /proc; no
file that says who runs is needed, so none can be wrong.
"""

from __future__ import annotations

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
        return (entry / "cwd").readlink() == place
    except OSError:  # gone, a zombie, or another user's
        return False


def _is_terraform(entry: Path, programs: tuple[str, ...]) -> bool:
    try:
        name = (entry / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return False
    return name in programs or name.startswith(_PROVIDERS)
